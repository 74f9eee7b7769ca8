"""An emulator of the YouTube Data API v3: one channel, what publishing needs of it.

Written from https://developers.google.com/youtube/v3/docs and the guide to resumable uploads.
Videos are processed by being read, or by `ripen`; quotas are attributes. The URI of an upload
session is opaque to clients, so it has a path of its own here.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.faults import Dropped
from tests.servers.platform import Handler, PlatformServer
from tests.servers.youtube_google import UNIT, Session, Tokens, refusal

CHANNEL = "UC_x5XG1OV2P6uZZ5FSM9Ttw"
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")
_MUTABLE = {"privacyStatus", "selfDeclaredMadeForKids", "embeddable", "license", "publishAt"}
_MUTABLE |= {"publicStatsViewable", "containsSyntheticMedia"}


class YouTubeServer(PlatformServer):
    """YouTube with one channel."""

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.tokens = Tokens()
        self.sessions: dict[str, Session] = {}
        self.videos: dict[str, dict[str, Any]] = {}
        self.comments: list[dict[str, Any]] = []
        self.thumbnails: dict[str, tuple[str, int]] = {}
        self.inserts_left = 100
        """Of the app, until midnight Pacific."""
        self.units_left = 10_000
        self.channel_uploads_left = 50
        self.long_uploads = "allowed"
        self.audited = True
        """Whether the app may make videos public."""
        self.reads_until_processed = 1
        self.cut_after: int | None = None
        """Bytes of the next chunk after which the connection breaks."""
        self._serial = count(1)

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Return what is documented."""
        return [
            ("POST", "/token", self._token),
            ("GET", "/youtube/v3/channels", self._channels),
            ("POST", "/upload/youtube/v3/videos", self._begin),
            ("PUT", "/resumable/{session}", self._chunk),
            ("POST", "/upload/youtube/v3/thumbnails/set", self._thumbnail),
            ("GET", "/youtube/v3/videos", self._read),
            ("PUT", "/youtube/v3/videos", self._update),
            ("DELETE", "/youtube/v3/videos", self._delete),
            ("POST", "/youtube/v3/commentThreads", self._comment),
            ("GET", "/youtube/v3/commentThreads", self._threads),
            ("DELETE", "/youtube/v3/comments", self._delete_comment),
        ]

    @property
    def posts(self) -> list[dict[str, Any]]:
        """Videos that are public or unlisted, and the comments below them."""
        seen = [
            {"id": video["id"], "text": video["snippet"].get("description", ""), **video}
            for video in self.videos.values()
            if video["status"]["privacyStatus"] != "private"
        ]
        return [*seen, *self.comments]

    def expire_access(self) -> None:
        """Let every access token given out so far be refused."""
        self.tokens.access.clear()

    def revoke(self) -> None:
        """Let every token be refused for good."""
        self.tokens.access.clear()
        self.tokens.refresh.clear()

    def expire_sessions(self) -> None:
        """Forget the upload sessions, as after a week."""
        self.sessions.clear()

    def ripen(self) -> None:
        """Finish the processing of every video."""
        for video in self.videos.values():
            video["reads"] = self.reads_until_processed
            self._process(video)

    async def _token(self, request: Request) -> Response:
        return await self.tokens.token(request)

    def _check(self, request: Request, *known: str, units: int) -> dict[str, str]:
        """Check token, parameters and quota, in this order, and return the parameters."""
        self.tokens.authorize(request)
        for name in request.query_params:
            if name not in known:
                self.violation(f"{request.url.path}: the parameter {name} is not documented")
                raise refusal(
                    400, "unexpectedParameter", f"Unexpected: {name}", "youtube.parameter"
                )
        for name in ("part", "id", "videoId"):
            if name in known and name not in request.query_params:
                self.violation(f"{request.url.path}: the parameter {name} is missing")
                raise refusal(400, "missingRequiredParameter", name, "youtube.parameter")
        if self.units_left < units:
            raise refusal(403, "quotaExceeded", "You have exceeded your quota.", "youtube.quota")
        self.units_left -= units
        return dict(request.query_params)

    async def _json(self, request: Request) -> Any:
        if request.headers.get("content-type") != "application/json":
            self.violation(f"{request.url.path}: the body is not JSON")
            raise refusal(400, "parseError", "Parse Error", "global")
        return await request.json()

    async def _channels(self, request: Request) -> Response:
        self._check(request, "part", "mine", units=1)
        channel = {
            "id": CHANNEL,
            "snippet": {"title": "Ada's channel", "customUrl": "@ada"},
            "statistics": {
                "viewCount": "1200",
                "subscriberCount": "34",
                "hiddenSubscriberCount": False,
                "videoCount": str(len(self.videos)),
            },
            "status": {"longUploadsStatus": self.long_uploads},
        }
        return JSONResponse({"kind": "youtube#channelListResponse", "items": [channel]})

    async def _begin(self, request: Request) -> Response:
        known = ("part", "uploadType", "notifySubscribers")
        given = self._check(request, *known, units=0)
        body = await self._json(request)
        if given.get("uploadType") != "resumable" or given["part"] != "snippet,status":
            self.violation("this is no resumable upload of snippet and status")
        if self.inserts_left < 1:
            raise refusal(403, "quotaExceeded", "You have exceeded your quota.", "youtube.quota")
        if self.channel_uploads_left < 1:
            text = "The user has exceeded the number of videos they may upload."
            raise refusal(400, "uploadLimitExceeded", text)
        self._check_snippet(body["snippet"])
        self._check_status(body["status"])
        self.inserts_left -= 1
        self.channel_uploads_left -= 1
        location = self.open_session(
            int(request.headers["x-upload-content-length"]),
            request.headers["x-upload-content-type"],
            {**body, "notify": given.get("notifySubscribers", "true")},
        )
        return Response(headers={"Location": location})

    def open_session(
        self, total: int, content_type: str, resource: dict[str, Any] | None = None
    ) -> str:
        """Open an upload session for a video of so many bytes and return its URI."""
        name = f"session-{next(self._serial)}"
        untitled = {"snippet": {"title": "unknown"}, "status": {"privacyStatus": "private"}}
        self.sessions[name] = Session(total, content_type, resource or untitled)
        return f"{self.url}/resumable/{name}"

    def _check_snippet(self, snippet: dict[str, Any]) -> None:
        title, text = snippet.get("title", ""), snippet.get("description", "")
        if not 0 < len(title) <= 100 or set("<>") & set(title):
            raise refusal(400, "invalidTitle", "The request metadata specifies an invalid title.")
        if len(text.encode()) > 5_000 or set("<>") & set(text):
            raise refusal(400, "invalidDescription", "An invalid video description.")
        tags = snippet.get("tags", [])
        if sum(len(tag) + 2 * (" " in tag) + 1 for tag in tags) - 1 > 500:
            raise refusal(400, "invalidTags", "The request metadata specifies invalid tags.")
        if not snippet.get("categoryId", "22").isdigit():
            raise refusal(400, "invalidCategoryId", "An invalid category ID.")

    def _check_status(self, status: dict[str, Any]) -> None:
        if unknown := set(status) - _MUTABLE:
            self.violation(f"status has {unknown}, which cannot be set")
        if not isinstance(status.get("selfDeclaredMadeForKids"), bool):
            self.violation("nobody said whether the video is made for kids")
        if status.get("privacyStatus") not in {"public", "private", "unlisted"}:
            raise refusal(400, "invalidVideoMetadata", "The request metadata is invalid.")

    async def _chunk(self, request: Request) -> Response:
        if "authorization" in request.headers:
            self.tokens.authorize(request)
        session = self.sessions.get(request.path_params["session"])
        if session is None:
            return Response(status_code=404)
        asked = _RANGE.fullmatch(request.headers.get("content-range", ""))
        if asked is None or int(asked[3]) != session.total:
            self.violation(f"Content-Range {request.headers.get('content-range')} is wrong")
            raise refusal(400, "badRequest", "Invalid Content-Range", "global")
        if session.video is not None:
            return JSONResponse(_public(session.video), 201)
        if asked[1] is None:
            return session.incomplete()
        first, last = int(asked[1]), int(asked[2])
        self._check_chunk(request, session, first, last)
        cut, self.cut_after = self.cut_after, None
        if not await session.read(request, stop_after=cut):
            return Dropped()
        session.chunks.append((first, last - first + 1))
        if session.received < session.total:
            return session.incomplete()
        return JSONResponse(_public(self._finish(session)), 201)

    def _check_chunk(self, request: Request, session: Session, first: int, last: int) -> None:
        length = last - first + 1
        if int(request.headers.get("content-length", -1)) != length:
            self.violation("Content-Length and Content-Range differ")
        if request.headers.get("content-type") != session.content_type:
            self.violation("the chunk's type is not that of the upload")
        if first != session.received:
            self.violation(f"a chunk begins at {first}, but {session.received} bytes are there")
            raise refusal(400, "badRequest", "Invalid range", "global")
        if length % UNIT and last + 1 != session.total:
            self.violation(f"a chunk of {length} bytes is no multiple of 256 KiB")
            raise refusal(400, "badRequest", "Invalid chunk size", "global")

    def _finish(self, session: Session) -> dict[str, Any]:
        number = next(self._serial)
        video_id = f"video-{number:05}"
        snippet = {"publishedAt": _now(), "channelId": CHANNEL, **session.resource["snippet"]}
        video = {
            "kind": "youtube#video",
            "id": video_id,
            "snippet": snippet,
            "status": {**session.resource["status"], "uploadStatus": "uploaded"},
            "statistics": {"viewCount": "0", "likeCount": "0", "commentCount": "0"},
            "reads": 0,
            "head": session.head,
            "sha256": session.digest.hexdigest(),
            "notify": session.resource.get("notify", "true"),
        }
        self.videos[video_id] = session.video = video
        return video

    def _process(self, video: dict[str, Any]) -> None:
        if video["status"]["uploadStatus"] == "uploaded":
            good = video["head"][4:8] == b"ftyp" or video["head"][:4] == b"\x1a\x45\xdf\xa3"
            state = {"uploadStatus": "processed"}
            bad = {"uploadStatus": "failed", "failureReason": "invalidFile"}
            video["status"].update(state if good else bad)

    async def _thumbnail(self, request: Request) -> Response:
        given = self._check(request, "videoId", "uploadType", units=50)
        content, kind = await request.body(), request.headers.get("content-type", "")
        self._video(given["videoId"])
        if len(content) > 2 * 2**20:
            raise refusal(400, "mediaBodyTooLarge", "Media is too large.", "global")
        if not content.startswith(
            {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8"}.get(kind, b"?")
        ):
            raise refusal(400, "invalidImage", "The provided image content is invalid.")
        self.thumbnails[given["videoId"]] = (kind, len(content))
        return JSONResponse({"kind": "youtube#thumbnailSetResponse", "items": []})

    def _video(self, video_id: str) -> dict[str, Any]:
        if video_id not in self.videos:
            raise refusal(404, "videoNotFound", "The video cannot be found.")
        return self.videos[video_id]

    async def _read(self, request: Request) -> Response:
        given = self._check(request, "part", "id", units=1)
        video = self.videos.get(given["id"])
        if video is None:
            return JSONResponse({"kind": "youtube#videoListResponse", "items": []})
        if video["reads"] >= self.reads_until_processed:
            self._process(video)
        video["reads"] += 1
        wanted = {name: video[name] for name in given["part"].split(",") if name in video}
        return JSONResponse({"items": [{"kind": "youtube#video", "id": video["id"], **wanted}]})

    async def _update(self, request: Request) -> Response:
        given = self._check(request, "part", units=50)
        body = await self._json(request)
        if given["part"] != "status" or set(body) != {"id", "status"}:
            self.violation("only the status is changed here")
        video = self._video(body["id"])
        self._check_status(body["status"])
        if not self.audited:
            body["status"]["privacyStatus"] = "private"
        kept = {"uploadStatus": video["status"]["uploadStatus"]}
        video["status"] = {**body["status"], **kept}
        return JSONResponse({"id": video["id"], "status": video["status"]})

    async def _delete(self, request: Request) -> Response:
        given = self._check(request, "id", units=50)
        self._video(given["id"])
        del self.videos[given["id"]]
        return Response(status_code=204)

    async def _comment(self, request: Request) -> Response:
        self._check(request, "part", units=50)
        snippet = (await self._json(request))["snippet"]
        video = self._video(snippet["videoId"])
        text = snippet["topLevelComment"]["snippet"]["textOriginal"]
        if not text.strip():
            raise refusal(400, "commentTextRequired", "A text is needed.", "youtube.commentThread")
        if video["status"]["selfDeclaredMadeForKids"]:
            raise refusal(403, "commentsDisabled", "Comments are off.", "youtube.commentThread")
        return JSONResponse(self._shown(self.add_comment(video["id"], text)))

    def add_comment(self, video_id: str, text: str, author: str = CHANNEL) -> dict[str, Any]:
        """Comment as anybody."""
        found = {"id": f"Ug{next(self._serial)}", "text": text, "video": video_id}
        comment = {**found, "author": author, "at": _now()}
        self.comments.append(comment)
        return comment

    def _shown(self, comment: dict[str, Any]) -> dict[str, Any]:
        snippet = {
            "videoId": comment["video"],
            "textDisplay": comment["text"],
            "textOriginal": comment["text"],
            "authorChannelId": {"value": comment["author"]},
            "publishedAt": comment["at"],
        }
        top = {"id": comment["id"], "snippet": snippet}
        thread = {"videoId": comment["video"], "topLevelComment": top}
        return {"kind": "youtube#commentThread", "id": comment["id"], "snippet": thread}

    async def _threads(self, request: Request) -> Response:
        known = ("part", "videoId", "order", "maxResults", "textFormat")
        given = self._check(request, *known, units=1)
        self._video(given["videoId"])
        found = [comment for comment in self.comments if comment["video"] == given["videoId"]]
        newest = found[::-1][: int(given.get("maxResults", "20"))]
        return JSONResponse({"items": [self._shown(comment) for comment in newest]})

    async def _delete_comment(self, request: Request) -> Response:
        given = self._check(request, "id", units=50)
        before = len(self.comments)
        self.comments[:] = [comment for comment in self.comments if comment["id"] != given["id"]]
        if len(self.comments) == before:
            raise refusal(404, "commentNotFound", "The comment cannot be found.", "youtube.comment")
        return Response(status_code=204)


def _public(video: dict[str, Any]) -> dict[str, Any]:
    return {name: video[name] for name in ("kind", "id", "snippet", "status")}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
