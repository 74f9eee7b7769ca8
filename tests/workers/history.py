"""Jobs whose runs the history tells of, and runs written straight into it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import text

from service.kit.ids import uuid7_at
from service.monitoring import history_queries as queries
from service.monitoring.runs import Run
from service.queue import QueueClient, RetryPolicy, job, queue_key
from service.queue.events import stream_key
from service.queue.instants import from_ms, to_ms
from service.runtime import Runtime
from tests.queue.raw import raw
from workers.engine import Context, run

HERE = "tests.workers.history"
KEY = queue_key("default")
STREAM = stream_key(KEY)


@job("tests.add", queue="publishing", coroutine=f"{HERE}.add_up", retry=RetryPolicy(2, delay=0))
async def add(number: int, word: str = "") -> int:
    """Return the number; fail for 13, in the first try for 7; sleep for 99."""
    raise NotImplementedError


@job(
    "tests.confide",
    queue="publishing",
    coroutine=f"{HERE}.confided",
    retry=RetryPolicy(1),
    sensitive=True,
)
async def confide(secret: str) -> str:
    """Return the secret, or fail with it."""
    raise NotImplementedError


async def add_up(ctx: Context, number: int, word: str = "") -> int:
    """See `add`."""
    if number == 13 or (number == 7 and ctx["job_try"] == 1):
        raise ValueError(f"bad luck with {word or number}")
    if number == 99:
        await asyncio.sleep(30)
    return number


async def confided(ctx: Context, secret: str) -> str:
    """See `confide`."""
    if secret.startswith("bad"):
        raise ValueError(secret)
    return secret


FUNCTIONS = [run(add, add_up), run(confide, confided)]


def a_run(job_id: str, *, ago: timedelta = timedelta(), **values: Any) -> Run:
    """Return a run that ended so long ago and succeeded, unless `values` say otherwise."""
    ended = from_ms(to_ms(datetime.now(UTC) - ago))
    given: dict[str, Any] = {
        "finished_at": ended, "id": uuid7_at(to_ms(ended)), "job_id": job_id, "attempt": 1,
        "name": "x.y", "queue": "q", "state": "succeeded", "arguments": "{}", "result": None,
        "error_type": None, "error": None, "traceback": None, "worker": "w:1", "actor": None,
        "trace": None, "sensitive": False, "enqueued_at": ended, "started_at": ended,
    }  # fmt: skip
    return Run(**(given | values))


async def write(runtime: Runtime, *runs: Run) -> None:
    """Put runs into the history."""
    async with runtime.unit_of_work() as uow:
        for day in sorted({run.finished_at.date() for run in runs}):
            await queries.add_day(uow.session, day)
        await queries.add_runs(uow.session, runs)


def ended(**values: Any) -> bytes:
    """Return the event of a run that succeeded just now, unless `values` say otherwise."""
    moment = to_ms(datetime.now(UTC))
    given = {
        "f": "x.y", "a": [], "k": {"number": 1}, "et": moment, "t": 1, "v": 1, "h": {}, "c": "",
        "s": True, "r": 2, "st": moment, "ft": moment, "q": KEY, "id": "a",
    }  # fmt: skip
    return msgspec.json.encode(given | values)


async def add_entry(client: QueueClient, *jobs: str, **values: Any) -> None:
    """Add one entry with ends of these jobs to the stream of the default queue."""
    fields = [part for job_id in jobs for part in (job_id, ended(**values))]
    await raw(client, "XADD", STREAM, "*", "", "host:1", *fields)


async def recorded(runtime: Runtime) -> list[str]:
    """Return the ids of the jobs of all recorded runs, in order."""
    rows = await runtime.database.execute(text("SELECT job_id FROM job_runs ORDER BY job_id"))
    return [row.job_id for row in rows]
