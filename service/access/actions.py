"""Use cases of keys and remembered replies."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access import queries, rules
from service.access.caller import Caller, Scope
from service.access.models import ApiKey, RememberedReply, User
from service.errors import InvalidInput, NotFound, Problem, Unauthenticated
from service.kit.clock import now

FIRST_USER = "admin"


async def authenticate(session: AsyncSession, key: str) -> Caller:
    """Return who holds this key.

    Raises:
        Unauthenticated: the key is unknown, revoked or expired, or its user is disabled.
    """
    found = await queries.key_by_digest(session, rules.digest(key))
    if found is None:
        raise Unauthenticated("This API key is unknown")
    row, user = found
    reason = rules.key_refusal(
        now(),
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        disabled_at=user.disabled_at,
    )
    if reason is not None:
        raise Unauthenticated(reason)
    await queries.touch_key(session, row.id)
    return Caller(user.id, user.name, frozenset(Scope(name) for name in row.scopes))


async def create_key(
    session: AsyncSession,
    name: str,
    scopes: Iterable[str],
    user_name: str = FIRST_USER,
    expires_at: datetime | None = None,
) -> str:
    """Make a key for a user, who is made too when unknown; return the key, shown only here.

    Raises:
        InvalidInput: a scope is unknown, the name of a new user is none, or the end has passed.
    """
    granted = rules.parse_scopes(scopes)
    user = await queries.user_by_name(session, user_name)
    if user is None:
        rules.check_name(user_name)
        user = User(name=user_name)
        session.add(user)
        await session.flush()
    _, key = await issue(session, user.id, name, granted, expires_at)
    return key


async def issue(
    session: AsyncSession,
    user_id: UUID,
    name: str,
    scopes: Collection[Scope],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; return its row and the key itself, which nobody can read again."""
    if expires_at is not None and expires_at <= now():
        raise InvalidInput([Problem("expires_at", "has passed")])
    key = rules.new_key()
    row = ApiKey(
        user_id=user_id,
        name=name,
        prefix=key[: rules.SHOWN],
        digest=rules.digest(key),
        scopes=sorted(scopes),
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return row, key


async def owner_of_new_key(session: AsyncSession, caller: Caller, name: str | None) -> User:
    """Return for whom the caller makes a key; somebody else's only exist for an admin.

    Raises:
        InvalidInput: there is no such user, or it is disabled.
    """
    user = await queries.user_by_name(session, caller.name if name is None else name)
    if user is None or not caller.may_see(user.id):
        raise InvalidInput([Problem("user", "there is no such user")])
    if user.disabled_at is not None:
        raise InvalidInput([Problem("user", "is disabled")])
    return user


async def revoke_key(session: AsyncSession, caller: Caller, key_id: UUID) -> queries.KeyOfUser:
    """Let a key work no more; one that is revoked already stays as it is.

    Raises:
        NotFound: the caller has no such key.
    """
    found = await queries.key(session, caller, key_id)
    if found is None:
        raise NotFound("There is no such key")
    row, _ = found
    row.revoked_at = row.revoked_at or now()
    await session.flush()
    return found


@dataclass(frozen=True, slots=True)
class FirstRun:
    """What lets the first admin in."""

    key: str
    password: bool
    """Whether the password was taken: a user of that name may have had one."""


async def create_first_admin(session: AsyncSession, password: str) -> FirstRun | None:
    """Make the admin of a new installation and a key, once; return None if any key exists.

    Args:
        session: of the transaction.
        password: hashed.
    """
    await queries.lock_first_key(session)
    if await queries.any_key_exists(session):
        return None
    key = await create_key(session, "first key", [Scope.ADMIN])
    user = await queries.user_by_name(session, FIRST_USER)
    assert user is not None
    user.scopes = [Scope.ADMIN]
    taken = user.password is None
    user.password = user.password or password
    await session.flush()
    return FirstRun(key, taken)


async def take_reply(
    session: AsyncSession, caller: Caller, key: str, fingerprint: bytes
) -> RememberedReply | None:
    """Take an Idempotency-Key for this request; return what stands there if it was taken before."""
    return await queries.reserve_reply(session, caller.user_id, key, fingerprint)


async def remember_reply(
    session: AsyncSession, caller: Caller, key: str, status: int, body: dict[str, object]
) -> None:
    """Keep the reply of the request that took this Idempotency-Key."""
    await queries.remember_reply(session, caller.user_id, key, status, body)


async def forget_replies(session: AsyncSession, before: datetime) -> int:
    """Delete remembered replies older than that; return how many."""
    return await queries.forget_replies(session, before)
