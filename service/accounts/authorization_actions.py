"""Use cases of logins in a browser, as far as rows go: begun, taken once, chosen from."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.accounts import authorization_queries as queries
from service.accounts.models import Authorization
from service.errors import Conflict
from service.kit.clock import now
from service.kit.crypto import CannotDecrypt, Keyring
from service.kit.ids import uuid7
from service.platforms.contract import Authorization as Page
from service.platforms.contract import Grant

LIFETIME = timedelta(minutes=10)
"""For the way to the platform and back, and again for choosing accounts."""
MOST_AT_ONCE = 20
"""Logins of one user that are under way; the oldest end first."""
OVER = (
    "This login is over: it took longer than ten minutes, was used already, or was begun by "
    "somebody else. Connect the account again"
)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a login is for."""

    platform: str
    server: str
    account_id: UUID | None = None
    """The account that is connected again; None: a new one."""


@dataclass(frozen=True, slots=True)
class Login:
    """A login that begins."""

    goal: Goal
    state: str
    verifier: str
    page: Page


@dataclass(frozen=True, slots=True)
class Taken:
    """A login whose person came back."""

    id: UUID
    goal: Goal
    verifier: str
    keep: dict[str, str]


def digest(state: str) -> bytes:
    """Return what is stored of a state. Plain SHA-256 is enough for 256 random bits."""
    return sha256(state.encode("utf-8", "surrogatepass")).digest()


def new_secret() -> str:
    """Make a state or a verifier: 256 random bits in 43 characters (RFC 7636 §4.1)."""
    return secrets.token_urlsafe(32)


async def store(session: AsyncSession, caller: Caller, keyring: Keyring, login: Login) -> datetime:
    """Write down a login that begins; return when it is over."""
    await queries.latest(session, caller.user_id, MOST_AT_ONCE - 1)
    row_id, expires_at = uuid7(), now() + LIFETIME
    kept = {"verifier": login.verifier, "keep": dict(login.page.keep)}
    row = Authorization(
        id=row_id,
        owner_id=caller.user_id,
        account_id=login.goal.account_id,
        platform=login.goal.platform,
        server=login.goal.server,
        digest=digest(login.state),
        secrets=_seal(keyring, row_id, kept),
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    return expires_at


async def take(session: AsyncSession, caller: Caller, keyring: Keyring, state: str) -> Taken:
    """Use up a state.

    Raises:
        Conflict: it is unknown, used already, too old, or somebody else's.
    """
    row = await _own(session, caller, state)
    if row.taken_at is not None:
        raise Conflict(OVER)
    row.taken_at = now()
    await session.flush()
    found = _unseal(keyring, row.id, row.secrets, dict[str, Any])
    return Taken(row.id, _goal(row), found["verifier"], found["keep"])


async def keep(
    session: AsyncSession, caller: Caller, keyring: Keyring, state: str, grants: list[Grant]
) -> None:
    """Keep the accounts that a login opened until a person has chosen.

    Raises:
        Conflict: the login is over.
    """
    row = await _own(session, caller, state)
    row.grants = _seal(keyring, row.id, grants)
    row.expires_at = now() + LIFETIME
    await session.flush()


async def choices(
    session: AsyncSession, caller: Caller, keyring: Keyring, state: str
) -> tuple[UUID, Goal, list[Grant]]:
    """Return a login's id, what it is for, and the accounts that it opened.

    Raises:
        Conflict: there is nothing to choose, or not any more.
    """
    row = await _own(session, caller, state)
    if row.grants is None:
        raise Conflict(OVER)
    return row.id, _goal(row), _unseal(keyring, row.id, row.grants, list[Grant])


async def end(session: AsyncSession, authorization_id: UUID) -> None:
    """Delete a login, with all secrets in it."""
    await queries.delete_one(session, authorization_id)


async def forget(session: AsyncSession) -> int:
    """Delete logins that nobody ended in time; return how many."""
    return await queries.forget(session, now())


async def _own(session: AsyncSession, caller: Caller, state: str) -> Authorization:
    row = await queries.authorization(session, caller.user_id, digest(state), now())
    if row is None:
        raise Conflict(OVER)
    return row


def _goal(row: Authorization) -> Goal:
    return Goal(row.platform, row.server, row.account_id)


def _seal(keyring: Keyring, row_id: UUID, value: object) -> bytes:
    return keyring.encrypt(msgspec.json.encode(value), context=f"authorizations/{row_id}")


def _unseal(keyring: Keyring, row_id: UUID, token: bytes, type_: Any) -> Any:
    try:
        opened = keyring.decrypt(token, context=f"authorizations/{row_id}")
    except CannotDecrypt as error:  # the key was changed on the way
        raise Conflict(OVER) from error
    return msgspec.json.decode(opened, type=type_)
