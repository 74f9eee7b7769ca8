"""An upload on its way into the media folder: received, looked into, kept."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from service.config import Settings
from service.errors import InvalidInput, Problem
from service.media import kinds, pictures, storage, videos
from service.media.measures import Measures, Unusable
from service.media.programs import ProgramMissing


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the media folder."""

    sha256: str
    size: int
    content_type: str
    path: Path
    measures: Measures


async def store(settings: Settings, source: BinaryIO) -> StoredFile:
    """Keep what was sent if it is whole; else nothing of it stays.

    Raises:
        PayloadTooLarge: it has more bytes than its type may have.
        InvalidInput: it is nothing that Almanac takes, is broken or cut off, or is a video and
            ffmpeg is not installed.
    """
    folder = settings.media_folder
    with storage.temporary(folder) as path:
        arrived = await asyncio.to_thread(
            storage.receive, source, path, settings.max_upload_bytes, settings.max_video_bytes
        )
        try:
            measures = await measured(path, arrived.content_type)
        except ProgramMissing as error:
            raise InvalidInput([Problem("file", error.message, "no_ffmpeg")]) from error
        except Unusable as error:
            raise InvalidInput([Problem("file", error.message, "unusable")]) from error
        target = await asyncio.to_thread(storage.keep, folder, path, arrived.sha256)
    return StoredFile(arrived.sha256, arrived.size, arrived.content_type, target, measures)


async def measured(path: Path, content_type: str) -> Measures:
    """Look into a file, to its end.

    Raises:
        Unusable: it is broken, cut off or too large.
        ProgramMissing: it is a video, and ffmpeg is not installed.
    """
    if content_type in kinds.VIDEO_TYPES:
        return await videos.measured(path, content_type)
    return await pictures.measured(path)
