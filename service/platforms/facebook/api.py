"""The calls of the Graph API that publishing on a Page needs; videos are in facebook_video_api.py.

https://developers.facebook.com/docs/pages-api/posts and the references of Page, Post and Comment
(read in 2026).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from service.kit.outbound import Answer, Outbound
from service.platforms.contract import MediaFile
from service.platforms.facebook.models import (
    NAME,
    Comments,
    Id,
    Insights,
    Page,
    Post,
    Posts,
    Reception,
    Token,
)
from service.platforms.failures import PlatformError, Rejected
from service.platforms.http import Step, decode
from service.platforms.meta.graph import Graph, used_up_until
from service.platforms.setup import Setup
from service.platforms.uploads import file_name, opened

HOST = "graph.facebook.com"
VIDEO_HOST = "graph-video.facebook.com"
UPLOAD_HOST = "rupload.facebook.com"
VERSION = "v25.0"
"""Of the Graph API, current in 2026; Meta serves each for at least two years."""
PAGE = 100
"""The most nodes that are given at once."""
POST_FIELDS = (
    "id,message,created_time,permalink_url,"
    "attachments{target{id},unshimmed_url,subattachments{target{id}}}"
)
TOTAL = "limit(0).summary(total_count)"


@dataclass(frozen=True, slots=True)
class Roots:
    """Where Facebook's hosts are."""

    graph: str
    video: str
    upload: str

    @classmethod
    def of(cls, setup: Setup) -> "Roots":
        """Return them as this installation has them."""
        hosts = (HOST, VIDEO_HOST, UPLOAD_HOST)
        return cls(*(setup.root("facebook", host) for host in hosts))


@dataclass(frozen=True, slots=True)
class Api:
    """Calls with one token. Methods raise the contract's failures, see meta_graph.py."""

    outbound: Outbound
    roots: Roots
    token: str

    async def page(self) -> Page:
        """Read whose token it is; a token that is no Page's is refused, as people have no category.

        Raises:
            Rejected: it is a person's.
        """
        step = self.step("reading the page")
        fields = "id,name,username,category,followers_count"
        return decode(step, await self.get(step, "me", {"fields": fields}), Page)

    async def page_token(self, page_id: str) -> str:
        """Read the token of a Page, with that of a person who may use it."""
        step = self.step("renewing the page's token", deadline=20)
        return decode(
            step, await self.get(step, page_id, {"fields": "access_token"}), Token
        ).access_token

    async def upload_photo(self, page_id: str, file: MediaFile) -> str:
        """Upload a photo that nobody sees yet and return its id."""
        step = self.step("uploading a photo")
        form = {"published": "false", **({"alt_text_custom": file.alt} if file.alt else {})}
        async with opened(step, file) as handle:
            answer = await self.post(
                step,
                f"{page_id}/photos",
                data=form,
                files={"source": (file_name(file), handle, file.content_type)},
            )
        return decode(step, answer, Id).id

    async def feed(
        self, page_id: str, body: Mapping[str, object], deadline: float
    ) -> tuple[str, datetime | None]:
        """Publish a post; return its id and until when the Page must rest."""
        step = self.step("posting", commits=True, deadline=deadline)
        answer = await self.post(step, f"{page_id}/feed", json=body)
        return decode(step, answer, Id).id, used_up_until(answer)

    async def permalink(self, post_id: str, deadline: float) -> str | None:
        """Read where a post is seen; None when that cannot be found out now."""
        step = self.step("reading the link of the post", deadline=deadline)
        params = {"fields": "id,created_time,permalink_url"}
        try:
            return decode(step, await self.get(step, post_id, params), Post).permalink_url
        except PlatformError:
            # The post is out: its link is not worth failing for.
            return None

    async def posts(self, page_id: str, since: datetime, after: str | None) -> Posts:
        """Read one page of what the Page has published since an instant, newest first."""
        step = self.step("looking for the post")
        params = {
            "fields": POST_FIELDS,
            "since": str(int(since.timestamp())),
            "limit": str(PAGE),
            **({"after": after} if after else {}),
        }
        return decode(step, await self.get(step, f"{page_id}/published_posts", params), Posts)

    async def comment(self, post_id: str, text: str, deadline: float) -> str:
        """Write a comment below a post or a video and return its id."""
        step = self.step("commenting", commits=True, deadline=deadline)
        answer = await self.post(step, f"{post_id}/comments", json={"message": text})
        return decode(step, answer, Id).id

    async def comments(self, post_id: str, after: str | None) -> Comments:
        """Read one page of the comments below a post, newest first."""
        step = self.step("looking for the comment")
        params = {
            "fields": "id,message,created_time,permalink_url,from",
            "order": "reverse_chronological",
            "limit": str(PAGE),
            **({"after": after} if after else {}),
        }
        return decode(step, await self.get(step, f"{post_id}/comments", params), Comments)

    async def delete(self, node_id: str) -> None:
        """Remove a post, a video or a comment."""
        step = self.step("removing the post")
        url = f"{self.roots.graph}/{VERSION}/{node_id}"
        await Graph(self.outbound, self.token).call(step, "DELETE", url)

    async def reception(self, node_id: str, *, video: bool) -> dict[str, int]:
        """Read how a post or a video is received."""
        step = self.step("reading how the post is received")
        likes, more = ("likes", "views") if video else ("reactions", "shares")
        params = {"fields": f"{likes}.{TOTAL},comments.{TOTAL},{more}"}
        return decode(step, await self.get(step, node_id, params), Reception).figures

    async def insights(self, post_id: str, names: str) -> dict[str, int]:
        """Read figures that only some Pages are told; by Facebook's names, empty where refused."""
        step = self.step("reading how the post is received")
        try:
            answer = await self.get(step, f"{post_id}/insights", {"metric": names})
        except Rejected:
            return {}
        return decode(step, answer, Insights).figures

    async def get(self, step: Step, path: str, params: Mapping[str, str]) -> Answer:
        """Read something."""
        url = f"{self.roots.graph}/{VERSION}/{path}"
        return await Graph(self.outbound, self.token).call(step, "GET", url, params=params)

    async def post(
        self,
        step: Step,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, object] | None = None,
    ) -> Answer:
        """Write something."""
        url, graph = f"{self.roots.graph}/{VERSION}/{path}", Graph(self.outbound, self.token)
        if json is not None:
            return await graph.call(step, "POST", url, json=json)
        return await graph.call(step, "POST", url, data=data or {}, files=files or {})

    def step(self, action: str, *, commits: bool = False, deadline: float = 60) -> Step:
        """Return a kind of call, as its errors name it."""
        return Step(NAME, action, commits=commits, deadline=deadline, secrets=(self.token,))
