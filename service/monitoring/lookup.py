"""Where a job is told of: a delivery's row, Redis, a row of its own, the history, dead jobs."""

import asyncio
import time

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service.access.caller import Caller
from service.db import outbox, revision
from service.monitoring import dead, dead_queries, history, rows, showing
from service.monitoring.schemas import JobOut
from service.monitoring.visibility import sees
from service.posts import actions as posts
from service.queue import ROW, DecodeError, JobState, JobView, inspect
from service.runtime import Runtime

END_STATES = frozenset(state.value for state in JobState if state.terminal)
POLL = (0.05, 1.0)
"""Seconds between two looks while waiting: the first pause and the longest."""
CHECK_TIMEOUT = 2
"""Seconds that a server may take to prove that it is there."""


async def find(runtime: Runtime, caller: Caller, job_id: str) -> JobOut | None:
    """Return a job, wherever it is told of, with its recorded runs."""
    job = await look(runtime, caller, job_id)
    if job is None:
        return None
    async with runtime.unit_of_work() as uow:
        runs = await history.attempts(uow.session, job_id)
    return job.model_copy(update={"attempts": [history.attempt_of(run) for run in runs]})


async def look(runtime: Runtime, caller: Caller, job_id: str) -> JobOut | None:
    """Return a job without its recorded runs, if it exists for the caller."""
    if "\x00" in job_id:  # PostgreSQL knows no such text
        return None
    if posts.is_publish_job(job_id):
        async with runtime.unit_of_work() as uow:
            publishing = await posts.publish_job(uow.session, caller, job_id)
        return showing.of_delivery(job_id, publishing) if publishing else None
    job = await _in_queue_or_row(runtime, job_id) or await _ended_long_ago(runtime, job_id)
    return job if job is not None and sees(caller, job.actor, job.name) else None


async def _in_queue_or_row(runtime: Runtime, job_id: str) -> JobOut | None:
    """Return a job as Redis has it, unless its row knows better, which may have run without it."""
    view: JobView | None = None
    away: Exception | None = None
    try:
        view = await inspect(runtime.queue, job_id)
    except (RedisError, OSError, DecodeError) as error:  # its row may tell enough
        away = error
    row = await rows.find(runtime, job_id) if view is None or ROW in view.headers else None
    if row is not None:
        known = view is not None and (view.state.terminal or row.state in outbox.OPEN)
        job = showing.of_view(view) if view is not None and known else showing.of_row(row)
        return job.model_copy(update=showing.told_by(row))
    if away is not None:
        raise away
    return showing.of_view(view) if view is not None else None


async def _ended_long_ago(runtime: Runtime, job_id: str) -> JobOut | None:
    async with runtime.unit_of_work() as uow:
        if runs := await history.attempts(uow.session, job_id):
            return history.job_of(runs)
        kept = await dead_queries.dead_job(uow.session, job_id)
    return showing.of_view(dead.read(kept, unmask=False).view) if kept else None


async def find_ended(runtime: Runtime, caller: Caller, job_id: str, wait: float) -> JobOut | None:
    """Return a job as soon as it has ended, or as it is after so many seconds."""
    deadline = time.monotonic() + wait
    pause, longest = POLL
    while True:
        job = await look(runtime, caller, job_id)
        left = deadline - time.monotonic()
        if job is None or job.state in END_STATES or left <= 0:
            return await find(runtime, caller, job_id)
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, longest)


async def readiness(runtime: Runtime) -> dict[str, str]:
    """Return `ok`, or what is wrong, for each server."""
    database, queue = await asyncio.gather(_check_database(runtime), _check_queue(runtime))
    return {"database": database, "queue": queue}


async def _check_database(runtime: Runtime) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT), runtime.database.session() as session:
            present = await revision.present(session)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return f"PostgreSQL does not answer: {type(error).__name__}"
    wanted = revision.head()
    return "ok" if present == wanted else f"schema is at {present}, this version needs {wanted}"


async def _check_queue(runtime: Runtime) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            await runtime.queue.ping()
    except (RedisError, OSError, TimeoutError) as error:
        return f"Redis does not answer: {type(error).__name__}"
    return "ok"
