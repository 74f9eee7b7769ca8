"""Use cases of media."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import Conflict, NotFound
from service.media import jobs, queries, storage, variant_queries
from service.media.arriving import StoredFile
from service.media.models import Media
from service.platforms.contract import MediaFile

MEASURES = ("width", "height", "seconds", "frame_rate", "video_codec", "audio_codec")


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
        if present.width is None:  # it is from before files were measured
            for name, value in asdict(file.measures).items():
                setattr(present, name, value)
            await session.flush()
        return present
    row = Media(
        owner_id=caller.user_id,
        sha256=file.sha256,
        content_type=file.content_type,
        size=file.size,
        filename=filename,
        **asdict(file.measures),
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


async def drop_variants(session: AsyncSession, folder: Path, sha256: str) -> None:
    """Remove what was made of a content that no upload stands for any more."""
    if not await queries.is_uploaded(session, sha256):
        for made in await variant_queries.forget_source(session, sha256):
            await drop_file(session, folder, made)


def kept_entry(row: Media, alt: str) -> dict[str, Any]:
    """Return a file as a post keeps it."""
    return {
        "id": str(row.id),
        "sha256": row.sha256,
        "content_type": row.content_type,
        "size": row.size,
        "alt": alt,
        **{name: value for name in MEASURES if (value := getattr(row, name)) is not None},
    }


def kept_file(entry: Mapping[str, Any], path: Path) -> MediaFile:
    """Return a file that a post keeps, as platforms' adapters see it; its bytes are at `path`."""
    return MediaFile(
        UUID(entry["id"]),
        path,
        entry["content_type"],
        entry["size"],
        entry["alt"],
        **{name: entry.get(name) for name in MEASURES},
    )


def prepare(uow: UnitOfWork, files: Sequence[Media]) -> None:
    """Have the videos among these converted ahead of the posts that this transaction writes."""
    videos = [row.id for row in files if row.content_type.startswith("video/")]
    if videos:
        uow.enqueue(jobs.prepare(media_ids=videos))


def file_path(folder: Path, sha256: str) -> Path:
    """Return where the file with this content lies."""
    return storage.path_of(folder, sha256)
