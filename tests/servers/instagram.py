"""An emulator of the Instagram API with Instagram Login, as its documentation describes it.

https://developers.facebook.com/docs/instagram-platform: media is fetched from URLs into containers,
which are processed, expire after 24 hours and are published once.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.meta import HOUR, LONG, MetaServer, error, form_of
from tests.servers.meta_media import is_mp4, jpeg, mp4, picture
from tests.servers.platform import Handler, Refusal

CLIENT = ("client-id", "client-secret")
MEDIA_PARAMETERS = {
    *("image_url", "video_url", "media_type", "caption", "is_carousel_item", "children"),
    *("alt_text", "cover_url", "thumb_offset", "share_to_feed", "audio_name", "location_id"),
    *("collaborators", "user_tags", "product_tags"),
}
INSIGHTS = {
    "STORY": {"views", "reach", "shares", "replies", "total_interactions", "follows", "navigation"},
    "POST": {"views", "reach", "likes", "comments", "shares", "saved", "total_interactions"},
}
SCOPES = (
    "instagram_business_basic,instagram_business_content_publish,"
    "instagram_business_manage_comments,instagram_business_manage_insights"
)


@dataclass
class Upload:
    """A container."""

    id: str
    given: dict[str, Any]
    made_at: datetime
    state: str = "IN_PROGRESS"
    status: str = ""
    children: list[str] = field(default_factory=list)
    will_fail: str = ""
    """What processing will find wrong."""


class InstagramServer(MetaServer):
    """One professional account."""

    user_id = "17841400000000001"
    username = "almanac.test"

    def reset(self) -> None:
        """Forget everything; the account has one long-lived token that is two days old."""
        super().reset()
        self.internet: dict[str, bytes] = {}
        """What Instagram can fetch, by URL."""
        self.fetch: Callable[[str], bytes | None] = self.internet.get
        self.instantly = False
        """Whether containers are ready at once."""
        self.containers: dict[str, Upload] = {}
        self.media: dict[str, dict[str, Any]] = {}
        self.comments: dict[str, list[dict[str, Any]]] = {}
        self.codes: dict[str, str] = {}
        self.quota_total = 50
        self.scope = SCOPES
        self.republished: list[str] = []
        """Containers that somebody tried to publish twice."""
        self.value = self.give_token(self.user_id)
        self.tokens[self.value].made_at -= timedelta(days=2)

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Return the documented requests."""
        node, metered = "/{version}/{id}", self.metered
        return [
            ("POST", "/oauth/access_token", self._code),
            ("GET", "/access_token", self._exchange),
            ("GET", "/refresh_access_token", self._refresh),
            ("GET", "/{version}/me", metered(self._me)),
            ("POST", f"{node}/media", metered(self._create)),
            ("POST", f"{node}/media_publish", metered(self._publish)),
            ("GET", f"{node}/content_publishing_limit", metered(self._limit)),
            ("GET", f"{node}/media", metered(self._posts)),
            ("GET", f"{node}/stories", metered(self._stories)),
            ("POST", f"{node}/comments", metered(self._comment)),
            ("GET", f"{node}/comments", metered(self._comments)),
            ("GET", f"{node}/insights", metered(self._insights)),
            ("GET", node, metered(self._node)),
        ]

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The posts, and below them the comments."""
        written = [comment for found in self.comments.values() for comment in found]
        return [*self.media.values(), *written]

    def host(self, content: bytes, name: str) -> str:
        """Put a file where Instagram can fetch it."""
        url = f"https://media.example/{name}"
        self.internet[url] = content
        return url

    def open_the_internet(self) -> None:
        """Let every https URL lead to a good file: a video if it ends so."""
        videos = (".mp4", ".mov")
        self.fetch = lambda url: mp4() if url.endswith(videos) else jpeg()

    def ripen(self) -> None:
        """Finish processing."""
        for upload in self.containers.values():
            if upload.state == "IN_PROGRESS":
                upload.state = "ERROR" if upload.will_fail else "FINISHED"
                upload.status = upload.will_fail or "Finished: Media has been uploaded."

    def authorize(self) -> str:
        """Let the person allow the app, and return the code that the browser brings back."""
        code = f"AQ{self.new_id()}"
        self.codes[code] = self.user_id
        return code

    # Login.

    async def _code(self, request: Request) -> Response:
        form = await form_of(request)
        wanted = {"client_id", "client_secret", "grant_type", "redirect_uri", "code"}
        if set(form) != wanted or form["grant_type"] != "authorization_code":
            self.violation(f"POST /oauth/access_token: {sorted(form)}")
        if (form.get("client_id"), form.get("client_secret")) != CLIENT:
            raise _login_error("Invalid platform app")
        if self.codes.pop(str(form.get("code")), None) is None:
            raise _login_error("Invalid authorization code")
        token = self.give_token(self.user_id, HOUR)
        user = {"access_token": token, "user_id": self.user_id, "permissions": self.scope}
        return JSONResponse({"data": [user]})

    async def _exchange(self, request: Request) -> Response:
        names = ("grant_type", "client_secret", "access_token")
        given = await self.parameters(request, names, names)
        if given["grant_type"] != "ig_exchange_token" or given["client_secret"] != CLIENT[1]:
            raise error(101, None, "Error validating application. Invalid client_secret.")
        return self._long(self.good(given["access_token"], refreshing=True).owner)

    async def _refresh(self, request: Request) -> Response:
        names = ("grant_type", "access_token")
        given = await self.parameters(request, names, names)
        token = self.good(given["access_token"], refreshing=True)
        if token.made_at + timedelta(days=1) > self.now():
            raise error(10, None, "The access token must be at least 24 hours old", 400)
        return self._long(token.owner)

    def _long(self, owner: str) -> Response:
        self.value = self.give_token(owner)
        seconds = int(LONG.total_seconds())
        body = {"access_token": self.value, "token_type": "bearer", "expires_in": seconds}
        return JSONResponse(body)

    # Reading.

    async def _me(self, request: Request) -> Response:
        self.token(request)
        node = {
            "id": "app-scoped-1",
            "user_id": self.user_id,
            "username": self.username,
            "name": "Almanac",
            "account_type": "BUSINESS",
            "profile_picture_url": "https://cdn.example/a.jpg",
            "followers_count": 1_234,
            "follows_count": 56,
            "media_count": len(self.media),
        }
        return self.fields(request, node)

    async def _node(self, request: Request) -> Response:
        self.token(request)
        node_id = request.path_params["id"]
        if node_id in self.media:
            return self.fields(request, _public(self.media[node_id]))
        if node_id not in self.containers:
            raise _missing(node_id)
        upload = self._aged(self.containers[node_id])
        node = {"id": node_id, "status_code": upload.state, "status": upload.status or None}
        return self.fields(request, node)

    async def _limit(self, request: Request) -> Response:
        self._own(request)
        config = {"quota_total": self.quota_total, "quota_duration": 86_400}
        return JSONResponse({"data": [{"quota_usage": self._published(), "config": config}]})

    async def _posts(self, request: Request) -> Response:
        self._own(request)
        found = [m for m in self.media.values() if m["kind"] != "STORY"]
        return self.page(request, [_public(media) for media in reversed(found)])

    async def _stories(self, request: Request) -> Response:
        self._own(request)
        found = [m for m in self.media.values() if m["kind"] == "STORY"]
        return self.page(request, [_public(media) for media in reversed(found)])

    async def _insights(self, request: Request) -> Response:
        self.token(request)
        media = self.media.get(request.path_params["id"])
        if media is None:
            raise _missing(request.path_params["id"])
        known = INSIGHTS["STORY" if media["kind"] == "STORY" else "POST"]
        wanted = request.query_params.get("metric", "").split(",")
        if wrong := [name for name in wanted if name not in known]:
            raise error(100, None, f"(#100) metric[0] must be one of {sorted(known)}: {wrong}")
        figures = media["insights"]
        data = [
            {"name": name, "period": "lifetime", "values": [{"value": figures.get(name, 0)}]}
            for name in wanted
        ]
        return JSONResponse({"data": data})

    # Writing.

    async def _create(self, request: Request) -> Response:
        self._own(request)
        given = await self.parameters(request, MEDIA_PARAMETERS)
        if len(str(given.get("caption", ""))) > 2_200:
            raise error(36004, 2207010, "The caption was too long")
        upload = Upload(self.new_id(), given, self.now())
        if given.get("media_type") == "CAROUSEL":
            upload.children = str(given.get("children", "")).split(",")
            self._check_children(upload.children)
        else:
            self._check_media(upload)
        self.containers[upload.id] = upload
        if self.instantly:
            self.ripen()
        return JSONResponse({"id": upload.id})

    def _check_children(self, children: list[str]) -> None:
        if not 2 <= len(children) <= 10:
            raise error(100, 2207028, "Carousel must have 2 to 10 children")
        for child in children:
            upload = self.containers.get(child)
            if upload is None or not upload.given.get("is_carousel_item"):
                raise error(100, None, f"(#100) {child} is no carousel item")
            if self._aged(upload).state != "FINISHED":
                raise error(9007, 2207027, "The media is not ready for publishing, please wait")

    def _check_media(self, upload: Upload) -> None:
        given, kind = upload.given, upload.given.get("media_type")
        if ("image_url" in given) == ("video_url" in given):
            raise error(100, None, "(#100) Give either image_url or video_url")
        video = "video_url" in given
        kinds = {None, "STORIES"} if not video else {"REELS", "STORIES", "VIDEO"}
        alone = not given.get("is_carousel_item")
        if kind not in kinds or (kind == "VIDEO" and alone) or (kind == "REELS" and not alone):
            raise error(100, 2207023, f"The media type {kind} is unknown")
        if "alt_text" in given and (video or kind == "STORIES"):
            raise error(100, None, "(#100) alt_text is only supported for image posts")
        content = self.fetch(str(given["video_url" if video else "image_url"]))
        if content is None:
            raise error(9004, 2207052, "The media could not be fetched from this URI")
        if video:
            wrong = not is_mp4(content)
            upload.will_fail = "Error: Media upload has failed with error code 2207026" * wrong
        else:
            _check_image(content, story=kind == "STORIES")

    async def _publish(self, request: Request) -> Response:
        self._own(request)
        given = await self.parameters(request, {"creation_id"}, {"creation_id"})
        upload = self.containers.get(str(given["creation_id"]))
        if upload is None or self._aged(upload).state == "EXPIRED":
            raise error(24, 2207008, "The media builder does not exist or has been expired")
        if upload.given.get("is_carousel_item"):
            raise error(100, None, "(#100) A carousel item cannot be published alone")
        if upload.state == "PUBLISHED":
            self.republished.append(upload.id)
            raise error(9007, 2207027, "Media ID is not available")
        if upload.state != "FINISHED":
            raise error(9007, 2207027, "The media is not ready for publishing, please wait")
        if self._published() >= self.quota_total:
            raise error(9, 2207042, "You reached maximum number of posts")
        upload.state, upload.status = "PUBLISHED", "Published: Media has been published"
        return JSONResponse({"id": self._show(upload)})

    def _show(self, upload: Upload) -> str:
        media_id, kind = self.new_id(), upload.given.get("media_type")
        self.media[media_id] = {
            "id": media_id,
            "text": upload.given.get("caption", ""),
            "kind": "STORY" if kind == "STORIES" else kind or "IMAGE",
            "container": upload.id,
            "given": upload.given,
            "items": [self.containers[child].given for child in upload.children],
            "timestamp": self.stamp(),
            "made_at": self.now(),
            "permalink": f"https://www.instagram.com/p/{media_id}/",
            "insights": {},
        }
        return media_id

    async def _comment(self, request: Request) -> Response:
        self.token(request)
        given = await self.parameters(request, {"message"}, {"message"})
        media_id = request.path_params["id"]
        if media_id not in self.media:
            raise _missing(media_id)
        comment = {
            "id": self.new_id(),
            "text": given["message"],
            "timestamp": self.stamp(),
            "username": self.username,
            "media": media_id,
        }
        self.comments.setdefault(media_id, []).append(comment)
        return JSONResponse({"id": comment["id"]})

    async def _comments(self, request: Request) -> Response:
        self.token(request)
        media_id = request.path_params["id"]
        if media_id not in self.media:
            raise _missing(media_id)
        return self.page(request, list(self.comments.get(media_id, ())))

    def _own(self, request: Request) -> None:
        if self.token(request).owner != request.path_params["id"]:
            raise _missing(request.path_params["id"])

    def _aged(self, upload: Upload) -> Upload:
        if upload.state != "PUBLISHED" and upload.made_at + timedelta(days=1) <= self.now():
            upload.state = "EXPIRED"
        return upload

    def _published(self) -> int:
        since = self.now() - timedelta(days=1)
        return sum(media["made_at"] > since for media in self.media.values())


def _check_image(content: bytes, *, story: bool) -> None:
    found = picture(content)
    if len(content) > 8 * 2**20:
        raise error(36000, 2207004, "The image is too large to download")
    if found is None or found.content_type != "image/jpeg":
        raise error(36001, 2207005, "The image format is not supported")
    if not story and not 0.8 <= found.width / found.height <= 1.91:
        raise error(36003, 2207009, "The submitted image with aspect ratio cannot be published")


def _public(media: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "timestamp", "permalink")
    return {**{name: media[name] for name in names}, "caption": media["text"] or None}


def _missing(node_id: str) -> Refusal:
    text = f"Unsupported get request. Object with ID '{node_id}' does not exist"
    return error(100, 33, re.sub(r"\s+", " ", text))


def _login_error(message: str) -> Refusal:
    body = {"error_type": "OAuthException", "code": 400, "error_message": message}
    return Refusal(400, body)
