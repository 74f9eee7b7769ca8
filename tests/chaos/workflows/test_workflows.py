"""The scenarios in short; `python -m tests.chaos.workflows` runs them in full."""

from pathlib import Path

import pytest

from service.db import migrate
from service.runtime import Runtime, open_runtime
from tests.chaos.servers import restartable
from tests.chaos.waiting import tell
from tests.chaos.workflows.scenarios import everything_goes_away, fan_in
from tests.support import settings_for

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(300)]


async def test_a_fan_in_fires_once_while_workers_are_killed(
    runtime: Runtime, tmp_path: Path
) -> None:
    """R28, M13: 200 steps, two workers, three kills; the callback runs once, with all results."""
    found, callbacks, output = await fan_in(
        runtime, tmp_path, members=200, workers=2, every=1.0, kills=3
    )
    tell(str(found))
    assert callbacks == [("succeeded", 1)]
    assert output == sum(range(200))
    assert found.states == {"succeeded": 1}
    assert (found.doubled, found.differences) == ([], [])


async def test_every_workflow_ends_whatever_goes_away(tmp_path: Path) -> None:
    """Part 4: Valkey wiped, PostgreSQL restarted, workers killed; undone is what had completed."""
    with restartable(tmp_path / "home") as servers:
        endpoints = servers.endpoints
        await migrate.upgrade(endpoints.database_url)
        settings = settings_for(endpoints.database_url, endpoints.redis_url, tmp_path)
        async with open_runtime(settings, "test") as runtime:
            found = await everything_goes_away(
                runtime, servers, tmp_path, workflows=24, workers=2, every=1.5, kills=3
            )
    tell(str(found))
    assert found.states == {"succeeded": 18, "undone": 6}
    assert (found.doubled, found.differences) == ([], [])
