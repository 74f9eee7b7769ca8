"""The calls of X's API v2 for media; what they are for is in x_uploads."""

from dataclasses import dataclass

import msgspec

from service.platforms.contract import MediaFile
from service.platforms.http import decode, send
from service.platforms.uploads import ChunkForm, file_name, opened, piece
from service.platforms.x.answers import Data
from service.platforms.x.api import Api
from service.platforms.x.errors import failure

SCOPE = "media.write"
_UPLOAD = "/2/media/upload"


class ProcessingError(msgspec.Struct):
    """Why X cannot use a file."""

    name: str = ""
    message: str = ""


class Processing(msgspec.Struct):
    """How far X is with a file: pending, in_progress, succeeded or failed."""

    state: str
    check_after_secs: float | None = None
    error: ProcessingError | None = None


class Uploaded(msgspec.Struct):
    """An upload, as every answer about it tells."""

    id: str
    expires_after_secs: float | None = None
    processing_info: Processing | None = None


@dataclass(frozen=True, slots=True)
class MediaApi:
    """The uploads of one account. Methods raise the contract's failures, see x_errors."""

    api: Api

    async def upload(self, file: MediaFile, category: str) -> Uploaded:
        """Upload a small image whole."""
        step = self.api.step("uploading an image")
        async with opened(step, file) as handle:
            answer = await self.api.call(
                step,
                "POST",
                _UPLOAD,
                scope=SCOPE,
                data={"media_category": category},
                files={"media": (file_name(file), handle, file.content_type)},
            )
        return decode(step, answer, Data[Uploaded]).data

    async def initialize(self, file: MediaFile, category: str) -> Uploaded:
        """Announce a file that comes in segments."""
        step = self.api.step("beginning an upload")
        body = {
            "media_type": file.content_type,
            "total_bytes": file.size,
            "media_category": category,
        }
        answer = await self.api.call(step, "POST", f"{_UPLOAD}/initialize", scope=SCOPE, json=body)
        return decode(step, answer, Data[Uploaded]).data

    async def append(
        self, media_id: str, file: MediaFile, index: int, start: int, size: int
    ) -> None:
        """Send one segment: `size` bytes of the file from `start` on."""
        step = self.api.step("uploading a segment")
        form = ChunkForm({"segment_index": str(index)}, "media", size)
        headers = {"Content-Type": form.content_type, "Content-Length": str(form.size)}
        async with opened(step, file) as handle:
            await self.api.call(
                step,
                "POST",
                f"{_UPLOAD}/{media_id}/append",
                scope=SCOPE,
                headers=headers,
                content=form.around(piece(handle, start, size)),
            )

    async def finalize(self, media_id: str) -> Uploaded:
        """Say that all segments are there."""
        step = self.api.step("finishing an upload")
        answer = await self.api.call(step, "POST", f"{_UPLOAD}/{media_id}/finalize", scope=SCOPE)
        return decode(step, answer, Data[Uploaded]).data

    async def status(self, media_id: str) -> Uploaded | None:
        """Ask how far X is with a file; None when there is nothing that it works on."""
        step = self.api.step("asking for the media")
        params = {"command": "STATUS", "media_id": media_id}
        url = f"{self.api.root}{_UPLOAD}"
        headers = self.api.headers
        answer = await send(self.api.outbound, step, "GET", url, headers=headers, params=params)
        if answer.status in (400, 404):
            return None
        if not answer.is_success:
            raise failure(step, answer, scope=SCOPE)
        return decode(step, answer, Data[Uploaded]).data

    async def describe(self, media_id: str, alt: str) -> None:
        """Say what is to be seen, for those who cannot see it."""
        step = self.api.step("describing the media")
        body = {"id": media_id, "metadata": {"alt_text": {"text": alt}}}
        await self.api.call(step, "POST", "/2/media/metadata", scope=SCOPE, json=body)
