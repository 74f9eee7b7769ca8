"""A strict emulator of a Mastodon server, where mastodon-mock is too forgiving.

Written from https://docs.joinmastodon.org/methods/ and the messages of Mastodon's own locale. Large
media are processed only when `ripen` is called, files are looked into, limits and rate limits hold,
an idempotency key is forgotten after an hour of `clock`, and unknown parameters are noted.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.mastodon_strict_oauth import OAuthEmulator, refusal
from tests.servers.platform import Handler, PlatformServer

STATUS_PARAMETERS = {
    "status",
    "media_ids",
    "in_reply_to_id",
    "sensitive",
    "spoiler_text",
    "visibility",
    "language",
    "scheduled_at",
    "poll",
}
MEDIA_PARAMETERS = {"file", "thumbnail", "description", "focus"}
VISIBILITIES = ("public", "unlisted", "private", "direct")
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}
_URL = re.compile(r"https?://\S+")
_REMOTE = re.compile(r"(@\w+)@[\w.-]+\w")


class StrictMastodon(PlatformServer):
    """One server with one account."""

    account_id = "109302436954721982"
    username = "alice"

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.oauth = OAuthEmulator(lambda: self.url, self.violation)
        self.statuses: dict[str, dict[str, Any]] = {}
        self.media: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, tuple[datetime, str]] = {}
        self.clock = datetime.now(UTC)
        self.uploads = self._written = 0
        self.left = 300
        """Requests until the account must wait."""
        self.fails_processing = False
        self.limits: dict[str, Any] = {
            "supported_mime_types": [*sorted(SIGNATURES.values()), "image/webp", "video/mp4"],
            "image_size_limit": 16_777_216,
            "image_matrix_limit": 33_177_600,
            "video_size_limit": 103_809_024,
            "video_frame_rate_limit": 120,
            "video_matrix_limit": 8_294_400,
            "description_limit": 1_500,
        }

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Return what the server serves."""
        oauth = [(method, path, self._late(path)) for method, path, _ in self.oauth.routes()]
        return [
            *oauth,
            ("GET", "/api/v1/accounts/verify_credentials", self._account),
            ("GET", "/api/v2/instance", self._instance),
            ("POST", "/api/v2/media", self._upload),
            ("GET", "/api/v1/media/{media_id}", self._get_media),
            ("POST", "/api/v1/statuses", self._post),
            ("GET", "/api/v1/statuses/{status_id}", self._get_status),
            ("DELETE", "/api/v1/statuses/{status_id}", self._delete),
            ("GET", "/api/v1/accounts/{account_id}/statuses", self._timeline),
        ]

    def _late(self, path: str) -> Handler:
        """Return a handler of the authorization server as it is then: `reset` makes it anew."""

        async def handler(request: Request) -> Response:
            [found] = [each for _, known, each in self.oauth.routes() if known == path]
            return await found(request)

        return handler

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The statuses, with their `text`."""
        return list(self.statuses.values())

    def expire_tokens(self) -> None:
        """Refuse all access tokens; refresh tokens still work."""
        for token in self.oauth.tokens.values():
            token.expired = True

    def revoke(self) -> None:
        """Refuse all tokens."""
        self.expire_tokens()
        self.oauth.refresh_tokens.clear()

    def ripen(self) -> None:
        """Finish processing."""
        for media in self.media.values():
            if media["_state"] == "processing":
                media["_state"] = "failed" if self.fails_processing else "ready"

    def forget_media(self) -> None:
        """Remove what is attached to nothing, as the server does after a day."""
        attached = {m["id"] for status in self.posts for m in status["media_attachments"]}
        self.media = {name: file for name, file in self.media.items() if name in attached}

    def _guarded(self, handler: Handler) -> Handler:
        guarded = super()._guarded(handler)

        async def limited(request: Request) -> Response:
            answer = await guarded(request)
            reset = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
            answer.headers.setdefault("X-RateLimit-Limit", "300")
            answer.headers.setdefault("X-RateLimit-Remaining", str(max(self.left, 0)))
            answer.headers.setdefault("X-RateLimit-Reset", reset.replace("+00:00", "Z"))
            return answer

        return limited

    def _authorize(self, request: Request, scope: str) -> None:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        token = self.oauth.tokens.get(value) if kind == "Bearer" else None
        if token is None or token.expired:
            raise refusal(401, "The access token is invalid")
        if not token.may(scope):
            raise refusal(403, "This action is outside the authorized scopes")
        if self.left <= 0:
            raise refusal(429, "Too many requests")
        self.left -= 1

    async def _account(self, request: Request) -> Response:
        self._authorize(request, "read:accounts")
        counts = {"followers_count": 12, "following_count": 3, "statuses_count": len(self.posts)}
        shown = {"id": self.account_id, "username": self.username, "display_name": "Alice"}
        return JSONResponse({**shown, **counts})

    async def _instance(self, _: Request) -> Response:
        statuses = {"max_characters": 500, "max_media_attachments": 4}
        statuses |= {"characters_reserved_per_url": 23}
        configuration = {"statuses": statuses, "media_attachments": self.limits}
        return JSONResponse({"domain": "strict.example", "configuration": configuration})

    async def _upload(self, request: Request) -> Response:
        self._authorize(request, "write:media")
        async with request.form() as form:
            for name in form.keys() - MEDIA_PARAMETERS:
                self.violation(f"media with the unknown parameter {name}")
            file = form.get("file")
            if not isinstance(file, UploadFile) or not file.content_type:
                raise refusal(422, "Validation failed: File can't be blank")
            kind = _kind(await file.read(16), file.content_type)
            self._check_file(kind, file.content_type, file.size or 0)
            description, focus = str(form.get("description", "")), str(form.get("focus", ""))
        if len(description) > self.limits["description_limit"]:
            raise refusal(422, "Validation failed: Description character limit exceeded")
        return self._keep(kind, description, focus)

    def _check_file(self, kind: str, claimed: str, size: int) -> None:
        if kind != claimed or kind not in self.limits["supported_mime_types"]:
            text = "Validation failed: File content type is invalid, File is invalid"
            raise refusal(422, text)
        most = self.limits["video_size_limit" if kind == "video/mp4" else "image_size_limit"]
        if size > most:
            raise refusal(422, f"Validation failed: File file size must be less than {most} bytes")

    def _keep(self, kind: str, description: str, focus: str) -> Response:
        self.uploads += 1
        media_id = str(22_348_641 + self.uploads)
        late = kind in ("video/mp4", "image/gif")
        meta: dict[str, Any] = {}
        if focus:
            x, _, y = focus.partition(",")
            if not (-1 <= float(x) <= 1 and -1 <= float(y) <= 1):
                self.violation(f"focus {focus}")
            meta["focus"] = {"x": float(x), "y": float(y)}
        made = {
            "id": media_id,
            "type": {"video/mp4": "video", "image/gif": "gifv"}.get(kind, "image"),
            "description": description or None,
            "meta": meta,
        }
        self.media[media_id] = {**made, "_state": "processing" if late else "ready"}
        return JSONResponse({**made, "url": None if late else "https://x"}, 202 if late else 200)

    def _unattached(self, media_id: str) -> dict[str, Any] | None:
        attached = [m["id"] for status in self.posts for m in status["media_attachments"]]
        return None if media_id in attached else self.media.get(media_id)

    async def _get_media(self, request: Request) -> Response:
        self._authorize(request, "write:media")
        media = self._unattached(request.path_params["media_id"])
        if media is None:
            raise refusal(404, "Record not found")
        if media["_state"] == "failed":
            raise refusal(422, "Error processing thumbnail for uploaded media")
        return JSONResponse(_shown(media), 206 if media["_state"] == "processing" else 200)

    async def _post(self, request: Request) -> Response:
        body = await request.json()
        self._authorize(request, "write:statuses")
        for name in body.keys() - STATUS_PARAMETERS:
            self.violation(f"a status with the unknown parameter {name}")
        key = request.headers.get("idempotency-key", "")
        since, known = self.keys.get(key, (self.clock, ""))
        if known and self.clock - since < timedelta(hours=1):
            return JSONResponse(self.statuses[known])
        made = self._status(body)
        self.statuses[made["id"]] = made
        if key:
            self.keys[key] = (self.clock, made["id"])
        return JSONResponse(made)

    def _status(self, body: dict[str, Any]) -> dict[str, Any]:
        text, warning = body.get("status", ""), body.get("spoiler_text", "")
        if not text and not body.get("media_ids"):
            raise refusal(422, "Validation failed: Text can't be blank")
        if _length(warning + text) > 500:
            raise refusal(422, "Validation failed: Text character limit of 500 exceeded")
        if body.get("visibility", "public") not in VISIBILITIES:
            raise refusal(422, "Validation failed: Visibility is not included in the list")
        answered = body.get("in_reply_to_id")
        if answered is not None and answered not in self.statuses:
            raise refusal(404, "The post you are trying to reply to does not appear to exist.")
        self._written += 1
        number = str(103_254_962_155_278_888 + self._written)
        return {
            "id": number,
            "created_at": datetime.now(UTC).isoformat(),
            "url": f"{self.url}/@{self.username}/{number}",
            "content": f"<p>{text}</p>",
            "text": text,
            "in_reply_to_id": answered,
            "spoiler_text": warning,
            "sensitive": bool(body.get("sensitive") or warning),
            "visibility": body.get("visibility", "public"),
            "language": body.get("language", "en"),
            "media_attachments": self._attached(body.get("media_ids", [])),
            "replies_count": 1,
            "reblogs_count": 2,
            "favourites_count": 3,
        }

    def _attached(self, media_ids: list[str]) -> list[dict[str, Any]]:
        if len(media_ids) > 4:
            raise refusal(422, "Validation failed: Cannot attach more than 4 files")
        found = [(name, self._unattached(name)) for name in media_ids]
        media = [each for _, each in found if each is not None]
        if missing := [name for name, each in found if each is None]:
            text = f"Media {', '.join(missing)} not found or already attached to another post"
            raise refusal(422, text)
        if len(media) > 1 and any(each["type"] == "video" for each in media):
            raise refusal(422, "Cannot attach a video to a post that already contains images")
        if any(each["_state"] != "ready" for each in media):
            text = "Cannot attach files that have not finished processing. Try again in a moment!"
            raise refusal(422, text)
        return [_shown(each) for each in media]

    def _own(self, request: Request) -> dict[str, Any]:
        found = self.statuses.get(request.path_params["status_id"])
        if found is None:
            raise refusal(404, "Record not found")
        return found

    async def _get_status(self, request: Request) -> Response:
        self._authorize(request, "read:statuses")
        return JSONResponse(self._own(request))

    async def _delete(self, request: Request) -> Response:
        self._authorize(request, "write:statuses")
        return JSONResponse(self.statuses.pop(self._own(request)["id"]))

    async def _timeline(self, request: Request) -> Response:
        self._authorize(request, "read:statuses")
        asked = request.query_params
        for name in asked.keys() - {"limit", "max_id", "exclude_reblogs"}:
            self.violation(f"a timeline with {name}")
        if request.path_params["account_id"] != self.account_id or int(asked["limit"]) > 40:
            raise refusal(404, "Record not found")
        before = int(asked.get("max_id", 2**63))
        newest = [each for each in reversed(self.posts) if int(each["id"]) < before]
        return JSONResponse(newest[: int(asked["limit"])])


def _shown(media: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in media.items() if not name.startswith("_")}


def _kind(head: bytes, claimed: str) -> str:
    if head[4:8] == b"ftyp":
        return "video/mp4"
    found = [kind for start, kind in SIGNATURES.items() if head.startswith(start)]
    return found[0] if found else f"not {claimed}"


def _length(text: str) -> int:
    return len(_REMOTE.sub(r"\1", _URL.sub("x" * 23, text)))
