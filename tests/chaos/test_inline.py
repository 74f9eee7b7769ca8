"""Valkey dies under an installation without workers: what is declared inline runs all the same."""

import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from service.monitoring import rows
from service.runtime import Runtime
from tests.chaos.servers import Servers
from tests.chaos.servers import own_servers as own_servers  # fixtures
from tests.chaos.servers import settings as settings
from tests.chaos.waiting import until
from tests.db.test_inline import task, worker_only
from tests.e2e.processes import Running, environment_of, running

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]
PROGRAM = [sys.executable, "-m", "tests.chaos.inline_worker"]
REPOSITORY = Path(__file__).parents[2]


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
