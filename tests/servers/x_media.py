"""The media of X's emulator: one-shot and segmented uploads, processing, expiry, descriptions."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from tests.servers.x import XServer

MAX_SEGMENT = 5_000_000
MAX_BYTES = {"tweet_image": 5_000_000, "tweet_gif": 15_000_000, "tweet_video": 8_000_000_000}
KEYS = {"tweet_image": "3", "tweet_gif": "16", "tweet_video": "7"}
CATEGORY = {
    "image/jpeg": "tweet_image",
    "image/png": "tweet_image",
    "image/webp": "tweet_image",
    "image/gif": "tweet_gif",
    "video/mp4": "tweet_video",
    "video/quicktime": "tweet_video",
}
KEPT = 32 * 2**20
"""The content of larger files is counted and thrown away."""


def sniffed(head: bytes) -> str:
    """Tell what a file is by its first bytes."""
    for mark, kind in ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF8", "gif")):
        if head.startswith(mark):
            return f"image/{kind}"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:10] == b"qt" else "video/mp4"
    return "unknown"


@dataclass
class Media:
    """One upload."""

    id: str
    category: str
    content_type: str
    total: int
    expires_at: float
    segments: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Length and content of each."""
    state: str = "open"
    alt: str | None = None
    polls: int = 0

    @property
    def key(self) -> str:
        """Its media key."""
        return f"{KEYS[self.category]}_{self.id}"

    @property
    def content(self) -> bytes:
        """What was uploaded, if it was small enough to be kept."""
        return b"".join(data for _, (_, data) in sorted(self.segments.items()))

    @property
    def received(self) -> int:
        """Bytes that have arrived."""
        return sum(size for size, _ in self.segments.values())


class MediaStore:
    """All uploads of the account."""

    def __init__(self, server: "XServer") -> None:
        self._server = server
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.all: dict[str, Media] = {}
        self.appends = 0
        self.truncate = 0
        """How many of the next segments arrive only by half."""
        self.check_after_secs = 1
        self.failure: dict[str, Any] | None = None
        """Why the next processing fails: code, name, message."""

    def ripen(self) -> None:
        """Let all processing be over."""
        for media in self.all.values():
            if media.state in ("pending", "in_progress"):
                media.state = "succeeded"

    def attachable(self, media_id: str) -> Media | None:
        """Return an upload that a post may have."""
        media = self._alive(media_id)
        return media if media and media.state == "succeeded" else None

    def _alive(self, media_id: str) -> Media | None:
        media = self.all.get(media_id)
        return media if media and media.expires_at > self._server.time() else None

    def _found(self, media_id: str) -> Media:
        media = self._alive(media_id)
        if media is None:
            raise self._server.invalid("BadRequest: Not found", {"id": [media_id]})
        return media

    def _new(self, category: str, content_type: str, total: int, life: float) -> Media:
        end = self._server.time() + life
        media = Media(self._server.next_id(), category, content_type, total, end)
        self.all[media.id] = media
        return media

    def _check_size(self, category: str, total: int) -> None:
        if not 0 < total <= MAX_BYTES[category]:
            raise self._server.invalid("File size exceeds the limit.", {"total_bytes": [total]})

    async def _form(self, request: Request, *fields: str) -> tuple[dict[str, str], bytes]:
        """Read a multipart body of exactly these fields and the file `media`."""
        if not request.headers["content-type"].startswith("multipart/form-data; boundary="):
            raise self._server.undocumented("Requests must be multipart/form-data.")
        async with request.form() as form:
            texts = {name: value for name, value in form.items() if isinstance(value, str)}
            file = form.get("media")
            if not isinstance(file, UploadFile) or len(form) != len(texts) + 1:
                raise self._server.undocumented("media must be one file.")
            if set(texts) != set(fields):
                raise self._server.undocumented(f"fields are {sorted(texts)}, not {fields}")
            return texts, await file.read()

    async def upload(self, request: Request) -> Response:
        """POST /2/media/upload: images only."""
        texts, data = await self._form(request, "media_category")
        if texts["media_category"] != "tweet_image":
            raise self._server.undocumented("Only images are uploaded at once.")
        self._check_size("tweet_image", len(data))
        if CATEGORY.get(sniffed(data)) not in ("tweet_image", "tweet_gif"):
            raise self._server.invalid("media type unrecognized.", {"media": ["binary"]})
        media = self._new("tweet_image", sniffed(data), len(data), 86_400)
        media.segments[0], media.state = (len(data), data), "succeeded"
        return self._answer(media)

    async def initialize(self, request: Request) -> Response:
        """POST /2/media/upload/initialize."""
        body = await self._server.body(
            request, {"media_type", "total_bytes", "media_category", "shared", "additional_owners"}
        )
        category, content_type = body["media_category"], body["media_type"]
        if CATEGORY.get(content_type) != category:
            raise self._server.invalid("media_type is not that category.", {"media_type": []})
        self._check_size(category, body["total_bytes"])
        return self._answer(self._new(category, content_type, body["total_bytes"], 1_295_999))

    async def append(self, request: Request) -> Response:
        """POST /2/media/upload/:id/append."""
        texts, data = await self._form(request, "segment_index")
        media, index = self._found(request.path_params["id"]), int(texts["segment_index"])
        if media.state != "open" or not 0 <= index <= 999:
            raise self._server.undocumented("no segment can be appended there")
        if len(data) > MAX_SEGMENT or not data:
            self._server.violation(f"a segment of {len(data)} bytes")
            return Response(status_code=431)
        self.appends += 1
        if self.truncate:
            self.truncate -= 1
            data = data[: len(data) // 2]
        media.segments[index] = (len(data), data if media.total <= KEPT else data[:16])
        if media.received > media.total:
            raise self._server.undocumented("more bytes than were announced")
        return JSONResponse({"data": {"expires_at": int(media.expires_at)}})

    async def finalize(self, request: Request) -> Response:
        """POST /2/media/upload/:id/finalize."""
        if await request.body():
            raise self._server.undocumented("finalize has no body")
        media = self._found(request.path_params["id"])
        if media.state != "open":
            raise self._server.invalid("The upload is finalized already.", {"id": [media.id]})
        if media.received != media.total or sorted(media.segments) != [*range(len(media.segments))]:
            text = "Segments do not add up to provided total file size."
            raise self._server.invalid(text, {"id": [media.id]})
        media.expires_at = self._server.time() + 86_400
        if sniffed(media.segments[0][1][:16]) != media.content_type:
            self.failure = {"code": 1, "name": "InvalidMedia", "message": "Unsupported media"}
        media.state = "succeeded" if media.category == "tweet_image" else "pending"
        return self._answer(media)

    async def status(self, request: Request) -> Response:
        """GET /2/media/upload?command=STATUS."""
        query = self._server.query(request, {"command", "media_id"})
        if query.get("command") != "STATUS":
            raise self._server.undocumented("command must be STATUS")
        media = self._found(query["media_id"])
        if media.state == "open" or media.category == "tweet_image":
            raise self._server.invalid("BadRequest: Not found", {"media_id": [media.id]})
        media.polls += 1
        if self.failure and media.state in ("pending", "in_progress"):
            media.state = "failed"
        elif media.state == "pending":
            media.state = "in_progress"
        return self._answer(media)

    def _answer(self, media: Media) -> Response:
        life = int(media.expires_at - self._server.time())
        data: dict[str, Any] = {"id": media.id, "media_key": media.key, "expires_after_secs": life}
        if media.state != "open":
            data["size"] = media.total
        if media.state != "open" and media.category != "tweet_image":
            work: dict[str, Any] = {"state": media.state}
            if media.state in ("pending", "in_progress"):
                work |= {"check_after_secs": self.check_after_secs, "progress_percent": 8}
            elif media.state == "failed":
                work["error"] = self.failure
            data["processing_info"] = work
        return JSONResponse({"data": data})

    async def describe(self, request: Request) -> Response:
        """POST /2/media/metadata."""
        body = await self._server.body(request, {"id", "metadata"})
        media, metadata = self._found(body["id"]), body["metadata"]
        if set(metadata) != {"alt_text"} or set(metadata["alt_text"]) != {"text"}:
            raise self._server.undocumented(f"metadata is {metadata}")
        text = metadata["alt_text"]["text"]
        if not 0 < len(text) <= 1_000 or media.category == "tweet_video" or media.state == "open":
            raise self._server.undocumented("this cannot be described so")
        media.alt = text
        return JSONResponse({"data": {"id": media.id, "associated_metadata": metadata}})
