"""An emulator of the Graph API for one Page, as its documentation describes it.

https://developers.facebook.com/docs/pages-api: unpublished photos, feed posts, comments, and the
login that gives a person's token and with it the Pages'.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.facebook_videos import Footage, VideoServer
from tests.servers.meta import HOUR, LONG, Token, content_of, error
from tests.servers.meta_media import picture
from tests.servers.platform import Handler, Refusal

CLIENT = ("client-id", "client-secret")
SCOPES = (
    *("pages_show_list", "pages_manage_posts", "pages_read_engagement"),
    *("pages_manage_engagement", "read_insights"),
)
DUPLICATES = timedelta(minutes=10)
INSIGHTS = {"post_media_view": 70, "post_clicks": 5}


class FacebookServer(VideoServer):
    """One person with a Page, and further Pages that the person may not write for."""

    person = "900000000000009"
    page_name = "Almanac Page"

    def reset(self) -> None:
        """Forget everything; there is a Page's token and the person's that it came from."""
        super().reset()
        self.photos: dict[str, dict[str, Any]] = {}
        self.feed: dict[str, dict[str, Any]] = {}
        self.comments: dict[str, list[dict[str, Any]]] = {}
        self.codes: set[str] = set()
        self.scopes: Sequence[str] = SCOPES
        self.tells_insights = True
        self.refuses_duplicates = True
        self.businesses: dict[str, dict[str, list[str]]] = {}
        """Pages of businesses, by the edge they are listed by."""
        self.pages = {self.page_id: ["ANALYZE", "CREATE_CONTENT", "MANAGE"], "2": ["ANALYZE"]}
        self.person_value = self.give_token(self.person)
        self.value = self.give_token(self.page_id, None, kind="page")

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Return the documented requests."""
        node, metered = "/{version}/{id}", self.metered
        return [
            ("GET", "/{version}/oauth/access_token", metered(self._oauth)),
            ("GET", "/{version}/me/accounts", metered(self._accounts)),
            ("GET", "/{version}/me/businesses", metered(self._businesses)),
            ("GET", "/{version}/me/permissions", metered(self._permissions)),
            ("GET", "/{version}/me", metered(self._me)),
            ("POST", "/video-upload/{version}/{id}", self.reel_bytes),
            ("POST", f"{node}/photos", metered(self._photos)),
            ("POST", f"{node}/feed", metered(self._feed)),
            ("POST", f"{node}/videos", metered(self.videos)),
            ("POST", f"{node}/video_reels", metered(self.reels)),
            ("GET", f"{node}/published_posts", metered(self._published)),
            ("POST", f"{node}/comments", metered(self._comment)),
            ("GET", f"{node}/comments", metered(self._comments)),
            ("GET", f"{node}/insights", metered(self._insights)),
            ("GET", f"{node}/owned_pages", metered(self._business_pages)),
            ("GET", f"{node}/client_pages", metered(self._business_pages)),
            ("DELETE", node, metered(self._delete)),
            ("GET", node, metered(self._node)),
        ]

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The posts, and below them the comments."""
        written = [comment for found in self.comments.values() for comment in found]
        return [*self.feed.values(), *written]

    def authorize(self) -> str:
        """Let the person allow the app, and return the code that the browser brings back."""
        code = f"AQ{self.new_id()}"
        self.codes.add(code)
        return code

    def show(self, video: Footage) -> None:
        """Let the world see a video."""
        post = self._new_post(video.id, video.description, None, [])
        post["kind"] = "reel" if video.reel else "video"
        post["digest"] = video.digest.hexdigest()

    def page_only(self, request: Request) -> None:
        """Refuse what is not done with the Page's token."""
        if self._page_token(request).owner != request.path_params["id"]:
            raise error(200, None, "(#200) The Page is not the token's")

    def _page_token(self, request: Request) -> Token:
        token = self.token(request)
        if token.kind != "page":
            raise error(200, None, "(#200) Publishing as a Page takes a Page access token", 403)
        return token

    # Login.

    async def _oauth(self, request: Request) -> Response:
        names = ("client_id", "client_secret", "redirect_uri", "code")
        exchange = ("client_id", "client_secret", "grant_type", "fb_exchange_token")
        short = "code" in request.query_params
        given = await self.parameters(request, names if short else exchange, names[:2])
        if (given["client_id"], given["client_secret"]) != CLIENT:
            raise error(101, None, "Error validating client secret.")
        if short:
            if given["code"] not in self.codes:
                raise error(100, 36009, "This authorization code has been used.")
            self.codes.remove(given["code"])
            return self._given(self.give_token(self.person, HOUR), HOUR)
        if given.get("grant_type") != "fb_exchange_token":
            raise error(100, None, "Invalid grant_type")
        self.good(str(given.get("fb_exchange_token")), refreshing=True)
        self.person_value = self.give_token(self.person)
        return self._given(self.person_value, LONG)

    def _given(self, token: str, lasts: timedelta) -> Response:
        seconds = int(lasts.total_seconds())
        body = {"access_token": token, "token_type": "bearer", "expires_in": seconds}
        return JSONResponse(body)

    async def _accounts(self, request: Request) -> Response:
        self._person(request)
        return self.page(request, [self._listed(*entry) for entry in self.pages.items()])

    async def _businesses(self, request: Request) -> Response:
        self._person(request)
        if "business_management" not in self.scopes:
            raise error(100, None, "(#100) Missing Permission")
        return self.page(request, [{"id": owner, "name": "A firm"} for owner in self.businesses])

    async def _business_pages(self, request: Request) -> Response:
        self._person(request)
        edge = request.url.path.rpartition("/")[2]
        pages = self.businesses[request.path_params["id"]][edge]
        return self.page(request, [self._listed(page, ["CREATE_CONTENT"]) for page in pages])

    def _listed(self, page_id: str, tasks: list[str]) -> dict[str, Any]:
        return {
            "id": page_id,
            "name": self.page_name,
            "access_token": self.give_token(page_id, None, kind="page"),
            "tasks": tasks,
            "category": "Media",
        }

    async def _permissions(self, request: Request) -> Response:
        self._person(request)
        granted = [{"permission": scope, "status": "granted"} for scope in self.scopes]
        return JSONResponse({"data": [*granted, {"permission": "email", "status": "declined"}]})

    def _person(self, request: Request) -> None:
        if self.token(request).kind != "user":
            raise error(100, None, "(#100) Tried accessing nonexisting field (accounts)")

    # Reading.

    async def _me(self, request: Request) -> Response:
        token = self.token(request)
        node: dict[str, Any] = {"id": token.owner, "name": "A Person"}
        if token.kind == "page":
            node = self._page_node(token.owner)
        return self.fields(request, node)

    def _page_node(self, page_id: str) -> dict[str, Any]:
        return {
            "id": page_id,
            "name": self.page_name,
            "username": "almanac.page" if page_id == self.page_id else None,
            "category": "Media",
            "followers_count": 777,
        }

    async def _node(self, request: Request) -> Response:
        token, node_id = self.token(request, "Bearer"), request.path_params["id"]
        if node_id in self.pages and token.kind == "user":
            self.value = self.give_token(node_id, None, kind="page")
            node = {**self._page_node(node_id), "access_token": self.value}
            return self.fields(request, node)
        if node_id in self.footage:
            return self.fields(request, self.video_node(self.footage[node_id]))
        if node_id not in self.feed:
            raise _missing(node_id)
        return self.fields(request, self._post_node(self.feed[node_id]))

    def _post_node(self, post: dict[str, Any]) -> dict[str, Any]:
        photos = [{"target": {"id": photo}} for photo in post["photos"]]
        attachments: dict[str, Any] | None = None
        if photos:
            attachments = {
                "data": [{"target": {"id": post["id"]}, "subattachments": {"data": photos}}]
            }
        elif post["link"]:
            attachments = {"data": [{"unshimmed_url": post["link"]}]}
        written = len(self.comments.get(post["id"], ()))
        return {
            "id": post["id"],
            "message": post["text"] or None,
            "created_time": post["created_time"],
            "permalink_url": post["permalink"],
            "attachments": attachments,
            "reactions": {"data": [], "summary": {"total_count": 6}},
            "comments": {"data": [], "summary": {"total_count": written}},
            "shares": None,
        }

    async def _published(self, request: Request) -> Response:
        self.page_only(request)
        since = datetime.fromtimestamp(int(request.query_params.get("since", "0")), UTC)
        found = [post for post in self.feed.values() if post["made_at"] >= since]
        return self.page(request, [self._post_node(post) for post in reversed(found)])

    async def _insights(self, request: Request) -> Response:
        self._page_token(request)
        wanted = request.query_params.get("metric", "").split(",")
        if not self.tells_insights or not set(wanted) <= set(INSIGHTS):
            raise error(100, None, "(#100) The value must be a valid insights metric")
        data = [{"name": name, "values": [{"value": INSIGHTS[name]}]} for name in wanted]
        return JSONResponse({"data": data})

    # Writing.

    async def _photos(self, request: Request) -> Response:
        self.page_only(request)
        names = {"published", "source", "alt_text_custom", "caption", "url", "temporary"}
        given = await self.parameters(request, names, {"source"})
        content = content_of(given["source"])
        found = picture(content)
        if found is None or len(content) > 4 * 2**20:
            raise error(324, 1366046, "Photos should be smaller than 4 MB and saved as JPG or PNG")
        if given.get("published") != "false":
            self.violation("a photo was published by itself")
        photo_id = self.new_id()
        self.photos[photo_id] = {"alt": given.get("alt_text_custom", ""), "attached": False}
        return JSONResponse({"id": photo_id})

    async def _feed(self, request: Request) -> Response:
        self.page_only(request)
        names = {"message", "link", "attached_media", "published"}
        given = await self.parameters(request, names)
        message, link = str(given.get("message", "")), given.get("link")
        photos = [str(entry["media_fbid"]) for entry in given.get("attached_media", [])]
        if not (message or link or photos):
            raise error(100, None, "(#100) Must provide a message, link or attached media")
        if link and photos:
            raise error(100, None, "(#100) A link cannot go with attached media")
        if len(set(photos)) != len(photos):
            raise error(100, 1366051, "These photos were already posted.")
        for photo in photos:
            if photo not in self.photos or self.photos[photo]["attached"]:
                raise error(100, None, f"(#100) The photo {photo} cannot be attached")
        if not photos and self.refuses_duplicates and self._is_repeat(message, link):
            raise error(506, 1455006, "Duplicate status message")
        for photo in photos:
            self.photos[photo]["attached"] = True
        post = self._new_post(f"{self.page_id}_{self.new_id()}", message, link, photos)
        return JSONResponse({"id": post["id"]})

    def _is_repeat(self, message: str, link: object) -> bool:
        since = self.now() - DUPLICATES
        recent = (post for post in self.feed.values() if post["made_at"] > since)
        return any((post["text"], post["link"]) == (message, link) for post in recent)

    def _new_post(self, post_id: str, text: str, link: object, photos: list[str]) -> dict[str, Any]:
        post = {
            "id": post_id,
            "text": text,
            "kind": "post",
            "link": link,
            "photos": photos,
            "created_time": self.stamp(),
            "made_at": self.now(),
            "permalink": f"https://www.facebook.com/{self.page_id}/posts/{post_id}",
        }
        self.feed[post_id] = post
        return post

    async def _comment(self, request: Request) -> Response:
        token, node_id = self._page_token(request), request.path_params["id"]
        given = await self.parameters(request, {"message"}, {"message"})
        if node_id not in self.feed:
            raise _missing(node_id)
        comment = {
            "id": f"{node_id}_{self.new_id()}",
            "text": given["message"],
            "created_time": self.stamp(),
            "from": token.owner,
        }
        self.comments.setdefault(node_id, []).append(comment)
        return JSONResponse({"id": comment["id"]})

    async def _comments(self, request: Request) -> Response:
        self._page_token(request)
        node_id = request.path_params["id"]
        if node_id not in self.feed:
            raise _missing(node_id)
        if request.query_params.get("order") != "reverse_chronological":
            raise error(100, None, "(#100) Unknown order")
        nodes = [
            {
                "id": comment["id"],
                "message": comment["text"],
                "created_time": comment["created_time"],
                "permalink_url": None,
                "from": {"id": comment["from"], "name": self.page_name},
            }
            for comment in reversed(self.comments.get(node_id, ()))
        ]
        return self.page(request, nodes)

    async def _delete(self, request: Request) -> Response:
        self._page_token(request)
        node_id = request.path_params["id"]
        if self.feed.pop(node_id, None) is not None:
            self.comments.pop(node_id, None)
            return JSONResponse({"success": True})
        for written in self.comments.values():
            for comment in written:
                if comment["id"] == node_id:
                    written.remove(comment)
                    return JSONResponse({"success": True})
        raise _missing(node_id)


def _missing(node_id: str) -> Refusal:
    text = f"Unsupported request. Object with ID '{node_id}' does not exist"
    return error(100, 33, text)
