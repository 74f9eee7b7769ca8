"""Use cases of accounts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.accounts import queries
from service.accounts.models import Account, AccountState
from service.errors import ConfigurationError, Conflict, InvalidInput, NotFound, Problem
from service.kit.crypto import Keyring
from service.kit.ids import uuid7
from service.notifications import actions as notifications
from service.platforms import tokens
from service.platforms.contract import CredentialField, Handles, Profile
from service.webhooks import queries as webhooks

NEEDS_RECONNECT, TOKEN_ENDS = "account.needs_reconnect", "account.token_ends"
TOKEN_NOTICES = (NEEDS_RECONNECT, TOKEN_ENDS)
"""Kinds of notices that are over once an account is connected again."""


def seal(keyring: Keyring, account_id: UUID, what: str, value: Mapping[str, object]) -> bytes:
    """Encrypt an account's `credentials` or `session`, bound to its place."""
    return keyring.encrypt(msgspec.json.encode(value), context=_place(account_id, what))


def unseal(keyring: Keyring, account_id: UUID, what: str, token: bytes) -> dict[str, Any]:
    """Decrypt what `seal` encrypted."""
    opened = keyring.decrypt(token, context=_place(account_id, what))
    value: dict[str, Any] = msgspec.json.decode(opened)
    return value


def _place(account_id: UUID, what: str) -> str:
    return f"accounts/{account_id}/{what}"


def shown_again(
    keyring: Keyring, account: Account, fields: Mapping[str, CredentialField]
) -> dict[str, str]:
    """Return what was given to connect an account, without its secrets."""
    given = unseal(keyring, account.id, "credentials", account.credentials)
    return {
        name: given[name] for name, field in fields.items() if name in given and not field.secret
    }


@dataclass(frozen=True, slots=True)
class Connection:
    """An account whose credentials its platform has just accepted."""

    platform: str
    local: bool
    profile: Profile
    credentials: dict[str, str]
    kept: tuple[str, ...] = ()
    """What a person chose for the account before, by name: it stays unless it is given anew."""


async def connect(
    session: AsyncSession, caller: Caller, keyring: Keyring, connection: Connection
) -> Account:
    """Store an account whose credentials the platform has accepted; the same one is reconnected.

    Raises:
        Conflict: somebody else's page has this handle.
    """
    profile = connection.profile
    account = await queries.same_account(
        session, caller.user_id, connection.platform, profile.base_url, profile.handle
    )
    if account is None:
        if connection.local and await queries.local_account(session, profile.handle):
            raise Conflict(f"The handle '{profile.handle}' is taken; choose another")
        account = Account(
            id=uuid7(),
            owner_id=caller.user_id,
            platform=connection.platform,
            handle=profile.handle,
            base_url=profile.base_url,
            local=connection.local,
        )
        session.add(account)
    await _renew(session, account, keyring, connection)
    await session.refresh(account)
    return account


async def reconnect(
    session: AsyncSession,
    caller: Caller,
    keyring: Keyring,
    account_id: UUID,
    connection: Connection,
) -> Account:
    """Give an account new credentials, which its platform has accepted for that very account.

    Raises:
        NotFound: there is none, or it is somebody else's.
        InvalidInput: the credentials are those of another account.
    """
    account = await _for_change(session, caller, account_id)
    profile = connection.profile
    if (account.base_url, account.handle) != (profile.base_url, profile.handle):
        text = (
            f"These are the credentials of {profile.handle} at {profile.base_url}, not of "
            f"{account.handle} at {account.base_url}; connect that one as an account of its own"
        )
        raise InvalidInput([Problem("credentials", text, "other_account")])
    await _renew(session, account, keyring, connection)
    return account


async def _renew(
    session: AsyncSession, account: Account, keyring: Keyring, connection: Connection
) -> None:
    """Make an account work again with what its platform has accepted."""
    profile, credentials = connection.profile, dict[str, object](connection.credentials)
    tokens_now: Handles = profile.session
    if account.credentials is not None:
        before = unseal(keyring, account.id, "credentials", account.credentials)
        credentials = _only(before, connection.kept) | credentials
        before = unseal(keyring, account.id, "session", account.session)
        tokens_now = _only(before, connection.kept) | tokens_now
    account.display_name = profile.display_name
    account.limits = msgspec.to_builtins(profile.limits)
    account.state = AccountState.ACTIVE
    account.credentials = seal(keyring, account.id, "credentials", credentials)
    account.session = seal(keyring, account.id, "session", tokens_now)
    account.connected_at = await queries.clock(session)
    account.token_expires_at = tokens.expires_at(tokens_now)
    # A worker that renews the earlier tokens right now loses its claim, and so cannot store them.
    account.refresh_claim = account.refresh_claimed_until = None
    account.refresh_after = account.refresh_error = None
    await session.flush()
    for kind in TOKEN_NOTICES:
        await notifications.close(session, f"{kind}:{account.id}")


def _only(values: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
    return {name: values[name] for name in names if values.get(name) is not None}


async def remove(
    session: AsyncSession, caller: Caller, keyring: Keyring, account_id: UUID
) -> Account:
    """Forget an account's credentials; what was published stays its history.

    What is scheduled is no concern of this: see `leave_account` of posts.

    Raises:
        NotFound: there is none, or it is somebody else's.
        Conflict: it was removed before.
    """
    account = await _for_change(session, caller, account_id)
    if account.state == AccountState.DISCONNECTED:
        raise Conflict("This account has been removed already")
    account.state = AccountState.DISCONNECTED
    account.credentials = seal(keyring, account.id, "credentials", {})
    account.session = seal(keyring, account.id, "session", {})
    account.token_expires_at = account.refresh_after = account.refresh_error = None
    account.refresh_claim = account.refresh_claimed_until = None
    await session.flush()
    for kind in TOKEN_NOTICES:
        await notifications.close(session, f"{kind}:{account.id}")
    return account


async def _for_change(session: AsyncSession, caller: Caller, account_id: UUID) -> Account:
    account = await queries.account_for_change(session, caller, account_id)
    if account is None:
        raise NotFound("There is no such account")
    return account


async def check_keys(session: AsyncSession, keyring: Keyring) -> None:
    """Make sure that every stored credential and secret can be decrypted here.

    Raises:
        ConfigurationError: one is encrypted with a key that the settings do not hold.
    """
    used = await queries.key_ids(session) | await webhooks.key_ids(session)
    unknown = used - keyring.key_ids
    if unknown:
        ids = ", ".join(sorted(key_id.hex() for key_id in unknown))
        raise ConfigurationError(
            f"Credentials or webhook secrets are encrypted with key {ids}, which SECRET_KEY and "
            "SECRET_KEY_OLD do not hold: add the earlier secret to SECRET_KEY_OLD"
        )


async def reseal(session: AsyncSession, keyring: Keyring) -> int:
    """Encrypt secrets of some accounts with the present key; return of how many, 0 at the end.

    Raises:
        CannotDecrypt: the settings lack the key of one.
    """
    accounts = await queries.sealed_otherwise(session, keyring.current_id)
    for account in accounts:
        place = _place(account.id, "credentials")
        account.credentials = keyring.renewed(account.credentials, context=place)
        place = _place(account.id, "session")
        account.session = keyring.renewed(account.session, context=place)
    await session.flush()
    return len(accounts)
