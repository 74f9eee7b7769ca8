"""`almanac status`: who ran durable jobs, how they fared, what waits, and who serves it."""

import asyncio
import json
import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from service.commands.history import period
from service.commands.status import print_status
from service.db.outbox import DurableJob
from service.errors import ConfigurationError
from service.kit.clock import now
from service.monitoring import jobs
from service.monitoring.status import status
from service.queue import connect
from service.queue.presence import WORKERS
from service.runtime import Runtime
from tests.e2e.installed import PROGRAM
from tests.e2e.processes import environment_of
from tests.support import Installation
from tests.workers.history import a_run, write

pytestmark = pytest.mark.asyncio
WEEK = timedelta(days=7)
PAST = (
    ("a.job", "succeeded", "queue", 1),
    ("a.job", "succeeded", "queue", 1),
    ("a.job", "failed", "inline", 1),
    ("a.job", "succeeded", "inline", 0),
    ("b.job", "succeeded", "queue", 0),
    ("b.job", "cancelled", None, 0),
    ("b.job", "failed", "queue", 8),
)
"""Name, state, path and how many days ago."""


async def remember(runtime: Runtime) -> None:
    """Write the past into the table."""
    moment = now()
    async with runtime.unit_of_work() as uow:
        uow.session.add_all(
            DurableJob(
                id=str(number),
                name=name,
                queue="almanac:maintenance",
                lane="normal",
                payload=b"",
                state=state,
                path=path,
                due_at=moment,
                look_at=moment,
                finished_at=moment - timedelta(days=days),
            )
            for number, (name, state, path, days) in enumerate(PAST)
        )


async def test_the_success_of_a_week(runtime: Runtime) -> None:
    """K064, K065: by who ran them, by job and by day; neither older nor cancelled ones."""
    await remember(runtime)
    found = await status(runtime, WEEK)
    assert found["paths"] == {
        "inline": {"succeeded": 1, "failed": 1, "rate": 0.5},
        "queue": {"succeeded": 3, "failed": 0, "rate": 1.0},
    }
    assert found["jobs"] == {
        "a.job": {"succeeded": 3, "failed": 1, "rate": 0.75},
        "b.job": {"succeeded": 1, "failed": 0, "rate": 1.0},
    }
    today = now().date()
    assert found["days"] == {
        str(today - timedelta(days=1)): {"succeeded": 2, "failed": 1, "rate": 0.6667},
        str(today): {"succeeded": 2, "failed": 0, "rate": 1.0},
    }


async def test_jobs_without_rows_count_by_the_history(runtime: Runtime) -> None:
    """K065: each job once; a try that was retried, or a job with a row, is no other end."""
    await remember(runtime)
    ago = timedelta(hours=1)
    await write(
        runtime,
        a_run("0", name="a.job"),
        a_run("c1", name="c.job", ago=ago),
        a_run("c2", name="c.job", ago=ago, state="retrying"),
        a_run("c2", name="c.job", ago=ago, state="failed"),
    )
    found = await status(runtime, WEEK)
    assert found["jobs"]["c.job"] == {"succeeded": 1, "failed": 1, "rate": 0.5}
    assert found["jobs"]["a.job"] == {"succeeded": 3, "failed": 1, "rate": 0.75}
    assert found["paths"]["queue"] == {"succeeded": 4, "failed": 1, "rate": 0.8}


async def test_what_waits_and_who_serves_it(runtime: Runtime) -> None:
    """T068: the age of the oldest job of a queue, and that nobody is there for it."""
    due = now() - timedelta(seconds=90)
    async with runtime.unit_of_work() as uow:
        uow.enqueue(jobs.clean().deferred(until=due))
    seen = {"almanac:publishing:worker:here:1": now().timestamp() * 1000}
    await runtime.queue.zadd(WORKERS, seen)
    queues = (await status(runtime, WEEK))["queues"]
    lonely, served = queues["maintenance"], queues["publishing"]
    assert (lonely["waiting"], lonely["workers"]) == (1, 0)
    assert lonely["problem"] == "no living worker"
    assert 89 < lonely["oldest"] < 120
    assert served == {"waiting": 0, "oldest": 0.0, "workers": 1, "paused": False, "problem": None}


async def test_without_redis(runtime: Runtime) -> None:
    """The rows tell what waits."""
    async with runtime.unit_of_work() as uow:
        uow.enqueue(jobs.clean())
    nowhere = connect("redis://127.0.0.1:1", retries=0)
    found = await status(replace(runtime, queue=nowhere), WEEK)
    await nowhere.aclose()
    queue = found["queues"]["maintenance"]
    assert (queue["waiting"], queue["workers"]) == (1, None)
    assert queue["problem"] == "Redis does not answer"


async def test_people_read_tables(runtime: Runtime) -> None:
    await remember(runtime)
    console = Console(width=100)
    with console.capture() as captured:
        print_status(await status(runtime, WEEK), console)
    shown = captured.get()
    assert re.search(r"a\.job +3 +1 +75\.0%", shown)
    assert re.search(r"maintenance +0 +0 s +0 +no living worker", shown)


@pytest.mark.parametrize(("text", "length"), [("7d", WEEK), ("90m", timedelta(minutes=90))])
async def test_periods(text: str, length: timedelta) -> None:
    assert period(text) == length


@pytest.mark.parametrize("text", ["", "0d", "7", "d", "-1d", "7 d", "7w", "99999d", "1d1d"])
async def test_no_periods(text: str) -> None:
    with pytest.raises(ConfigurationError, match="give days, hours or minutes, as 7d, 12h or 30m"):
        period(text)


async def test_the_command_line(api: Installation, runtime: Runtime, tmp_path: Path) -> None:
    """N033, K057, K058, K065: enqueue prints an id, show and wait tell state and result."""

    async def almanac(*arguments: str, code: int = 0) -> str:
        ran = await asyncio.to_thread(
            subprocess.run,
            [str(PROGRAM), *arguments],
            env=environment_of(runtime.settings),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == code, ran.stderr
        return str(ran.stdout)

    job_id = (await almanac("jobs", "enqueue", "posts.sweep")).strip()
    assert re.fullmatch("[0-9a-f]{32}", job_id)
    waits = json.loads(await almanac("jobs", "show", job_id, "--json"))
    assert (waits["state"], waits["result"]) == ("queued", None)
    await almanac("jobs", "wait", job_id, "--timeout", "0", code=1)
    await api.work()
    ended = json.loads(await almanac("jobs", "wait", job_id, "--json"))
    assert (ended["state"], ended["result"]) == ("succeeded", {"processed": 0, "deferred": 0})
    by_hand = await almanac("jobs", "enqueue", "posts.sweep", "--sync")
    assert json.loads(by_hand) == {"processed": 0, "deferred": 0}
    found = json.loads(await almanac("status", "--since", "1d", "--json", code=1))
    assert found["paths"] == {"queue": {"succeeded": 1, "failed": 0, "rate": 1.0}}
    assert list(found["jobs"]) == ["posts.sweep"]
