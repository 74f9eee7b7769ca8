"""The calls of the Threads API that publishing needs.

https://developers.facebook.com/documentation/threads/reference (read in November 2026)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from service.kit.outbound import Answer, Outbound
from service.platforms.http import Step, decode
from service.platforms.meta.graph import ContainerGone, Graph, Missing

NAME = "Threads"
HOST = "graph.threads.net"
VERSION = "v1.0"
PAGE = 50


class Account(msgspec.Struct):
    """Whose token it is."""

    id: str
    username: str
    name: str = ""


class Inspected(msgspec.Struct):
    """What a token may do, and until when; 0: for ever, or unknown."""

    scopes: list[str] | None = None
    expires_at: int = 0


class Container(msgspec.Struct):
    """Media on its way to being a post."""

    status: str
    """IN_PROGRESS, FINISHED, PUBLISHED, ERROR or EXPIRED."""
    error_message: str = ""


class Quota(msgspec.Struct):
    """How many posts, or replies, were published, and how many may be."""

    used: int
    total: int
    seconds: int


class Post(msgspec.Struct):
    """A post that is out."""

    id: str
    timestamp: str
    permalink: str | None = None
    text: str = ""

    @property
    def created_at(self) -> datetime:
        """When it was published."""
        return datetime.fromisoformat(self.timestamp)


class _Config(msgspec.Struct):
    quota_total: int
    quota_duration: int = 86_400


class _Limits(msgspec.Struct):
    quota_usage: int = 0
    config: _Config | None = None
    reply_quota_usage: int = 0
    reply_config: _Config | None = None


class _Id(msgspec.Struct):
    id: str


class _Value(msgspec.Struct):
    value: int


class _Metric(msgspec.Struct):
    name: str
    values: list[_Value] = []
    total_value: _Value | None = None


class _Inspection(msgspec.Struct):
    data: Inspected


class _Quotas(msgspec.Struct):
    data: list[_Limits] = []


class _Posts(msgspec.Struct):
    data: list[Post] = []


class _Metrics(msgspec.Struct):
    data: list[_Metric] = []


class _Permalink(msgspec.Struct):
    permalink: str | None = None


@dataclass(frozen=True, slots=True)
class Api:
    """Threads, called with one account's token. Methods raise what meta_graph.py says.

    Args:
        root: of the host, without the version.
        token: the account's access token; it travels in a header.
    """

    outbound: Outbound
    root: str
    token: str

    async def account(self) -> Account:
        """Read whose token it is."""
        step = self._step("reading the account")
        answer = await self._get(step, "me", {"fields": "id,username,name"})
        return decode(step, answer, Account)

    async def inspect(self) -> Inspected:
        """Read what the token may do; Threads tells it to testers of the app only."""
        step = self._step("reading what the account allows")
        answer = await self._get(step, "debug_token", {"input_token": self.token})
        return decode(step, answer, _Inspection).data

    async def quota(self, user_id: str, *, replies: bool) -> Quota | None:
        """Read how much of the publishing limit is used; None: Threads does not say."""
        step = self._step("reading the publishing limit")
        fields = "reply_quota_usage,reply_config" if replies else "quota_usage,config"
        answer = await self._get(step, f"{user_id}/threads_publishing_limit", {"fields": fields})
        for found in decode(step, answer, _Quotas).data:
            config = found.reply_config if replies else found.config
            used = found.reply_quota_usage if replies else found.quota_usage
            if config is not None:
                return Quota(used, config.quota_total, config.quota_duration)
        return None

    async def make_container(self, user_id: str, parameters: Mapping[str, str]) -> str:
        """Let Threads take a text, fetch media, or bind fetched ones; return the container's id."""
        step = self._step("preparing the post")
        return decode(step, await self._post(step, f"{user_id}/threads", parameters), _Id).id

    async def container(self, container_id: str) -> Container:
        """Read what became of a container."""
        step = self._step("asking for the prepared post")
        answer = await self._get(step, container_id, {"fields": "status,error_message"})
        return decode(step, answer, Container)

    async def publish(self, user_id: str, container_id: str, deadline: float) -> str:
        """Make a container visible; return the post's id."""
        step = self._step("posting", commits=True, deadline=deadline)
        parameters = {"creation_id": container_id}
        answer = await self._post(step, f"{user_id}/threads_publish", parameters)
        return decode(step, answer, _Id).id

    async def permalink(self, post_id: str) -> str | None:
        """Read a post's address."""
        step = self._step("reading the post's address", deadline=5)
        answer = await self._get(step, post_id, {"fields": "permalink"})
        return decode(step, answer, _Permalink).permalink

    async def posts(self, user_id: str, since: datetime, *, replies: bool) -> list[Post]:
        """Read the account's own posts, or replies, since an instant, newest first."""
        step = self._step("looking for the post")
        fields = "id,permalink,text,timestamp"
        query = {"fields": fields, "since": str(int(since.timestamp())), "limit": str(PAGE)}
        path = f"{user_id}/replies" if replies else f"{user_id}/threads"
        return decode(step, await self._get(step, path, query), _Posts).data

    async def delete(self, post_id: str) -> None:
        """Remove a post; one that is gone already is no error. 100 a day are allowed."""
        step = self._step("removing the post")
        try:
            await self._graph.call(step, "DELETE", self._url(post_id))
        except (ContainerGone, Missing):
            return

    async def insights(self, path: str, metrics: str) -> dict[str, int]:
        """Read figures of a post or of the account, by Threads' names."""
        step = self._step("reading figures")
        answer = await self._get(step, path, {"metric": metrics})
        found: dict[str, int] = {}
        for metric in decode(step, answer, _Metrics).data:
            if metric.total_value is not None:
                found[metric.name] = metric.total_value.value
            elif metric.values:
                found[metric.name] = metric.values[-1].value
        return found

    async def _get(self, step: Step, path: str, query: Mapping[str, str]) -> Answer:
        return await self._graph.call(step, "GET", self._url(path), params=query)

    async def _post(self, step: Step, path: str, parameters: Mapping[str, str]) -> Answer:
        return await self._graph.call(step, "POST", self._url(path), data=dict(parameters))

    @property
    def _graph(self) -> Graph:
        return Graph(self.outbound, self.token)

    def _url(self, path: str) -> str:
        return f"{self.root}/{VERSION}/{path}"

    def _step(self, action: str, *, deadline: float = 15, commits: bool = False) -> Step:
        return Step(NAME, action, commits=commits, deadline=deadline, secrets=(self.token,))
