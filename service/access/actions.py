"""Use cases of access."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.access import queries, rules
from service.access.caller import Caller, Scope
from service.access.models import ApiKey, RememberedReply, User
from service.errors import Unauthenticated

FIRST_USER = "admin"


async def authenticate(session: AsyncSession, key: str) -> Caller:
    """Return who holds this key.

    Raises:
        Unauthenticated: the key is unknown, revoked or expired.
    """
    row = await queries.key_by_digest(session, rules.digest(key))
    if row is None:
        raise Unauthenticated("This API key is unknown, revoked or expired")
    await queries.touch_key(session, row.id)
    return Caller(row.user_id, frozenset(Scope(name) for name in row.scopes))


async def create_key(
    session: AsyncSession, name: str, scopes: Iterable[str], user_name: str = FIRST_USER
) -> str:
    """Make a key for a user, who is made too when unknown; return the key, shown only here."""
    granted = rules.parse_scopes(scopes)
    user = await queries.user_by_name(session, user_name)
    if user is None:
        user = User(name=user_name)
        session.add(user)
        await session.flush()
    key = rules.new_key()
    session.add(
        ApiKey(
            user_id=user.id,
            name=name,
            prefix=key[: rules.SHOWN],
            digest=rules.digest(key),
            scopes=sorted(granted),
        )
    )
    await session.flush()
    return key


async def create_first_key(session: AsyncSession) -> str | None:
    """Make the admin key of a new installation, once; return None if any key exists."""
    await queries.lock_first_key(session)
    if await queries.any_key_exists(session):
        return None
    return await create_key(session, "first key", [Scope.ADMIN])


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
