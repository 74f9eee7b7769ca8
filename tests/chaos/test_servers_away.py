"""Valkey and PostgreSQL go away and come back under one worker process."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from service.posts import sweeping
from tests.chaos.networks import Networks, networks
from tests.chaos.servers import STOP_POSTGRES, Servers
from tests.chaos.servers import own_servers as own_servers  # fixtures
from tests.chaos.servers import settings as settings
from tests.chaos.waiting import all_published, nothing_queued, tell, until
from tests.e2e.processes import ALMANAC, Running, environment_of, running
from tests.servers.faults import Fault
from tests.servers.webhook import WebhookServer
from tests.support import Installation, in_seconds

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]
AWAY = 5
"""Seconds that a server is away."""
BEYOND_RETRIES = 16
"""Longer than a command is repeated before the worker gives up its connection."""
POSTS = 12
SWEEP = 60


@pytest_asyncio.fixture
async def worker(api: Installation, tmp_path: Path) -> AsyncIterator[Running]:
    """One process that serves both queues; it must still be the same at the end."""
    command = [*ALMANAC, "worker", "publishing", "maintenance"]
    with running(command, environment_of(api.runtime.settings), tmp_path) as process:
        process.wait_for("worker ready")
        yield process
        assert process.process.poll() is None, process.output


async def schedule(api: Installation, accounts: list[str], *, first: float) -> None:
    """Schedule one post a second."""
    for number in range(POSTS):
        due = in_seconds(first + number)
        await api.schedule(accounts, f"post {number}", publish_at=due)


async def check_each_once(api: Installation, net: Networks, worker: Running) -> None:
    """Wait until all is published, and compare with what the networks have."""
    await until(lambda: all_published(api), SWEEP + 50, lambda: worker.output)
    expected = sorted(f"post {number}" for number in range(POSTS))
    texts = await net.texts(api)
    assert {name: sorted(found) for name, found in texts.items() if found} == {
        row.platform: expected for row in await api.sql("SELECT DISTINCT platform FROM deliveries")
    }
    (row,) = await api.sql("SELECT max(published_at - due_at) AS most FROM deliveries")
    tell(f"published at most {row.most.total_seconds():.1f} s late")
    assert row.most.total_seconds() <= SWEEP + AWAY
    await until(lambda: nothing_queued(api), 50, lambda: worker.output)
    assert net.bluesky.password not in worker.output
    assert net.mastodon.token not in worker.output


@pytest.mark.parametrize("away", [AWAY, BEYOND_RETRIES])
async def test_valkey_is_killed_and_restarted(
    api: Installation, worker: Running, own_servers: Servers, away: int
) -> None:
    """The process survives; a call under way is recorded; every post goes out once."""
    with networks() as net:
        accounts = await net.connect(api)
        net.webhook.fail(Fault("/hook", delay=AWAY - 1))
        await schedule(api, list(accounts.values()), first=1)
        await until(lambda: is_publishing(api), 10)
        own_servers.stop("valkey", signal.SIGKILL)
        await asyncio.sleep(away)
        own_servers.start_valkey()
        await check_each_once(api, net, worker)
        assert await api.count("attempts") == POSTS * len(accounts)


async def is_publishing(api: Installation) -> bool:
    """Tell whether the webhook is being called."""
    found = "SELECT 1 FROM deliveries WHERE platform = 'webhook' AND commit_started_at IS NOT NULL"
    return await api.sql(found) != []


async def test_postgresql_is_restarted(
    api: Installation, worker: Running, own_servers: Servers
) -> None:
    """The process survives; posts that were due meanwhile go out once, at the next sweep."""
    with networks() as net:
        accounts = await net.connect(api)
        del accounts["webhook"]
        await schedule(api, list(accounts.values()), first=1)
        await until(lambda: has_published(api), 10)
        own_servers.stop("postgres", STOP_POSTGRES)
        await asyncio.sleep(AWAY)
        own_servers.start_postgres()
        await until(lambda: is_ready(api), 10)
        await check_each_once(api, net, worker)


async def is_ready(api: Installation) -> bool:
    """Tell whether the API has found PostgreSQL again, and so has the test's own pool."""
    await api.runtime.database.close()
    return (await api.http.get("/readyz")).status_code == 200


async def has_published(api: Installation) -> bool:
    """Tell whether the first posts are out."""
    return len(await api.sql("SELECT 1 FROM deliveries WHERE state = 'published'")) >= 3


async def test_dead_connections_to_postgresql_are_replaced(
    api: Installation, own_servers: Servers
) -> None:
    """After a restart the first request and the first sweep succeed, on whatever connection."""
    account = await api.connect()
    await sweeping.sweep(api.runtime)
    own_servers.stop("postgres", STOP_POSTGRES)
    own_servers.start_postgres()
    await api.schedule([account])
    await api.runtime.queue.flushall()
    assert await sweeping.sweep(api.runtime) == {"processed": 1, "deferred": 0}


async def test_an_answer_outlives_a_restart_of_postgresql(
    api: Installation, worker: Running, own_servers: Servers
) -> None:
    """PostgreSQL restarts during a call that cannot be repeated: its outcome is recorded."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        receiver.fail(Fault("/hook", delay=AWAY))
        post = await api.schedule([account])
        await until(lambda: is_publishing(api), 10)
        own_servers.stop("postgres", STOP_POSTGRES)
        own_servers.start_postgres()
        await until(lambda: is_ready(api), 10)
        assert receiver.posts == []
        await until(lambda: all_published(api), 2 * AWAY, lambda: worker.output)
        (attempt,) = (await api.read_post(post["id"]))["attempts"].popitem()[1]
        assert (attempt["number"], attempt["outcome"]) == (1, "published")
        assert len(receiver.posts) == 1
