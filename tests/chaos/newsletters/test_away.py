"""The worker is told to stop, the issue pauses, PostgreSQL restarts, Valkey loses everything."""

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.newsletters.world import world
from tests.chaos.servers import STOP_POSTGRES, Servers
from tests.chaos.servers import own_servers as own_servers  # fixtures
from tests.chaos.servers import settings as settings
from tests.chaos.waiting import until
from tests.support import Installation

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(300)]
READERS = 800
SLOW = 0.03
WITHIN = 150.0


async def test_stopped_and_paused_nothing_is_left_open(api: Installation, tmp_path: Path) -> None:
    """T026: within 2 s of a pause nothing is on its way; resumed it goes on where it stopped, and a
    SIGTERM meanwhile leaves no mail open."""
    async with world(api, tmp_path, seconds=SLOW) as found:
        issue, addresses = await found.publisher.sending(READERS)
        await found.flowing()
        await found.publisher.act(issue, "pause")
        await until(lambda: found.rests(issue), 2)
        out = len(found.taken)
        await found.publisher.act(issue, "resume")
        await found.flowing()
        assert out < len(found.taken) < READERS
        found.fleet.start()
        assert found.fleet.end() == 0
        await found.sent(issue, WITHIN)
        assert await found.judge(issue, addresses, unconfirmed=0) == Counter(sent=792, refused=8)


async def test_postgresql_restarts_under_an_issue(
    api: Installation, own_servers: Servers, tmp_path: Path
) -> None:
    """G001: what went out while PostgreSQL was away is written down when it is back."""
    async with world(api, tmp_path, seconds=SLOW) as found:
        issue, addresses = await found.publisher.sending(READERS)
        await found.flowing()
        own_servers.stop("postgres", STOP_POSTGRES)
        own_servers.start_postgres()
        await api.runtime.database.close()
        await found.sent(issue, WITHIN)
        assert await found.judge(issue, addresses, unconfirmed=0) == Counter(sent=792, refused=8)


async def test_valkey_loses_everything_under_an_issue(api: Installation, tmp_path: Path) -> None:
    """G017: FLUSHALL while an issue is being sent; the rows know what is left to do."""
    async with world(api, tmp_path, seconds=SLOW) as found:
        issue, addresses = await found.publisher.sending(READERS)
        await found.flowing()
        await api.runtime.queue.flushall()
        await found.sent(issue, WITHIN)
        assert await found.judge(issue, addresses, unconfirmed=0) == Counter(sent=792, refused=8)
