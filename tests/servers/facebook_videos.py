"""The part of the emulated Graph API that takes videos and reels.

https://developers.facebook.com/docs/graph-api/video-uploads and
https://developers.facebook.com/docs/video-api/guides/reels-publishing.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from tests.servers.faults import Dropped
from tests.servers.meta import MetaServer, content_of, error
from tests.servers.meta_media import is_mp4
from tests.servers.platform import Refusal


@dataclass
class Footage:
    """A video; of its bytes only the beginning and the digest are kept."""

    id: str
    reel: bool
    size: int | None = None
    session: str = ""
    received: int = 0
    head: bytes = b""
    digest: Any = field(default_factory=hashlib.sha256)
    finished: bool = False
    visible: bool = False
    fault: str = ""
    description: str = ""

    def take(self, content: bytes) -> None:
        """Add bytes."""
        self.head = (self.head + content)[:16]
        self.received += len(content)
        self.digest.update(content)

    @property
    def whole(self) -> bool:
        """Whether all bytes are there."""
        return self.size is not None and self.received == self.size


class VideoServer(MetaServer):
    """Uploads; a subclass knows the Pages."""

    page_id = "100000000000001"

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.footage: dict[str, Footage] = {}
        self.chunk = 1_000
        """Bytes of a video that are asked for at once."""
        self.largest_body = 0
        self.break_after: int | None = None
        """After how many bytes the next upload of a reel breaks off."""

    def ripen(self) -> None:
        """Finish processing: what was published is seen now."""
        for video in self.footage.values():
            if video.finished and not video.visible and not video.fault:
                if is_mp4(video.head):
                    video.visible = True
                    self.show(video)
                else:
                    video.fault = "The video file is not supported."

    def show(self, video: Footage) -> None:
        """Let the world see a video."""
        raise NotImplementedError

    def page_only(self, request: Request) -> None:
        """Refuse what is not done with the Page's token."""
        raise NotImplementedError

    async def videos(self, request: Request) -> Response:
        """Serve the three phases of a resumable upload."""
        self.page_only(request)
        names = {
            *("upload_phase", "file_size", "upload_session_id", "start_offset", "title"),
            *("video_file_chunk", "description", "published"),
        }
        given = await self.parameters(request, names, {"upload_phase"})
        phase = given["upload_phase"]
        if phase == "start":
            video = Footage(self.new_id(), False, int(given["file_size"]), self.new_id())
            self.footage[video.id] = video
            ids = {"video_id": video.id, "upload_session_id": video.session}
            return JSONResponse({**ids, **self._wanted(video)})
        session = given.get("upload_session_id", "")
        video = next((v for v in self.footage.values() if v.session == session), Footage("", False))
        if not video.id or video.finished:
            raise error(6000, 1363041, "Invalid upload session")
        if phase == "transfer":
            return self._transfer(video, given)
        if phase != "finish":
            raise error(100, None, f"(#100) Unknown phase {phase}")
        return self._finish(video, given)

    def _transfer(self, video: Footage, given: dict[str, Any]) -> Response:
        wanted = self._wanted(video)
        if given.get("start_offset") != wanted["start_offset"]:
            refusal = error(6001, 1363037, "There was a problem uploading your video file")
            refusal.body["error"]["error_data"] = wanted
            raise refusal
        content = content_of(given.get("video_file_chunk"))
        self.largest_body = max(self.largest_body, len(content))
        if len(content) != int(wanted["end_offset"]) - int(wanted["start_offset"]):
            self.violation(f"a chunk of {len(content)} bytes where {wanted} was wanted")
            raise error(6001, 1363033, "The chunk has a wrong size")
        video.take(content)
        return JSONResponse(self._wanted(video))

    def _wanted(self, video: Footage) -> dict[str, str]:
        end = min(video.received + self.chunk, video.size or 0)
        return {"start_offset": str(video.received), "end_offset": str(end)}

    def _finish(self, video: Footage, given: dict[str, Any]) -> Response:
        if not video.whole:
            self.violation("a video was published that is not whole")
            raise error(6000, 1363025, "The video is incomplete")
        video.description, video.finished = str(given.get("description", "")), True
        return JSONResponse({"success": True})

    async def reels(self, request: Request) -> Response:
        """Begin or publish a reel."""
        self.page_only(request)
        names = {"upload_phase", "video_id", "video_state", "description", "title"}
        given = await self.parameters(request, names, {"upload_phase"})
        if given["upload_phase"] == "start":
            video = Footage(self.new_id(), True)
            self.footage[video.id] = video
            url = f"https://rupload.facebook.com/video-upload/v25.0/{video.id}"
            return JSONResponse({"video_id": video.id, "upload_url": url})
        found = self.footage.get(str(given.get("video_id")))
        if found is None or given.get("video_state") != "PUBLISHED":
            raise error(100, None, "(#100) Invalid parameter")
        return self._finish(found, given)

    async def reel_bytes(self, request: Request) -> Response:
        """Take a reel's bytes, from where it was broken off."""
        self.token(request, "OAuth")
        video = self.footage.get(request.path_params["id"])
        headers = request.headers
        if video is None or "offset" not in headers or "file_size" not in headers:
            raise _debug(
                "ParameterValidationError", "Header Offset not convertable", retriable=False
            )
        video.size = int(headers["file_size"])
        if int(headers["offset"]) != video.received:
            raise _debug(
                "OffsetInvalidError", "Request starting offset is invalid", retriable=False
            )
        broken, self.break_after = self.break_after, None
        try:
            async for content in request.stream():
                room = len(content) if broken is None else broken - video.received
                video.take(content[:room])
                if room < len(content):
                    return Dropped()
        except ClientDisconnect:
            return Dropped()
        return JSONResponse({"success": True})

    def video_node(self, video: Footage) -> dict[str, Any]:
        """Return a video as the Graph API shows it."""
        busy = video.finished and not video.visible and not video.fault
        failed = "error" if video.fault else "complete"
        processing: dict[str, Any] = {"status": "in_progress" if busy else "not_started"}
        if video.visible or video.fault:
            processing = {"status": failed, "errors": [{"code": 1, "message": video.fault}]}
        status = {
            "video_status": "error" if video.fault else "ready" if video.visible else "processing",
            "uploading_phase": {
                "status": "complete" if video.whole else "in_progress",
                "bytes_transfered": video.received,
            },
            "processing_phase": processing,
            "publishing_phase": {"status": "complete" if video.visible else "not_started"},
        }
        return {
            "id": video.id,
            "status": status,
            "published": video.visible,
            "permalink_url": f"/reel/{video.id}/",
            "likes": {"data": [], "summary": {"total_count": 3}},
            "comments": {"data": [], "summary": {"total_count": 1}},
            "views": 40,
        }


def _debug(kind: str, message: str, *, retriable: bool) -> Refusal:
    info = {"retriable": retriable, "type": kind, "message": message}
    return Refusal(400, {"debug_info": info})
