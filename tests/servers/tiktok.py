"""An emulator of TikTok's login, Content Posting and Display APIs, as its documentation has them.

Uploads last an hour and take chunks in order; what has been taken whole is published at `ripen`.
Refresh tokens work once. Limits are those documented; a test may lower them.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.platform import Handler, PlatformServer, Refusal
from tests.servers.tiktok_rules import (
    LEVELS,
    RANGE,
    VIDEO_TYPES,
    Invalid,
    draft_request,
    id_request,
    photo_request,
    query_request,
    video_request,
)
from tests.servers.tiktok_work import Work

T = TypeVar("T")

SCOPES: tuple[str, ...] = (
    *("user.info.basic", "user.info.profile", "user.info.stats"),
    *("video.publish", "video.upload", "video.list"),
)
PUBLISH = "/v2/post/publish"


class TikTokServer(PlatformServer):
    """TikTok with one account and one app."""

    client_key, client_secret = "client-id", "client-secret"
    username, open_id = "alice", "723f24d7-e717-40f8-a2b6-cb8464cd23b4"

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.works: dict[str, Work] = {}
        self.access: dict[str, float] = {}
        self.refresh: set[str] = set()
        self.codes: dict[str, str] = {}
        self.granted = SCOPES
        self.elapsed = 0.0
        self.uploaded = 0
        """Bytes of all chunks that were taken."""
        self.privacy_options = ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]
        self.disabled: set[str] = set()
        """Of comment, duet and stitch."""
        self.max_seconds = 600
        self.audited, self.moderating = True, False
        self.posts_a_day, self.pending_shares = 15, 5
        self.per_minute = {"init": 6, "creator_info": 20, "status": 30}
        self.verified = ["https://media.example/"]
        self.web: dict[str, bytes] = {}
        """What public URLs lead to."""
        self.fail_reason = ""
        """Of all that is processed from now on."""
        self.videos: dict[str, dict[str, int]] = {}
        self._asked: dict[str, list[float]] = {}

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Return the documented requests."""
        return [
            ("POST", "/v2/oauth/token/", self._token),
            ("GET", "/v2/user/info/", self._person),
            ("POST", "/v2/video/query/", self._query),
            ("POST", f"{PUBLISH}/creator_info/query/", self._creator),
            ("POST", f"{PUBLISH}/video/init/", self._begin_video),
            ("POST", f"{PUBLISH}/inbox/video/init/", self._begin_draft),
            ("POST", f"{PUBLISH}/content/init/", self._begin_photos),
            ("POST", f"{PUBLISH}/status/fetch/", self._status),
            ("PUT", "/video/", self._upload),
        ]

    @property
    def posts(self) -> list[dict[str, Any]]:
        """What is published, and the drafts in the inbox."""
        return [
            {
                "id": str(work.post_id or work.publish_id),
                "text": work.info.get("description" if work.kind == "photo" else "title", ""),
                "sha256": work.digest.hexdigest() if work.kind == "video" else None,
                "info": work.info,
                "inbox": work.inbox,
                "kind": work.kind,
            }
            for work in self.works.values()
            if work.status in ("PUBLISH_COMPLETE", "SEND_TO_USER_INBOX")
        ]

    def now(self) -> float:
        """Return the emulator's time, in seconds."""
        return time.time() + self.elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.elapsed += seconds

    def login(self) -> dict[str, Any]:
        """Give out tokens for what the person has allowed."""
        access, refresh = f"act.{secrets.token_hex(12)}", f"rft.{secrets.token_hex(12)}"
        self.access[access] = self.now() + 86_400
        self.refresh.add(refresh)
        return {
            "open_id": self.open_id,
            "scope": ",".join(self.granted),
            "access_token": access,
            "expires_in": 86_400,
            "refresh_token": refresh,
            "refresh_expires_in": 31_536_000,
            "token_type": "Bearer",
        }

    def allow(self, redirect_uri: str) -> str:
        """Return the code that a person who allows the app comes back with."""
        code = secrets.token_urlsafe(12) + "*0!1"
        self.codes[code] = redirect_uri
        return code

    def expire_access(self) -> None:
        """Let every access token be over."""
        self.access.clear()

    def revoke(self) -> None:
        """Let no token of the account be good any more."""
        self.access.clear()
        self.refresh.clear()

    def ripen(self) -> None:
        """Finish all that has been taken whole; moderate it unless `moderating`."""
        for work in self.works.values():
            if work.status.startswith("PROCESSING") and work.is_whole:
                work.fail_reason = self.fail_reason or work.problem(self.web) or ""
                done = "SEND_TO_USER_INBOX" if work.inbox else "PUBLISH_COMPLETE"
                work.status = "FAILED" if work.fail_reason else done
                if not work.fail_reason and not work.inbox:
                    work.post_id = 7_400_000_000_000_000_000 + len(self.works)
            if work.status == "PUBLISH_COMPLETE" and not self.moderating:
                work.moderated = work.info.get("privacy_level") == "PUBLIC_TO_EVERYONE"

    # Login.

    async def _token(self, request: Request) -> Response:
        form = dict(await request.form())
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            self.violation(f"token: {request.headers.get('content-type')}")
        if (form.pop("client_key", ""), form.pop("client_secret", "")) != (
            self.client_key,
            self.client_secret,
        ):
            raise _oauth_refusal("invalid_client", "Client key or secret is incorrect.")
        match form:
            case {"grant_type": "authorization_code", "code": code, "redirect_uri": uri, **more}:
                good = not more and self.codes.pop(str(code), None) == uri
            case {"grant_type": "refresh_token", "refresh_token": str(token), **more}:
                good = not more and token in self.refresh
                self.refresh.discard(token)
            case _:
                self.violation(f"token: {sorted(form)}")
                raise _oauth_refusal("invalid_request", "A parameter is missing.")
        if not good:
            # Seen in the wild: errors of this endpoint come with status 200.
            body = {"error": "invalid_grant", "error_description": "It is invalid or expired."}
            return JSONResponse({**body, "log_id": "202611220000"})
        return JSONResponse(self.login())

    def _user(self, request: Request, *scopes: str) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or self.access.get(token, 0) < self.now():
            text = "The access token is invalid or not found in the request."
            raise _refusal(401, "access_token_invalid", text)
        if not set(scopes) & set(self.granted):
            raise _refusal(401, "scope_not_authorized", "The user did not authorize the scope.")
        return token

    def _limited(self, what: str, token: str) -> None:
        asked = self._asked.setdefault(f"{what} {token}", [])
        asked[:] = [when for when in asked if when > self.now() - 60]
        if len(asked) >= self.per_minute[what]:
            raise _refusal(429, "rate_limit_exceeded", "The API rate limit was exceeded.")
        asked.append(self.now())

    async def _read(self, request: Request, parse: Callable[[Any], T]) -> T:
        if request.headers.get("content-type", "").lower() != "application/json; charset=utf-8":
            self.violation(f"{request.url.path}: {request.headers.get('content-type')}")
        try:
            return parse(await request.json())
        except (ValueError, Invalid) as error:
            raise self._invalid(request, str(error)) from error

    def _invalid(self, request: Request, text: str) -> Refusal:
        self.violation(f"{request.url.path}: {text}")
        return _refusal(400, "invalid_params", text)

    # Publishing.

    async def _creator(self, request: Request) -> Response:
        token = self._user(request, "video.publish")
        self._limited("creator_info", token)
        self._may_post()
        return _ok(
            {
                "creator_avatar_url": "https://media.example/avatar.webp",
                "creator_username": self.username,
                "creator_nickname": "Alice",
                "privacy_level_options": self.privacy_options,
                "comment_disabled": "comment" in self.disabled,
                "duet_disabled": "duet" in self.disabled,
                "stitch_disabled": "stitch" in self.disabled,
                "max_video_post_duration_sec": self.max_seconds,
            }
        )

    def _may_post(self) -> None:
        day = [w for w in self.works.values() if w.is_whole and w.since > self.now() - 86_400]
        if sum(1 for work in day if not work.inbox) >= self.posts_a_day:
            raise _refusal(403, "spam_risk_too_many_posts", "The daily post cap is reached.")

    async def _begin_video(self, request: Request) -> Response:
        token = self._user(request, "video.publish")
        self._limited("init", token)
        info, source = await self._read(request, video_request)
        self._check_audience(info)
        self._may_post()
        return self._begun(self._work("v_pub_file", info, source))

    async def _begin_draft(self, request: Request) -> Response:
        token = self._user(request, "video.upload")
        self._limited("init", token)
        source = await self._read(request, draft_request)
        self._may_share()
        return self._begun(self._work("v_inbox_file", {}, source))

    def _work(self, kind: str, info: dict[str, Any], source: dict[str, Any]) -> Work:
        work = Work(f"{kind}~v2.{secrets.token_hex(8)}", info, source, self.now())
        self.works[work.publish_id] = work
        return work

    def _may_share(self) -> None:
        since = self.now() - 86_400
        if sum(w.inbox and w.since > since for w in self.works.values()) >= self.pending_shares:
            text = "There may be at most 5 pending shares within any 24-hour period."
            raise _refusal(403, "spam_risk_too_many_pending_share", text)

    def _begun(self, work: Work) -> Response:
        url = f"{self.url}/video/?upload_id={work.publish_id}&upload_token={work.token}"
        return _ok({"publish_id": work.publish_id, "upload_url": url})

    async def _begin_photos(self, request: Request) -> Response:
        token = self._user(request, "video.publish", "video.upload")
        self._limited("init", token)
        info, source, draft = await self._read(request, photo_request)
        if not all(url.startswith(tuple(self.verified)) for url in source["photo_images"]):
            raise _refusal(403, "url_ownership_unverified", "Verify the URL prefix.")
        if draft:
            self._may_share()
        else:
            self._check_audience(info)
            self._may_post()
        work = self._work("p_inbox_url" if draft else "p_pub_url", info, source)
        work.status = "PROCESSING_DOWNLOAD"
        return _ok({"publish_id": work.publish_id})

    def _check_audience(self, info: dict[str, Any]) -> None:
        level = info["privacy_level"]
        if level not in LEVELS or level not in self.privacy_options:
            text = "privacy_level is not among the creator's options."
            raise _refusal(403, "privacy_level_option_mismatch", text)
        if not self.audited and level != "SELF_ONLY":
            code = "unaudited_client_can_only_post_to_private_accounts"
            raise _refusal(403, code, "Unaudited clients post privately.")

    async def _upload(self, request: Request) -> Response:
        work = self.works.get(request.query_params.get("upload_id", ""))
        if work is None or request.query_params.get("upload_token") != work.token:
            return Response(status_code=404)
        if self.now() > work.since + 3_600:
            return Response(status_code=403)
        content_type = request.headers.get("content-type", "")
        found = RANGE.fullmatch(request.headers.get("content-range", ""))
        if found is None or content_type not in VIDEO_TYPES:
            self.violation(f"PUT: {content_type}, {request.headers.get('content-range')}")
            return Response(status_code=400)
        start, end, total = map(int, found.groups())
        if start != work.received or total != work.source["video_size"]:
            return Response(status_code=416, headers=self._progress(work))
        return await self._take(request, work, start, end, content_type)

    async def _take(
        self, request: Request, work: Work, start: int, end: int, content_type: str
    ) -> Response:
        size, chunk = work.source["video_size"], work.source["chunk_size"]
        last = start // chunk == work.source["total_chunk_count"] - 1
        announced = int(request.headers.get("content-length", -1))
        if end != (size - 1 if last else start + chunk - 1) or announced != end - start + 1:
            self.violation(f"PUT: bytes {start}-{end} of {size}, {announced} announced")
            return Response(status_code=400)
        digest, head, received = work.digest.copy(), work.head, 0
        async for part in request.stream():
            digest.update(part)
            head, received = head or part[:16], received + len(part)
        if received != announced or work.received != start:
            return Response(status_code=400)
        work.digest, work.head, work.content_type = digest, head, content_type
        work.received += received
        self.uploaded += received
        return Response(status_code=201 if last else 206, headers=self._progress(work))

    def _progress(self, work: Work) -> dict[str, str]:
        return {"Content-Range": f"bytes 0-{work.received}/{work.source['video_size']}"}

    async def _status(self, request: Request) -> Response:
        token = self._user(request, "video.publish", "video.upload")
        self._limited("status", token)
        work = self.works.get(await self._read(request, id_request))
        if work is None:
            raise _refusal(400, "invalid_publish_id", "The publish_id does not exist.")
        ids = [work.post_id] if work.moderated else []
        said: dict[str, Any] = {"status": work.status, "publicaly_available_post_id": ids}
        if work.fail_reason:
            said["fail_reason"] = work.fail_reason
        said["uploaded_bytes" if work.kind == "video" else "downloaded_bytes"] = work.received
        return _ok(said)

    # Figures.

    async def _person(self, request: Request) -> Response:
        known: dict[str, tuple[str, Any]] = {
            "open_id": ("user.info.basic", self.open_id),
            "display_name": ("user.info.basic", "Alice"),
            "username": ("user.info.profile", self.username),
            "follower_count": ("user.info.stats", 1_200),
            "following_count": ("user.info.stats", 30),
            "video_count": ("user.info.stats", 44),
        }
        asked = request.query_params.get("fields", "").split(",")
        if any(name not in known for name in asked):
            raise self._invalid(request, f"fields={asked}")
        for name in asked:
            self._user(request, known[name][0])
        return _ok({"user": {name: known[name][1] for name in asked}})

    async def _query(self, request: Request) -> Response:
        self._user(request, "video.list")
        ids = await self._read(request, query_request)
        asked = request.query_params.get("fields", "").split(",")
        if not set(asked) <= {"id", "view_count", "like_count", "comment_count", "share_count"}:
            raise self._invalid(request, f"fields={asked}")
        found = [{"id": i, **self.videos[i]} for i in ids if i in self.videos]
        return _ok({"videos": found, "cursor": 0, "has_more": False})


def _ok(data: dict[str, Any]) -> Response:
    return JSONResponse(
        {"data": data, "error": {"code": "ok", "message": "", "log_id": "20261122"}}
    )


def _refusal(status: int, code: str, message: str) -> Refusal:
    error = {"code": code, "message": message, "log_id": "202611220000"}
    return Refusal(status, {"data": {}, "error": error})


def _oauth_refusal(error: str, text: str) -> Refusal:
    return Refusal(400, {"error": error, "error_description": text, "log_id": "202611220000"})
