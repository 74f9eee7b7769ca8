"""Four platforms with servers of their own, and what those servers have really got."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.servers.bluesky import BlueskyServer
from tests.servers.mastodon import MastodonServer
from tests.servers.proxy import LossyProxy
from tests.servers.webhook import WebhookServer
from tests.support import Installation

COMMITS = {
    "mastodon": "POST /api/v1/statuses",
    "bluesky": "POST /xrpc/com.atproto.repo.putRecord",
    "webhook": "POST /hook",
}
"""How the request begins that makes a post visible."""


@dataclass(frozen=True, slots=True)
class Networks:
    """The servers, each also behind a proxy that can lose answers."""

    mastodon: MastodonServer
    bluesky: BlueskyServer
    webhook: WebhookServer
    proxies: dict[str, LossyProxy]

    @property
    def urls(self) -> dict[str, str]:
        """Where the servers themselves are, by platform."""
        return {
            "mastodon": self.mastodon.url,
            "bluesky": self.bluesky.url,
            "webhook": self.webhook.url,
        }

    def lose_next_answers(self) -> None:
        """Throw away the answer to the next post on each network that is reached by its proxy."""
        for name, proxy in self.proxies.items():
            proxy.lose_answer(COMMITS[name])

    async def connect(self, api: Installation) -> dict[str, str]:
        """Connect an account on each network, and a feed; return their ids by platform."""
        accounts = await self._connect(api, self.urls)
        return {"feed": await api.connect("feed", {"handle": "news"}), **accounts}

    async def connect_lossy(self, api: Installation) -> dict[str, str]:
        """Connect the same accounts through the proxies."""
        return await self._connect(api, {name: each.url for name, each in self.proxies.items()})

    async def _connect(self, api: Installation, urls: Mapping[str, str]) -> dict[str, str]:
        login = {"identifier": self.bluesky.handle, "app_password": self.bluesky.password}
        token = {"access_token": self.mastodon.token}
        return {
            "mastodon": await api.connect("mastodon", token, base_url=urls["mastodon"]),
            "bluesky": await api.connect("bluesky", login, base_url=urls["bluesky"]),
            "webhook": await api.connect("webhook", {"url": f"{urls['webhook']}/hook"}),
        }

    async def texts(self, api: Installation) -> dict[str, list[str]]:
        """Return the texts of all posts that each network shows; the webhook's are its calls."""
        feed = (await api.http.get("/feeds/news.json")).json()
        return {
            "feed": [item["content_text"] for item in feed["items"]],
            "mastodon": [self.mastodon.source(post["id"]) for post in self.mastodon.posts],
            "bluesky": [post["record"]["text"] for post in self.bluesky.posts],
            "webhook": [post["text"] for post in self.webhook.posts],
        }


@contextmanager
def networks() -> Iterator[Networks]:
    """Run all servers and proxies."""
    bluesky, webhook = BlueskyServer(), WebhookServer()
    with MastodonServer() as mastodon, bluesky, webhook, ExitStack() as stack:
        found = Networks(mastodon, bluesky, webhook, {})
        for name, url in found.urls.items():
            found.proxies[name] = stack.enter_context(LossyProxy(url))
        yield found
