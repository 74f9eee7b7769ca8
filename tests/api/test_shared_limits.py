"""A limit that one post has met holds everything of its account back, or of all accounts there."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from service.platforms.failures import RateLimited
from service.posts import recording, sweeping
from tests.servers.faults import Fault
from tests.servers.webhook import WebhookServer
from tests.support import Installation

pytestmark = pytest.mark.asyncio


async def states(api: Installation) -> list[tuple[str, int]]:
    rows = await api.sql("SELECT state, attempts FROM deliveries ORDER BY id")
    return [(row.state, row.attempts) for row in rows]


async def pass_the_limit(api: Installation) -> None:
    await api.sql("UPDATE accounts SET limited_until = now() - interval '1 second'")
    await api.sql("UPDATE platform_pauses SET until = now() - interval '1 second'")
    await api.sql(
        "UPDATE deliveries SET next_run_at = now() - interval '1 second' WHERE state = 'waiting'"
    )
    await api.runtime.queue.flushdb()
    await sweeping.sweep(api.runtime)


async def test_a_limit_holds_back_the_account_s_other_posts(api: Installation) -> None:
    """One 429: nothing else is sent there, no attempt is used, another account goes on."""
    with WebhookServer() as receiver, WebhookServer() as elsewhere:
        limited = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        other = await api.connect("webhook", {"url": f"{elsewhere.url}/hook"})
        receiver.fail(Fault("/hook", status=429, headers={"Retry-After": "900"}))
        first = await api.schedule([limited], "first")
        await api.work(max_burst_jobs=1)
        asked: list[Any] = [await api.schedule([limited], f"next {n}") for n in range(3)]
        asked.append(await api.schedule([other], "elsewhere"))
        await api.work(max_burst_jobs=4)
        assert (receiver.posts, len(elsewhere.posts)) == ([], 1)
        assert await states(api) == [("waiting", 0)] * 4 + [("published", 1)]
        (row,) = await api.sql(
            "SELECT min(next_run_at - now()) AS delay FROM deliveries WHERE state = 'waiting'"
        )
        assert row.delay > timedelta(seconds=800)
        waiting = (await api.read_post(asked[0]["id"]))["deliveries"][0]
        assert waiting["error"].startswith("The platform's limit is used up")

        await pass_the_limit(api)
        await api.work()
        assert await states(api) == [("published", 1)] * 5
        texts = sorted(post["text"] for post in receiver.posts)
        assert texts == [first["text"], "next 0", "next 1", "next 2"]


async def test_a_limit_of_the_app_holds_back_its_platform(api: Installation) -> None:
    """Every account there waits, no other platform does."""
    with WebhookServer() as receiver, WebhookServer() as other:
        here, there = [
            await api.connect("webhook", {"url": f"{server.url}/hook"})
            for server in (receiver, other)
        ]
        feed = await api.connect()
        (row,) = await api.sql("SELECT now() + interval '10 minutes' AS until")
        await recording.limit(
            api.runtime.database,
            UUID(here),
            "webhook",
            RateLimited("Webhook: all of today's calls are used", until=row.until, scope="app"),
        )
        await api.schedule([here, there, feed], "to all")
        await api.work(max_burst_jobs=3)
        assert receiver.posts + other.posts == []
        assert sorted(await states(api)) == [("published", 1), ("waiting", 0), ("waiting", 0)]
        await pass_the_limit(api)
        await api.work()
        assert (len(receiver.posts), len(other.posts)) == (1, 1)
