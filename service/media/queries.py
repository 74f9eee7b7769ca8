"""Every SQL statement of media."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.media.models import Media


def _visible(caller: Caller) -> Select[Media]:
    statement = select(Media)
    return statement if caller.is_admin else statement.where(Media.owner_id == caller.user_id)


async def media(session: AsyncSession, caller: Caller, media_id: UUID) -> Media | None:
    """Return one file's row if the caller may see it."""
    return await session.scalar(_visible(caller).where(Media.id == media_id))


async def media_by_id(
    session: AsyncSession, caller: Caller, ids: Collection[UUID]
) -> Sequence[Media]:
    """Return those of these files that the caller may use."""
    return (await session.scalars(_visible(caller).where(Media.id.in_(ids)))).all()


async def same_file(session: AsyncSession, owner_id: UUID, digest: str) -> Media | None:
    """Return the owner's upload of the same content."""
    return await session.scalar(
        select(Media).where(Media.owner_id == owner_id, Media.sha256 == digest).limit(1)
    )
