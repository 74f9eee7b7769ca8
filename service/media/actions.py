"""Use cases of media."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.media import queries, storage
from service.media.models import Media
from service.media.storage import StoredFile


async def add(session: AsyncSession, caller: Caller, file: StoredFile, filename: str) -> Media:
    """Note an uploaded file; the same content again is the same media."""
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


def file_path(folder: Path, sha256: str) -> Path:
    """Return where the file with this content lies."""
    return storage.path_of(folder, sha256)
