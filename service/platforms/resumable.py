"""Google's resumable upload, for files of any size, in constant memory.

A session is a URI that is stored before any byte is sent. Chunks are PUT to it with Content-Range;
308 says by Range how much the server has, which alone counts, and 200 or 201 carries the finished
resource. After any interruption the session is asked first, with `Content-Range: bytes */N`, so
that nothing is sent twice and a lost last answer is had again. Source: "Resumable Uploads" of the
YouTube Data API, https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from service.kit.outbound import Answer, Outbound
from service.platforms.contract import MediaFile
from service.platforms.failures import PlatformError, Transient
from service.platforms.http import Step, failure, send
from service.platforms.uploads import opened, piece

UNIT = 262_144
"""Bytes; every chunk but the last is a multiple of it."""
CHUNK = 32 * UNIT

_RANGE = re.compile(r"(?:bytes=)?0-(\d+)")

Failed = Callable[[Step, Answer], PlatformError]
Progressed = Callable[[int], Awaitable[None]]


class SessionGone(Transient):
    """The session has expired, or never was: the upload begins anew."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a server has of a file.

    Args:
        received: bytes from the beginning on.
        answer: to the last byte, with the finished resource; None while bytes are missing.
    """

    received: int
    answer: Answer | None = None


def chunk_plan(total: int, start: int = 0, size: int = CHUNK) -> Iterator[tuple[int, int]]:
    """Yield offset and length of each chunk that is still to be sent; the last may be shorter.

    Args:
        total: bytes of the file.
        start: bytes that the server has.
        size: of a chunk, a multiple of `UNIT`.
    """
    if size < UNIT or size % UNIT:
        raise ValueError(f"{size:,} is no multiple of {UNIT:,} bytes")
    for offset in range(start, total, size):
        yield offset, min(size, total - offset)


def content_range(offset: int, length: int, total: int) -> str:
    """Return the header of a chunk (RFC 9110 §14.4)."""
    return f"bytes {offset}-{offset + length - 1}/{total}"


@dataclass(frozen=True, slots=True)
class Upload:
    """One file on its way into one session.

    Args:
        outbound: sends the requests.
        step: as errors name it; it must not commit.
        url: the session.
        headers: of every request.
        failed: turns the server's own errors into failures.
        size: bytes of a chunk, a multiple of `UNIT`.
    """

    outbound: Outbound
    step: Step
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    failed: Failed = failure
    size: int = CHUNK

    async def run(self, file: MediaFile, progressed: Progressed, *, resume: bool) -> Answer:
        """Send what is missing and return the answer with the finished resource.

        Args:
            progressed: awaited after each chunk, with how many bytes the server has.
            resume: whether something may have been sent before, so that the server is asked first.

        Raises:
            SessionGone: the session is no more; no resource came of it.
            Transient: the upload was interrupted; running it again goes on.
            PlatformError: whatever `failed` makes of an answer.
        """
        now = await self.probe(file.size) if resume else Progress(0)
        async with opened(self.step, file) as handle:
            while now.answer is None:
                before = now.received
                now = await self._chunk(handle, before, file.size)
                if now.answer is None and now.received <= before:
                    text = f"the server still has {now.received:,} of {file.size:,} bytes"
                    raise Transient(self.step.says(text))
                await progressed(now.received)
        return now.answer

    async def probe(self, total: int) -> Progress:
        """Ask how much of a file of `total` bytes the server has."""
        headers = {**self.headers, "Content-Range": f"bytes */{total}", "Content-Length": "0"}
        answer = await send(self.outbound, self.step, "PUT", self.url, headers=headers)
        return self._progress(answer, total)

    async def _chunk(self, handle: BinaryIO, offset: int, total: int) -> Progress:
        _, length = next(chunk_plan(total, offset, self.size), (offset, 0))
        if not length:  # nothing is left to send, or the file is empty
            return await self.probe(total)
        headers = {
            **self.headers,
            "Content-Length": str(length),
            "Content-Range": content_range(offset, length, total),
        }
        try:
            answer = await send(
                self.outbound,
                self.step,
                "PUT",
                self.url,
                headers=headers,
                content=piece(handle, offset, length),
            )
            return self._progress(answer, total)
        except SessionGone:
            raise
        except Transient as error:
            # The chunk may have arrived although its answer did not.
            found = await self.probe(total)
            if found.answer is None and found.received <= offset:
                raise error from None
            return found

    def _progress(self, answer: Answer, total: int) -> Progress:
        if answer.status in (200, 201):
            return Progress(total, answer)
        if answer.status == 308:
            found = _RANGE.fullmatch(answer.headers.get("range", "").strip())
            return Progress(int(found.group(1)) + 1 if found else 0)
        if answer.status in (404, 410):
            text = f"status {answer.status}: the upload session has expired; it will begin anew"
            raise SessionGone(self.step.says(text))
        raise self.failed(self.step, answer)
