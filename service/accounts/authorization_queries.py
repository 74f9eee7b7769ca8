"""Every SQL statement of logins in a browser."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CursorResult, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.models import Account, Authorization


async def authorization(
    session: AsyncSession, owner_id: UUID, digest: bytes, moment: datetime
) -> Authorization | None:
    """Return a user's own login of this state, locked, unless its time is over."""
    return await session.scalar(
        select(Authorization)
        .where(
            Authorization.digest == digest,
            Authorization.owner_id == owner_id,
            Authorization.expires_at > moment,
        )
        .with_for_update()
    )


async def latest(session: AsyncSession, owner_id: UUID, limit: int) -> None:
    """Delete all but the latest logins of a user."""
    kept = (
        select(Authorization.id)
        .where(Authorization.owner_id == owner_id)
        .order_by(Authorization.id.desc())
        .limit(limit)
    )
    await session.execute(
        delete(Authorization).where(
            Authorization.owner_id == owner_id, Authorization.id.not_in(kept)
        )
    )


async def forget(session: AsyncSession, moment: datetime) -> int:
    """Delete logins whose time is over; return how many."""
    done = await session.execute(delete(Authorization).where(Authorization.expires_at <= moment))
    assert isinstance(done, CursorResult)
    return done.rowcount


async def delete_one(session: AsyncSession, authorization_id: UUID) -> None:
    """Delete a login that has come to its end."""
    await session.execute(delete(Authorization).where(Authorization.id == authorization_id))


async def connected(
    session: AsyncSession, owner_id: UUID, platform: str, names: list[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return which pairs of server and handle are accounts of this user already."""
    pair = tuple_(Account.base_url, Account.handle)
    found = await session.execute(
        select(Account.base_url, Account.handle).where(
            Account.owner_id == owner_id, Account.platform == platform, pair.in_(names)
        )
    )
    return {(base_url, handle) for base_url, handle in found}
