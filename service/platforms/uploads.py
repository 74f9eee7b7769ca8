"""Files on their way into requests, never whole in memory."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO

from service.platforms.contract import MediaFile
from service.platforms.failures import Rejected
from service.platforms.http import Step

CHUNK = 65_536


@asynccontextmanager
async def opened(step: Step, file: MediaFile) -> AsyncIterator[BinaryIO]:
    """Open a file; raises Rejected when its file is gone."""
    try:
        handle = await asyncio.to_thread(file.path.open, "rb")
    except OSError as error:
        text = f"the file of media {file.id} cannot be read: {error.strerror}"
        raise Rejected(step.says(text)) from error
    with handle:
        yield handle


async def chunks(handle: BinaryIO) -> AsyncIterator[bytes]:
    """Yield a file's content from its present position."""
    while chunk := await asyncio.to_thread(handle.read, CHUNK):
        yield chunk


async def piece(handle: BinaryIO, start: int, size: int) -> AsyncIterator[bytes]:
    """Yield `size` bytes of a file from `start` on, or fewer at its end."""
    await asyncio.to_thread(handle.seek, start)
    while size > 0 and (chunk := await asyncio.to_thread(handle.read, min(size, CHUNK))):
        size -= len(chunk)
        yield chunk


def file_name(file: MediaFile) -> str:
    """Return a name with the extension of the content type: some servers go by it."""
    return f"{file.id}{mimetypes.guess_extension(file.content_type) or ''}"
