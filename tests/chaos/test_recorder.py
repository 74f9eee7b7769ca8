"""Recorders that are killed, servers that go away: each run is in the history once."""

import asyncio
import itertools
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service.config import Settings
from service.runtime import Runtime
from tests.architecture.project import REPOSITORY
from tests.chaos.servers import STOP_POSTGRES, Servers
from tests.chaos.servers import own_servers as own_servers  # fixtures
from tests.chaos.servers import settings as settings
from tests.e2e.processes import Running, environment_of, running
from tests.workers.history import STREAM, add_entry, recorded

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]
RECORDER = (sys.executable, "-m", "tests.chaos.recorder_program")
PAUSE = 0.02
"""Seconds between two entries."""
PATIENCE = 60


@dataclass
class Feed:
    """Entries of five runs that come all the time; `sent` are the jobs of those that arrived."""

    runtime: Runtime
    sent: list[str] = field(default_factory=list)
    over: bool = False

    async def serve(self) -> None:
        """Add entries until it is over."""
        for number in itertools.count():
            if self.over:
                return
            jobs = [f"{number:05} {n}" for n in range(5)]
            try:
                await add_entry(self.runtime.queue, *jobs)
            except (RedisError, OSError):
                continue
            finally:
                await asyncio.sleep(PAUSE)
            self.sent += jobs

    async def is_recorded(self) -> None:
        """Wait until all that was sent is recorded; each must be there once."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    found = await recorded(self.runtime)
                except (SQLAlchemyError, OSError):
                    found = []
                if set(found) >= set(self.sent):
                    break
                await asyncio.sleep(0.2)
        assert len(found) == len(set(found)), "none is recorded twice"


@asynccontextmanager
async def feeding(runtime: Runtime) -> AsyncIterator[Feed]:
    """Add entries meanwhile."""
    feed = Feed(runtime)
    task = asyncio.create_task(feed.serve())
    try:
        yield feed
    finally:
        feed.over = True
        await task


@contextmanager
def a_recorder(settings: Settings, folder: Path) -> Iterator[Running]:
    environment = environment_of(settings, PYTHONPATH=str(REPOSITORY))
    with running(RECORDER, environment, folder) as process:
        process.wait_for("ready")
        yield process


async def test_recorders_that_are_killed(
    settings: Settings, runtime: Runtime, tmp_path: Path
) -> None:
    """Rule 19, M14: killed at any moment, the next goes on where the rows end."""
    with ExitStack() as stack:
        async with feeding(runtime) as feed:
            for seed in range(5):
                process = stack.enter_context(a_recorder(settings, tmp_path)).process
                await asyncio.sleep(Random(seed).uniform(0.3, 1.5))
                process.send_signal(signal.SIGKILL)
        assert set(await recorded(runtime)), "some had time to record"
        stack.enter_context(a_recorder(settings, tmp_path))
        await feed.is_recorded()


async def test_servers_that_go_away(
    settings: Settings, runtime: Runtime, own_servers: Servers, tmp_path: Path
) -> None:
    """Issue 4.2: PostgreSQL away, then Valkey killed and back: nothing lost, nothing twice."""
    with a_recorder(settings, tmp_path) as process:
        async with feeding(runtime) as feed:
            await asyncio.sleep(1)
            own_servers.stop("postgres", STOP_POSTGRES)
            await asyncio.sleep(3)
            own_servers.start_postgres()
            await asyncio.sleep(3)
            own_servers.stop("valkey", signal.SIGKILL)
            await asyncio.sleep(2)
            own_servers.start_valkey()
            await asyncio.sleep(2)
        await feed.is_recorded()
        assert process.process.poll() is None, process.output


async def test_a_wipe_while_recording(settings: Settings, runtime: Runtime, tmp_path: Path) -> None:
    """Rule 19: what was recorded stays, what comes after the wipe is recorded, once."""
    with a_recorder(settings, tmp_path):
        async with feeding(runtime) as feed:
            await asyncio.sleep(1)
        await feed.is_recorded()
        await runtime.queue.flushall()
        async with feeding(runtime) as second:
            await asyncio.sleep(1)
        assert second.sent[0] == feed.sent[0]
        async with asyncio.timeout(PATIENCE):
            while await runtime.queue.xlen(STREAM):  # noqa: ASYNC110 - an empty stream is no event
                await asyncio.sleep(0.1)
        assert await recorded(runtime) == sorted(feed.sent + second.sent)
