"""The calls of the Instagram API with Instagram Login that publishing needs.

https://developers.facebook.com/docs/instagram-platform/content-publishing and the references of
IG User, IG Container, IG Media and IG Comment (read in 2026).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from service.kit.outbound import Answer
from service.platforms.contract import Published
from service.platforms.failures import PlatformError
from service.platforms.http import Step, decode
from service.platforms.instagram.models import (
    NAME,
    Account,
    Accounts,
    Comments,
    Container,
    Id,
    Insights,
    Media,
    Medias,
    Quota,
    Quotas,
)
from service.platforms.meta.graph import Graph, used_up_until

HOST = "graph.instagram.com"
VERSION = "v25.0"
"""Of the Graph API, current in 2026; Meta serves each for at least two years."""
PAGE = 100
"""The most nodes that are given at once."""


@dataclass(frozen=True, slots=True)
class Api:
    """Calls with one account's token. Methods raise the contract's failures, see meta_graph.py."""

    graph: Graph
    root: str
    """Of the host, without the version."""

    async def account(self) -> Account:
        """Read whose token it is."""
        fields = "user_id,username,name,followers_count,follows_count,media_count"
        step = self._step("reading the account")
        answer = await self._get(step, "me", {"fields": fields})
        # Documented is a list of one; served is mostly the bare object.
        if b'"data"' in answer.body:
            return decode(step, answer, Accounts).data[0]
        return decode(step, answer, Account)

    async def quota(self, user_id: str) -> Quota | None:
        """Read how much of the publishing limit is used; None: Instagram does not say."""
        step = self._step("reading the publishing limit")
        path = f"{user_id}/content_publishing_limit"
        answer = await self._get(step, path, {"fields": "quota_usage,config"})
        found = decode(step, answer, Quotas).data
        return found[0] if found else None

    async def make_container(self, user_id: str, parameters: Mapping[str, object]) -> str:
        """Let Instagram fetch media, or bind fetched ones together; return the container's id."""
        step = self._step("uploading the media")
        return decode(step, await self._post(step, f"{user_id}/media", parameters), Id).id

    async def container(self, container_id: str) -> Container:
        """Read what became of a container."""
        step = self._step("asking for the upload")
        answer = await self._get(step, container_id, {"fields": "status_code,status"})
        return decode(step, answer, Container)

    async def publish(
        self, user_id: str, container_id: str, deadline: float
    ) -> tuple[str, datetime | None]:
        """Make a container visible; return the post's id and until when the account must rest."""
        step = self._step("posting", commits=True, deadline=deadline)
        answer = await self._post(step, f"{user_id}/media_publish", {"creation_id": container_id})
        return decode(step, answer, Id).id, used_up_until(answer)

    async def permalink(self, media_id: str, deadline: float) -> str | None:
        """Read where a post is seen; None when that cannot be found out now."""
        step = self._step("reading the link of the post", deadline=deadline)
        try:
            answer = await self._get(step, media_id, {"fields": "id,timestamp,permalink"})
            return decode(step, answer, Media).permalink
        except PlatformError:
            # The post is out: its link is not worth failing for.
            return None

    async def medias(self, user_id: str, edge: str, after: str | None) -> Medias:
        """Read one page of the account's own posts (`media`) or stories (`stories`)."""
        step = self._step("looking for the post")
        params = {"fields": "id,caption,timestamp,permalink", "limit": str(PAGE)}
        if after is not None:
            params["after"] = after
        return decode(step, await self._get(step, f"{user_id}/{edge}", params), Medias)

    async def comment(self, media_id: str, text: str, deadline: float) -> str:
        """Write a comment below a post and return its id."""
        step = self._step("commenting", commits=True, deadline=deadline)
        return decode(
            step, await self._post(step, f"{media_id}/comments", {"message": text}), Id
        ).id

    async def comments(self, media_id: str, after: str | None) -> Comments:
        """Read one page of the comments below a post."""
        step = self._step("looking for the comment")
        params = {"fields": "id,text,timestamp,username", "limit": str(PAGE)}
        if after is not None:
            params["after"] = after
        return decode(step, await self._get(step, f"{media_id}/comments", params), Comments)

    async def insights(self, media_id: str, names: str) -> dict[str, int]:
        """Read figures of a post, by Instagram's names."""
        step = self._step("reading how the post is received")
        answer = await self._get(step, f"{media_id}/insights", {"metric": names})
        found = decode(step, answer, Insights).data
        return {insight.name: insight.values[0].value for insight in found if insight.values}

    async def _get(self, step: Step, path: str, params: Mapping[str, str]) -> Answer:
        return await self.graph.call(step, "GET", f"{self.root}/{VERSION}/{path}", params=params)

    async def _post(self, step: Step, path: str, parameters: Mapping[str, object]) -> Answer:
        return await self.graph.call(step, "POST", f"{self.root}/{VERSION}/{path}", json=parameters)

    def _step(self, action: str, *, commits: bool = False, deadline: float = 60) -> Step:
        secrets = (self.graph.token,)
        return Step(NAME, action, commits=commits, deadline=deadline, secrets=secrets)


def published(
    media_id: str, url: str | None, kind: str, until: datetime | None = None
) -> Published:
    """Return a post that is out."""
    return Published(media_id, url, details={"kind": kind}, pause_until=until)
