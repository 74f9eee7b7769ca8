"""Uploading videos and reels to a Page; nobody sees them before the last call.

Videos go in chunks whose borders Facebook names, each answer telling the next:
https://developers.facebook.com/docs/graph-api/video-uploads (resumable uploading). A reel goes to
a host of its own, whole, and goes on where it was broken off:
https://developers.facebook.com/docs/video-api/guides/reels-publishing (both read in 2026).
"""

import re
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from service.kit.outbound import Answer
from service.platforms import http
from service.platforms.contract import MediaFile
from service.platforms.facebook.api import VERSION, Api
from service.platforms.facebook.video_models import Reel, Upload, Video
from service.platforms.failures import Ambiguous, PlatformError, Rejected, Transient
from service.platforms.http import Step, decode
from service.platforms.meta.graph import Graph, failure, graph_error
from service.platforms.uploads import ChunkForm, piece

WRONG_OFFSET = 1363037
"""The subcode of a chunk that is not the wanted one; the answer says which is."""
TRANSFER_DEADLINE = 600.0


class _Data(msgspec.Struct):
    error_data: Upload


class _WrongOffset(msgspec.Struct):
    error: _Data


class _Success(msgspec.Struct):
    success: bool = False


class _DebugInfo(msgspec.Struct):
    retriable: bool = False
    type: str = ""
    message: str = ""


class _UploadError(msgspec.Struct):
    debug_info: _DebugInfo


@dataclass(frozen=True, slots=True)
class VideoApi:
    """Calls for one Page. Methods raise the contract's failures."""

    api: Api
    page_id: str

    async def start(self, size: int) -> Upload:
        """Begin to upload a video of so many bytes."""
        step = self.api.step("beginning the upload of the video")
        form = {"upload_phase": "start", "file_size": str(size)}
        return decode(step, await self._videos(step, form), Upload)

    async def transfer(self, session: str, upload: Upload, handle: BinaryIO) -> Upload:
        """Send the chunk that is wanted; return the next one, which is empty after the last."""
        step = self.api.step("uploading the video", deadline=TRANSFER_DEADLINE)
        start, end = int(upload.start_offset), int(upload.end_offset)
        fields = {
            "upload_phase": "transfer",
            "upload_session_id": session,
            "start_offset": str(start),
        }
        form = ChunkForm(fields, "video_file_chunk", end - start)
        answer = await http.send(
            self.api.outbound,
            step,
            "POST",
            f"{self.api.roots.video}/{VERSION}/{self.page_id}/videos",
            headers={
                "Authorization": f"Bearer {self.api.token}",
                "Content-Type": form.content_type,
                "Content-Length": str(form.size),
            },
            content=form.around(piece(handle, start, end - start)),
        )
        error = graph_error(answer)
        if error is not None and error.error_subcode == WRONG_OFFSET:
            return decode(step, answer, _WrongOffset).error.error_data
        if not answer.is_success or error is not None:
            raise failure(step, answer)
        return decode(step, answer, Upload)

    async def finish(self, session: str, description: str, deadline: float) -> None:
        """Publish an uploaded video."""
        step = self.api.step("posting the video", commits=True, deadline=deadline)
        form = {
            "upload_phase": "finish",
            "upload_session_id": session,
            "description": description,
        }
        _require_success(step, await self._videos(step, form))

    async def start_reel(self) -> str:
        """Begin to upload a reel and return its id."""
        step = self.api.step("beginning the upload of the reel")
        path = f"{self.page_id}/video_reels"
        answer = await self.api.post(step, path, json={"upload_phase": "start"})
        return decode(step, answer, Reel).video_id

    async def send_reel(
        self, video_id: str, file: MediaFile, handle: BinaryIO, offset: int
    ) -> None:
        """Send a reel's bytes from an offset to the end."""
        step = self.api.step("uploading the reel", deadline=TRANSFER_DEADLINE)
        headers = {
            "Authorization": f"OAuth {self.api.token}",
            "offset": str(offset),
            "file_size": str(file.size),
            "Content-Type": "application/octet-stream",
            "Content-Length": str(file.size - offset),
        }
        url = f"{self.api.roots.upload}/video-upload/{VERSION}/{video_id}"
        content = piece(handle, offset, file.size - offset)
        answer = await http.send(
            self.api.outbound, step, "POST", url, headers=headers, content=content
        )
        if not answer.is_success:
            raise _upload_failure(step, answer)

    async def finish_reel(self, video_id: str, description: str, deadline: float) -> None:
        """Publish an uploaded reel."""
        step = self.api.step("posting the reel", commits=True, deadline=deadline)
        body = {
            "upload_phase": "finish",
            "video_id": video_id,
            "video_state": "PUBLISHED",
            "description": description,
        }
        answer = await self.api.post(step, f"{self.page_id}/video_reels", json=body)
        _require_success(step, answer)

    async def video(self, video_id: str) -> Video:
        """Read how far a video or a reel has come."""
        step = self.api.step("asking for the video", deadline=20)
        params = {"fields": "id,status,published,permalink_url"}
        return decode(step, await self.api.get(step, video_id, params), Video)

    async def _videos(self, step: Step, form: dict[str, str]) -> Answer:
        url = f"{self.api.roots.video}/{VERSION}/{self.page_id}/videos"
        return await Graph(self.api.outbound, self.api.token).call(step, "POST", url, data=form)


def _require_success(step: Step, answer: Answer) -> None:
    if not decode(step, answer, _Success).success:
        raise Ambiguous(step.says("Facebook does not say that it worked; the post may be there"))


def _upload_failure(step: Step, answer: Answer) -> PlatformError:
    """Return what an error of the upload host means; it has a form of its own."""
    try:
        found = msgspec.json.decode(answer.body, type=_UploadError).debug_info
    except (msgspec.DecodeError, UnicodeDecodeError):
        return failure(step, answer)
    text = step.says(f"status {answer.status}: {found.type}: {found.message}")
    # 412: another offset is wanted, which the next attempt asks for.
    passes = found.retriable or answer.status == 412 or re.search("offset", found.message, re.I)
    return Transient(text) if passes else Rejected(text)
