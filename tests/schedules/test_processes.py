"""Two maintenance workers and a ticker that dies at a tick, as processes on real servers."""

import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.waiting import until
from tests.e2e.processes import ALMANAC, environment_of, running
from tests.schedules.dying_ticker import SOON
from tests.support import Installation

MAINTENANCE = (*ALMANAC, "worker", "maintenance")
DYING = (sys.executable, "-m", "tests.schedules.dying_ticker", "monitoring.clean")
ROUNDS = 3


@pytest.mark.asyncio
@pytest.mark.timeout(180)
async def test_each_tick_fires_once_whoever_dies(api: Installation, tmp_path: Path) -> None:
    """T018, V036, G027, T062, R22: doubled 0, missed 0, with a SIGKILL before and after a claim."""
    names = environment_of(api.runtime.settings, PYTHONPATH=str(Path.cwd()))
    with (
        running(MAINTENANCE, names, tmp_path) as first,
        running(MAINTENANCE, names, tmp_path) as second,
    ):
        for worker in (first, second):
            worker.wait_for("worker ready")
        with running(DYING, names, tmp_path) as dying:
            dying.wait_for("claimed")
            assert await fired(api) == []
            dying.process.send_signal(signal.SIGKILL)
        await until(lambda: has_fired(api, 1), 30, lambda: first.output + second.output)
        for number in range(2, 2 + ROUNDS):
            await api.runtime.database.execute(SOON, {"name": "monitoring.clean"})
            if number == 3:
                first.process.send_signal(signal.SIGKILL)
            await until(partial(has_fired, api, number), 60, lambda: second.output)
    ticks = await fired(api)
    jobs = await api.sql("SELECT id FROM durable_jobs WHERE name = 'monitoring.clean' ORDER BY id")
    assert [job.id for job in jobs] == sorted(tick.job_id for tick in ticks)
    assert len({tick.tick for tick in ticks}) == ROUNDS + 1


async def fired(api: Installation) -> list[Any]:
    """Return what became of the rule's ticks, all of them fired."""
    found = await api.sql(
        "SELECT tick, job_id, runs.state, job.state AS job_state FROM schedule_runs runs"
        " JOIN schedules s ON s.id = schedule_id LEFT JOIN durable_jobs job ON job.id = job_id"
        " WHERE s.name = 'monitoring.clean' ORDER BY tick"
    )
    assert {run.state for run in found} <= {"fired"}
    return list(found)


async def has_fired(api: Installation, ticks: int) -> bool:
    """Whether so many ticks have fired, and their jobs have ended well."""
    return [run.job_state for run in await fired(api)] == ["succeeded"] * ticks
