"""Use cases of media."""

from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.errors import Conflict, NotFound
from service.media import queries, storage
from service.media.models import Media
from service.media.storage import StoredFile


async def add(session: AsyncSession, caller: Caller, file: StoredFile, filename: str) -> Media:
    """Note an uploaded file; the same content again is the same media.

    Raises:
        Conflict: the same content, kept already as this arrived, was deleted since.
    """
    await queries.hold_content(session, file.sha256)
    if not file.path.exists():
        raise Conflict("The same file was just being deleted; upload it again")
    present = await queries.same_file(session, caller.user_id, file.sha256)
    if present is not None:
        return present
    row = Media(
        owner_id=caller.user_id,
        sha256=file.sha256,
        content_type=file.content_type,
        size=file.size,
        filename=filename,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return row


async def delete(session: AsyncSession, caller: Caller, media_id: UUID) -> str:
    """Forget a file that no post shows; return its SHA-256, for `drop_file` after the commit.

    Raises:
        NotFound: there is none, or it is somebody else's.
        Conflict: a post shows it, were it published or cancelled.
    """
    row = await queries.media_for_change(session, caller, media_id)
    if row is None:
        raise NotFound("There is no such media")
    if await queries.is_shown(session, media_id):
        raise Conflict("A post shows this file, so it is kept")
    await session.delete(row)
    await session.flush()
    return row.sha256


async def drop_file(session: AsyncSession, folder: Path, sha256: str) -> bool:
    """Remove the bytes of a content that no row stands for any more; return whether it was so.

    In a transaction of its own, after that which took the row: were that rolled back, the bytes
    would be missing. Nobody notes the same content meanwhile.
    """
    await queries.hold_content(session, sha256)
    if await queries.is_kept(session, sha256):
        return False
    storage.remove(folder, sha256)
    return True


def file_path(folder: Path, sha256: str) -> Path:
    """Return where the file with this content lies."""
    return storage.path_of(folder, sha256)
