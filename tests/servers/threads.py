"""An emulator of the Threads API, as Meta documents it.

Containers with media are being processed until `ripen`, expire after a day, and can be published
once. Long tokens can be renewed when they are a day old.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.meta import HOUR, LONG, MetaServer, Token, asked_for, error
from tests.servers.meta_media import Everything, is_mp4, picture
from tests.servers.platform import Handler, Refusal
from tests.servers.threads_rules import PARAMETERS, check_container

V = "/v1.0"
DAY = timedelta(days=1)
SCOPES = (
    *("threads_basic", "threads_content_publish", "threads_manage_replies"),
    *("threads_read_replies", "threads_manage_insights", "threads_delete"),
)
MEDIA_METRICS = ("views", "likes", "replies", "reposts", "quotes", "shares")


@dataclass
class Prepared:
    """A container."""

    given: dict[str, Any]
    made_at: datetime
    status: str = "IN_PROGRESS"
    error_message: str = ""
    children: list[str] = field(default_factory=list)


class ThreadsServer(MetaServer):
    """Threads with one account and one app."""

    client_id, client_secret = "client-id", "client-secret"
    user_id, username = "17841400000000001", "alice"

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.containers: dict[str, Prepared] = {}
        self.published: list[dict[str, Any]] = []
        self.codes: dict[str, str] = {}
        self.scopes: tuple[str, ...] = SCOPES
        self.tester = True
        """Whether the account may inspect tokens."""
        self.web: dict[str, bytes] = {}
        """What public URLs lead to."""
        self.quota, self.reply_quota, self.deletes_a_day = 250, 1_000, 100
        self.deleted: list[str] = []
        self.lose = 0
        """How many finished containers are not found when they are published."""
        self.lists = True
        """Whether new posts stand in the account's list already."""
        self.insights: dict[str, int] = {}
        self.followers: int | None = 1_200

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Return the documented requests."""
        return [
            ("POST", "/oauth/access_token", self._code),
            ("GET", "/access_token", self._lengthen),
            ("GET", "/refresh_access_token", self._renew),
            ("GET", f"{V}/me", self._me),
            ("GET", f"{V}/debug_token", self._inspect),
            ("GET", f"{V}/{{user}}/threads_publishing_limit", self._limit),
            ("POST", f"{V}/{{user}}/threads", self._prepare),
            ("POST", f"{V}/{{user}}/threads_publish", self._publish),
            ("GET", f"{V}/{{user}}/threads", self._list),
            ("GET", f"{V}/{{user}}/replies", self._list),
            ("GET", f"{V}/{{user}}/threads_insights", self._audience),
            ("GET", f"{V}/{{id}}/insights", self._insights),
            ("GET", f"{V}/{{id}}", self._node),
            ("DELETE", f"{V}/{{id}}", self._delete),
        ]

    @property
    def posts(self) -> list[dict[str, Any]]:
        """What is published."""
        return self.published

    def allow(self, redirect_uri: str) -> str:
        """Return the code that a person who allows the app comes back with."""
        code = f"AQ{self.new_id()}"
        self.codes[code] = redirect_uri
        return f"{code}#_"

    def open_the_web(self) -> None:
        """Let every URL lead to a good file."""
        self.web = Everything()

    def ripen(self) -> None:
        """Finish the processing of all containers."""
        for container in self.containers.values():
            if container.status == "IN_PROGRESS":
                container.error_message = self._wrong(container.given)
                container.status = "ERROR" if container.error_message else "FINISHED"

    def _wrong(self, given: Mapping[str, Any]) -> str:
        if "video_url" in given:
            content = self.web.get(given["video_url"])
            if content is None:
                return "FAILED_DOWNLOADING_VIDEO"
            return "" if is_mp4(content) else "FAILED_PROCESSING_VIDEO"
        if "image_url" in given:
            return "" if picture(self.web[given["image_url"]]) else "UNKNOWN"
        return ""

    # Login.

    async def _code(self, request: Request) -> Response:
        known = ("client_id", "client_secret", "grant_type", "redirect_uri", "code")
        given = await self.parameters(request, known, known)
        app = (given["client_id"], given["client_secret"])
        uri = self.codes.pop(given["code"], None)
        if app != (self.client_id, self.client_secret) or uri != given["redirect_uri"]:
            text = "Invalid authorization code"
            body = {"error_type": "OAuthException", "code": 400, "error_message": text}
            raise Refusal(400, body)
        token = self.give_token(self.user_id, HOUR, kind="short")
        return JSONResponse({"access_token": token, "user_id": int(self.user_id)})

    async def _lengthen(self, request: Request) -> Response:
        known = ("grant_type", "client_secret", "access_token")
        given = await self.parameters(request, known, known)
        token = self.good(given["access_token"], refreshing=True)
        if given["grant_type"] != "th_exchange_token" or token.kind != "short":
            raise error(100, None, "(#100) grant_type or token is wrong")
        if given["client_secret"] != self.client_secret:
            raise error(1, None, "Error validating client secret.")
        return self._long()

    async def _renew(self, request: Request) -> Response:
        known = ("grant_type", "access_token")
        given = await self.parameters(request, known, known)
        token = self.good(given["access_token"], refreshing=True)
        if given["grant_type"] != "th_refresh_token" or token.kind != "user":
            raise error(100, None, "(#100) grant_type or token is wrong")
        if token.made_at + DAY > self.now():
            raise error(100, None, "(#100) The token is younger than 24 hours")
        return self._long()

    def _long(self) -> Response:
        token = self.give_token(self.user_id)
        seconds = int(LONG.total_seconds())
        return JSONResponse({"access_token": token, "token_type": "bearer", "expires_in": seconds})

    def _allowed(self, request: Request, *scopes: str) -> Token:
        token = self.token(request)
        if request.path_params.get("user", "me") not in ("me", self.user_id):
            raise error(100, 33, "Unsupported request. Object does not exist")
        if any(scope not in self.scopes for scope in ("threads_basic", *scopes)):
            raise error(10, None, "(#10) Application does not have permission for this action")
        return token

    async def _me(self, request: Request) -> Response:
        self._allowed(request)
        node = {"id": self.user_id, "username": self.username, "name": "Alice"}
        return self.fields(request, node)

    async def _inspect(self, request: Request) -> Response:
        self._allowed(request)
        given = await self.parameters(request, ("input_token",), ("input_token",))
        if not self.tester:
            raise error(10, None, "(#10) The token is not of a tester")
        token = self.tokens[given["input_token"]]
        end = token.expires_at
        data = {
            "type": "USER",
            "application": "Almanac",
            "is_valid": True,
            "issued_at": int(token.made_at.timestamp()),
            "expires_at": int(end.timestamp()) if end else 0,
            "scopes": list(self.scopes),
            "user_id": self.user_id,
        }
        return JSONResponse({"data": data})

    # Publishing.

    def _used(self, *, replies: bool) -> int:
        since = self.now() - DAY
        return sum(
            (post["reply_to_id"] is not None) == replies and post["at"] > since
            for post in self.published
        )

    async def _limit(self, request: Request) -> Response:
        wanted = request.query_params.get("fields", "")
        replies = "reply" in wanted
        self._allowed(
            request, "threads_content_publish", *(["threads_manage_replies"] if replies else [])
        )
        node = {
            "quota_usage": self._used(replies=False),
            "config": {"quota_total": self.quota, "quota_duration": 86_400},
            "reply_quota_usage": self._used(replies=True),
            "reply_config": {"quota_total": self.reply_quota, "quota_duration": 86_400},
        }
        if not set(wanted.split(",")) <= set(node):
            raise error(100, None, f"(#100) Tried accessing nonexisting field ({wanted})")
        return JSONResponse({"data": [{name: node[name] for name in wanted.split(",")}]})

    async def _prepare(self, request: Request) -> Response:
        self._allowed(request, "threads_content_publish")
        given = await self.parameters(request, PARAMETERS, ("media_type",))
        check_container(given)
        if "reply_to_id" in given:
            self._allowed(request, "threads_manage_replies")
            self._post(given["reply_to_id"])
        if "image_url" in given and given["image_url"] not in self.web:
            raise error(9004, 2207052, "The media could not be fetched from this URI")
        children = given["children"].split(",") if "children" in given else []
        if children and not 2 <= len(children) <= 20:
            raise error(100, None, "(#100) A carousel has 2 to 20 children")
        for child in children:
            found = self._container(child)
            if found.status != "FINISHED" or found.given.get("is_carousel_item") != "true":
                raise error(100, None, "(#100) A child is not ready, or no carousel item")
        made, new = Prepared(given, self.now(), children=children), self.new_id()
        if given["media_type"] in ("TEXT", "CAROUSEL"):
            made.status = "FINISHED"
        self.containers[new] = made
        return JSONResponse({"id": new})

    def _container(self, container_id: str) -> Prepared:
        found = self.containers.get(container_id)
        if found is None:
            text = "The requested resource does not exist"
            raise error(24, 4279009, text)
        if found.status != "PUBLISHED" and found.made_at + DAY < self.now():
            found.status = "EXPIRED"
        return found

    async def _publish(self, request: Request) -> Response:
        self._allowed(request, "threads_content_publish")
        given = await self.parameters(request, ("creation_id",), ("creation_id",))
        found = self._container(given["creation_id"])
        if self.lose:
            self.lose -= 1
            del self.containers[given["creation_id"]]
            raise error(24, 4279009, "The requested resource does not exist")
        if found.status != "FINISHED":
            raise error(24, 4279009, "The requested resource does not exist")
        reply_to = found.given.get("reply_to_id")
        most = self.reply_quota if reply_to else self.quota
        if self._used(replies=reply_to is not None) >= most:
            raise error(9, None, "(#9) The user has posted too much today")
        found.status = "PUBLISHED"
        return JSONResponse({"id": self._out(found, reply_to)})

    def _out(self, container: Prepared, reply_to: str | None) -> str:
        media = [self.containers[child].given for child in container.children]
        if container.given["media_type"] in ("IMAGE", "VIDEO"):
            media = [container.given]
        new = self.new_id()
        self.published.append(
            {
                "id": new,
                "text": container.given.get("text", ""),
                "permalink": f"https://www.threads.net/@{self.username}/post/C{new}",
                "timestamp": self.stamp(),
                "at": self.now(),
                "reply_to_id": reply_to,
                "media": [item.get("image_url") or item.get("video_url") for item in media],
                "alt": [item.get("alt_text") for item in media],
                "given": container.given,
            }
        )
        return new

    def _post(self, post_id: str) -> dict[str, Any]:
        for post in self.published:
            if post["id"] == post_id:
                return post
        raise error(100, 33, f"Object with ID '{post_id}' does not exist")

    async def _list(self, request: Request) -> Response:
        replies = request.url.path.endswith("/replies")
        self._allowed(request, *(["threads_read_replies"] if replies else []))
        known = ("fields", "since", "until", "limit", "before", "after")
        given = await self.parameters(request, known)
        since, limit = float(given.get("since", 0)), int(given.get("limit", 25))
        keys = asked_for(request)
        data = [
            {key: post[key] for key in keys if key in post and post[key] != ""}
            for post in reversed(self.published)
            if (post["reply_to_id"] is not None) == replies and post["at"].timestamp() >= since
        ]
        return JSONResponse({"data": data[:limit] if self.lists else []})

    async def _node(self, request: Request) -> Response:
        self._allowed(request)
        await self.parameters(request, ("fields",))
        node_id = request.path_params["id"]
        if any(post["id"] == node_id for post in self.published):
            return self.fields(request, self._post(node_id))
        found = self._container(node_id)
        message = found.error_message or None
        node = {"id": node_id, "status": found.status, "error_message": message}
        return self.fields(request, node)

    async def _delete(self, request: Request) -> Response:
        self._allowed(request, "threads_delete")
        if len(self.deleted) >= self.deletes_a_day:
            raise error(613, None, "(#613) Calls to this api have exceeded the rate limit.")
        post = self._post(request.path_params["id"])
        self.published.remove(post)
        self.deleted.append(post["id"])
        return JSONResponse({"success": True, "deleted_id": post["id"]})

    # Figures.

    async def _insights(self, request: Request) -> Response:
        self._allowed(request, "threads_manage_insights")
        given = await self.parameters(request, ("metric",), ("metric",))
        self._post(request.path_params["id"])
        asked = given["metric"].split(",")
        if not set(asked) <= set(MEDIA_METRICS):
            raise error(100, None, "(#100) metric is wrong")
        data = [
            {"name": name, "period": "lifetime", "values": [{"value": self.insights[name]}]}
            for name in asked
            if name in self.insights
        ]
        return JSONResponse({"data": data})

    async def _audience(self, request: Request) -> Response:
        self._allowed(request, "threads_manage_insights")
        given = await self.parameters(request, ("metric",), ("metric",))
        if given["metric"] != "followers_count":
            raise error(100, None, "(#100) metric is wrong")
        value = {"name": "followers_count", "period": "day"}
        if self.followers is None:
            return JSONResponse({"data": []})
        return JSONResponse({"data": [{**value, "total_value": {"value": self.followers}}]})
