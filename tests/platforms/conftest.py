"""One server of each kind for the whole run, emptied before each test."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from service.kit.outbound import Outbound
from service.platforms.bluesky.adapter import Bluesky
from service.platforms.mastodon.adapter import Mastodon
from service.platforms.setup import Setup
from tests.platforms.emulators import Emulators
from tests.servers.bluesky import BlueskyServer
from tests.servers.mastodon import MastodonServer
from tests.servers.mastodon_strict import StrictMastodon
from tests.servers.webhook import WebhookServer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def outbound() -> AsyncIterator[Outbound]:
    """The client that adapters call servers with."""
    async with Outbound(allowed_private_hosts={"127.0.0.1"}) as client:
        yield client


@pytest.fixture(scope="session")
def emulators() -> Iterator[Emulators]:
    """The strict emulators of platforms."""
    with Emulators() as emulators:
        yield emulators


@pytest.fixture
def mastodon(outbound: Outbound) -> Mastodon:
    """The adapter; each account names its own server."""
    return Mastodon(Setup(outbound))


@pytest.fixture
def bluesky(outbound: Outbound, bluesky_server: BlueskyServer) -> Bluesky:
    """The adapter, whose video service is the emulator's."""
    return Bluesky(Setup(outbound, urls={"bluesky": bluesky_server.url}))


@pytest.fixture(scope="session")
def mastodon_process() -> Iterator[MastodonServer]:
    """A running Mastodon."""
    with MastodonServer() as server:
        yield server


@pytest.fixture
def mastodon_server(mastodon_process: MastodonServer) -> MastodonServer:
    """An empty Mastodon."""
    mastodon_process.reset()
    return mastodon_process


@pytest.fixture(scope="session")
def strict_mastodon_thread() -> Iterator[StrictMastodon]:
    """A running Mastodon that takes documented requests only."""
    with StrictMastodon() as server:
        yield server


@pytest.fixture
def strict_mastodon(strict_mastodon_thread: StrictMastodon) -> Iterator[StrictMastodon]:
    """An empty one, which must not see an undocumented request."""
    strict_mastodon_thread.reset()
    yield strict_mastodon_thread
    assert strict_mastodon_thread.violations == []


@pytest.fixture(scope="session")
def bluesky_thread() -> Iterator[BlueskyServer]:
    """A running Bluesky."""
    with BlueskyServer() as server:
        yield server


@pytest.fixture
def bluesky_server(bluesky_thread: BlueskyServer) -> BlueskyServer:
    """An empty Bluesky."""
    bluesky_thread.reset()
    return bluesky_thread


@pytest.fixture(scope="session")
def webhook_thread() -> Iterator[WebhookServer]:
    """A running receiver of webhooks."""
    with WebhookServer(SECRET) as server:
        yield server


@pytest.fixture
def webhook_server(webhook_thread: WebhookServer) -> WebhookServer:
    """A receiver that has nothing yet."""
    webhook_thread.reset()
    return webhook_thread
