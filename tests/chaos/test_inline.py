"""Valkey dies under an installation without workers: what is declared inline runs all the same."""

import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from service.config import Settings
from service.db import migrate
from service.monitoring import rows
from service.runtime import Runtime
from tests.chaos.servers import Servers, restartable
from tests.chaos.waiting import until
from tests.db.test_inline import task, worker_only
from tests.e2e.processes import Running, environment_of, running
from tests.support import settings_for

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]
PROGRAM = [sys.executable, "-m", "tests.chaos.inline_worker"]
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[Servers]:
    """Servers of this test alone, because it breaks them."""
    with restartable(tmp_path / "home") as servers:
        yield servers


@pytest_asyncio.fixture
async def settings(own_servers: Servers, tmp_path: Path) -> Settings:
    """In place of the settings that lead to the suite's servers."""
    endpoints = own_servers.endpoints
    await migrate.upgrade(endpoints.database_url)
    return settings_for(endpoints.database_url, endpoints.redis_url, tmp_path)


@pytest_asyncio.fixture
async def maintenance(runtime: Runtime, tmp_path: Path) -> AsyncIterator[Running]:
    """The maintenance process; it must still be the same at the end."""
    environment = environment_of(runtime.settings, PYTHONPATH=str(REPOSITORY))
    with running(PROGRAM, environment, tmp_path) as process:
        process.wait_for("worker ready")
        yield process
        assert process.process.poll() is None, process.output


async def test_valkey_dies(runtime: Runtime, own_servers: Servers, maintenance: Running) -> None:
    """K040, K041: accepted while it is down and run inline, others wait; each has one path."""

    async def succeeded() -> bool:
        row = await rows.find(runtime, inline)
        return row is not None and (row.state, row.path) == ("succeeded", "inline")

    own_servers.stop("valkey", signal.SIGKILL)
    async with runtime.unit_of_work() as uow:
        inline, other = uow.enqueue(task(number=4), worker_only(number=5))
    await until(succeeded, 60, lambda: maintenance.output)
    assert f"job {inline} runs inline" in maintenance.output
    own_servers.start_valkey()
    await until(lambda: runtime.queue.exists(f"arq:job:{other}"), 60, lambda: maintenance.output)
    assert not await runtime.queue.exists(f"arq:job:{inline}")
    waits = await rows.find(runtime, other)
    assert waits is not None
    assert (waits.state, waits.path) == ("queued", None)
