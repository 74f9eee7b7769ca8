"""Every SQL statement of users, keys and remembered replies; `session_queries` has the others."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import (
    CursorResult,
    Row,
    Select,
    any_,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.access.models import ApiKey, RememberedReply, User
from service.kit.pagination import Page, Rows, encode_cursor

KeyOfUser: TypeAlias = Row[ApiKey, User]
FIRST_KEY_LOCK = 0x616C6D01
LAST_USED_STEP = timedelta(minutes=1)

_KEYS = select(ApiKey, User).join(User, User.id == ApiKey.user_id)


def _visible_keys(caller: Caller) -> Select[ApiKey, User]:
    return _KEYS if caller.is_admin else _KEYS.where(ApiKey.user_id == caller.user_id)


async def key_by_digest(session: AsyncSession, digest: bytes) -> KeyOfUser | None:
    """Return the key with this digest and its user, whatever their state."""
    return (await session.execute(_KEYS.where(ApiKey.digest == digest))).one_or_none()


async def touch_key(session: AsyncSession, key_id: UUID) -> None:
    """Note that a key was used, at most once a minute."""
    stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < func.now() - LAST_USED_STEP)
    await session.execute(
        update(ApiKey).where(ApiKey.id == key_id, stale).values(last_used_at=func.now())
    )


async def list_keys(session: AsyncSession, caller: Caller, page: Page) -> Rows[KeyOfUser]:
    """Return a page of the keys that the caller may see, newest first."""
    statement = _visible_keys(caller).order_by(ApiKey.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(ApiKey.id < page.before)
    rows = (await session.execute(statement)).all()
    items = list(rows[: page.limit])
    return Rows(items, encode_cursor(items[-1][0].id) if len(rows) > page.limit else None)


async def key(session: AsyncSession, caller: Caller, key_id: UUID) -> KeyOfUser | None:
    """Return a key that the caller may see, locked."""
    statement = _visible_keys(caller).where(ApiKey.id == key_id).with_for_update(of=ApiKey)
    return (await session.execute(statement)).one_or_none()


async def keys_by_prefix(session: AsyncSession, prefix: str) -> Sequence[UUID]:
    """Return the ids of at most two keys that begin like this."""
    like = ApiKey.prefix.startswith(prefix, autoescape=True)
    return (await session.scalars(select(ApiKey.id).where(like).limit(2))).all()


async def user_by_name(session: AsyncSession, name: str) -> User | None:
    """Return the user of this name."""
    return await session.scalar(select(User).where(User.name == name))


async def user_by_id(session: AsyncSession, user_id: UUID) -> User | None:
    """Return the user of this id."""
    return await session.get(User, user_id)


async def locked_user(session: AsyncSession, user_id: UUID) -> User | None:
    """Return a user as it stands now, and keep it so until the end of the transaction."""
    statement = select(User).where(User.id == user_id).with_for_update()
    return await session.scalar(statement.execution_options(populate_existing=True))


async def list_users(session: AsyncSession) -> Sequence[User]:
    """Return all users by name."""
    return (await session.scalars(select(User).order_by(User.name))).all()


async def holds_scope(session: AsyncSession, user_id: UUID, scope: str) -> bool:
    """Whether a user has a scope, when logged in or by a key that works."""
    by_key = select(ApiKey.id).where(
        ApiKey.user_id == user_id,
        literal(scope) == any_(ApiKey.scopes),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
    )
    by_user = select(User.id).where(User.id == user_id, literal(scope) == any_(User.scopes))
    return bool(await session.scalar(select(or_(by_key.exists(), by_user.exists()))))


async def lock_first_key(session: AsyncSession) -> None:
    """Let one process at a time decide whether the first key must be made."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FIRST_KEY_LOCK})


async def any_key_exists(session: AsyncSession) -> bool:
    """Whether a key was ever made."""
    return bool(await session.scalar(select(select(ApiKey.id).exists())))


async def reserve_reply(
    session: AsyncSession, user_id: UUID, key: str, fingerprint: bytes
) -> RememberedReply | None:
    """Take the key for this request; return what stands there if somebody has it.

    A concurrent request with the same key waits here until the first one ends.
    """
    inserted = await session.scalar(
        insert(RememberedReply)
        .values(user_id=user_id, key=key, fingerprint=fingerprint)
        .on_conflict_do_nothing()
        .returning(RememberedReply.key)
    )
    if inserted is not None:
        return None
    return await session.get_one(RememberedReply, (user_id, key))


async def remember_reply(
    session: AsyncSession, user_id: UUID, key: str, status: int, body: dict[str, object]
) -> None:
    """Keep the reply for a repeat of the request."""
    await session.execute(
        update(RememberedReply)
        .where(RememberedReply.user_id == user_id, RememberedReply.key == key)
        .values(status=status, body=body)
    )


async def forget_replies(session: AsyncSession, before: datetime) -> int:
    """Delete remembered replies older than that; return how many."""
    result = await session.execute(
        delete(RememberedReply).where(RememberedReply.created_at < before)
    )
    assert isinstance(result, CursorResult)
    return result.rowcount
