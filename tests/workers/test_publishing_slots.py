"""How many posts a publishing worker sends at a time, and what they share."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.config import Settings
from tests.servers.threaded import ThreadedServer
from tests.support import Installation

pytestmark = pytest.mark.asyncio


class Turnstile(ThreadedServer):
    """Lets requests in only together: each waits until so many others are inside, or for long."""

    def __init__(self, together: int) -> None:
        self.together = together
        self.inside = self.most = self.total = 0
        self._all = asyncio.Event()
        super().__init__(Starlette(routes=[Route("/hook", self._hook, methods=["POST"])]))

    async def _hook(self, request: Request) -> Response:
        await request.body()
        self.total += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.most == self.together:
            self._all.set()
        async with asyncio.timeout(5):
            await self._all.wait()
        # Whoever would come beside these has the time to.
        await asyncio.sleep(0.05)
        self.inside -= 1
        return JSONResponse({})


async def test_three_slots_send_three_posts_at_a_time(api: Installation) -> None:
    """V034: PUBLISHING_CONCURRENCY=3: three overlap, never a fourth."""
    assert Settings(publishing_concurrency=3).publishing_concurrency == 3
    with Turnstile(3) as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        for number in range(9):
            await api.schedule([account], f"Post {number}")
        await api.work(max_jobs=3)
        assert (receiver.total, receiver.most) == (9, 3)


async def test_all_posts_share_one_client_and_one_pool(api: Installation) -> None:
    """V059: fifty posts at a time take no more database connections than the pool has."""
    with Turnstile(50) as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        for number in range(50):
            await api.schedule([account], f"Post {number}")
        await api.work(max_jobs=50)
        assert (receiver.total, receiver.most) == (50, 50)
    (row,) = await api.sql(
        "SELECT count(*) AS connections FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'almanac.%'"
    )
    # Statements share these; the test's and the API's own transactions come on top.
    assert row.connections <= 2 * api.runtime.settings.pool_size + 2
