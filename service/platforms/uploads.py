"""Files on their way into requests, never whole in memory."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO
from uuid import uuid4

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


class ChunkForm:
    """A multipart form (RFC 7578) whose file is streamed from a piece of a larger one.

    Args:
        fields: what stands before the file.
        name: of the file's field.
        size: of the piece, in bytes.
    """

    def __init__(self, fields: dict[str, str], name: str, size: int) -> None:
        boundary = uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        ]
        disposition = f'form-data; name="{name}"; filename="chunk"'
        kind = "Content-Type: application/octet-stream"
        parts.append(f"--{boundary}\r\nContent-Disposition: {disposition}\r\n{kind}\r\n\r\n")
        self._head = "".join(parts).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.size = len(self._head) + size + len(self._tail)

    async def around(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the form with the piece's content in it: `size` bytes."""
        yield self._head
        async for chunk in content:
            yield chunk
        yield self._tail
