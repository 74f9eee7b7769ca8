"""Every SQL statement of access."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CursorResult, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.models import ApiKey, RememberedReply, User

FIRST_KEY_LOCK = 0x616C6D01
LAST_USED_STEP = timedelta(minutes=1)


async def key_by_digest(session: AsyncSession, digest: bytes) -> ApiKey | None:
    """Return the key with this digest unless it is revoked or expired."""
    return await session.scalar(
        select(ApiKey).where(
            ApiKey.digest == digest,
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
        )
    )


async def touch_key(session: AsyncSession, key_id: UUID) -> None:
    """Note that a key was used, at most once a minute."""
    stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < func.now() - LAST_USED_STEP)
    await session.execute(
        update(ApiKey).where(ApiKey.id == key_id, stale).values(last_used_at=func.now())
    )


async def user_by_name(session: AsyncSession, name: str) -> User | None:
    """Return the user of this name."""
    return await session.scalar(select(User).where(User.name == name))


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
