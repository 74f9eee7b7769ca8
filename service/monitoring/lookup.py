"""Where a job is told of: a delivery's row, Redis, a row of its own, the history, dead jobs."""

import asyncio
import time

import msgspec
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service.access.caller import Caller
from service.db import migrate, outbox
from service.db.outbox import DurableJob
from service.kit.clock import now
from service.monitoring import dead, dead_queries, history, rows
from service.monitoring.schemas import JobError, JobOut
from service.posts import actions as posts
from service.queue import ROW, JobState, JobView, inspect
from service.queue.codec import parse
from service.queue.views import Found, ended, found
from service.runtime import Runtime

END_STATES = frozenset(state.value for state in JobState if state.terminal)
POLL = (0.05, 1.0)
"""Seconds between two looks while waiting: the first pause and the longest."""
CHECK_TIMEOUT = 2
"""Seconds that a server may take to prove that it is there."""


async def find(runtime: Runtime, caller: Caller, job_id: str) -> JobOut | None:
    """Return a job, wherever it is told of, with its recorded runs."""
    job = await _find(runtime, caller, job_id)
    if job is None:
        return None
    async with runtime.unit_of_work() as uow:
        runs = await history.attempts(uow.session, job_id)
    return job.model_copy(update={"attempts": [history.attempt_of(run) for run in runs]})


async def _find(runtime: Runtime, caller: Caller, job_id: str) -> JobOut | None:
    if "\x00" in job_id:  # PostgreSQL knows no such text
        return None
    if posts.is_publish_job(job_id):
        async with runtime.unit_of_work() as uow:
            publishing = await posts.publish_job(uow.session, caller, job_id)
        return _of_delivery(job_id, publishing) if publishing else None
    if (job := await _in_queue_or_row(runtime, job_id)) is not None:
        return job
    async with runtime.unit_of_work() as uow:
        if runs := await history.attempts(uow.session, job_id):
            return history.job_of(runs)
        kept = await dead_queries.dead_job(uow.session, job_id)
    return _of_view(dead.read(kept, unmask=False).view) if kept else None


async def _in_queue_or_row(runtime: Runtime, job_id: str) -> JobOut | None:
    """Return a job as Redis has it, unless its row knows better, which may have run without it."""
    view, away = None, None
    try:
        view = await inspect(runtime.queue, job_id)
    except (RedisError, OSError) as error:
        away = error
    if view is not None and (view.state.terminal or ROW not in view.headers):
        return _of_view(view)
    row = await rows.find(runtime, job_id)
    if row is not None and (view is None or row.state not in outbox.OPEN):
        return _of_row(row)
    if away is not None:
        raise away
    return _of_view(view) if view is not None else None


async def find_ended(runtime: Runtime, caller: Caller, job_id: str, wait: float) -> JobOut | None:
    """Return a job as soon as it has ended, or as it is after so many seconds."""
    deadline = time.monotonic() + wait
    pause, longest = POLL
    while True:
        job = await _find(runtime, caller, job_id)
        left = deadline - time.monotonic()
        if job is None or job.state in END_STATES or left <= 0:
            return await find(runtime, caller, job_id)
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, longest)


def _of_delivery(job_id: str, job: posts.PublishJob) -> JobOut:
    delivery = job.delivery
    succeeded = job.state == JobState.SUCCEEDED
    failed = job.state == JobState.FAILED
    return JobOut(
        id=job_id,
        name="posts.publish",
        queue="publishing",
        state=job.state,
        arguments={"delivery_id": str(delivery.id), "version": job.version},
        tries=delivery.attempts,
        run_at=delivery.next_run_at,
        enqueued_at=delivery.created_at,
        started_at=None,
        finished_at=delivery.published_at,
        result={"remote_id": delivery.remote_id, "url": delivery.remote_url} if succeeded else None,
        error=JobError(type=delivery.state, message=delivery.error or "", traceback=None)
        if failed
        else None,
    )


def _of_view(view: JobView) -> JobOut:
    error = view.error
    return JobOut(
        id=view.job_id,
        name=view.function,
        queue=view.queue.removeprefix("almanac:"),
        state=view.state,
        arguments=msgspec.to_builtins({**dict(enumerate(view.args)), **view.kwargs}, str_keys=True),
        tries=view.tries,
        run_at=view.run_at,
        enqueued_at=view.enqueued_at,
        started_at=view.started_at,
        finished_at=view.finished_at,
        result=msgspec.to_builtins(view.result),
        error=JobError(type=error.type, message=error.message, traceback=error.traceback)
        if error
        else None,
    )


def _of_row(row: DurableJob) -> JobOut:
    """Show a durable job from its row alone: Redis does not have it, or not any more."""
    told = {
        "id": row.id,
        "state": row.state if row.state != JobState.QUEUED or row.due_at <= now() else "deferred",
        "tries": row.tries,
        "path": row.path,
        "run_at": row.due_at if row.state in ("queued", "retrying") else None,
        "enqueued_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
    }
    if row.result:
        shown = _of_view(ended(row.id, parse(row.result), unmask=False))
        return shown.model_copy(update=told)
    view = found(
        row.id,
        Found(dead=False, queue=row.queue, moment=0, payload=row.payload, tries=row.tries),
        unmask=False,
    )
    kind, _, message = (row.error or "").partition(": ")
    error = JobError(type=kind, message=message, traceback=None) if row.error else None
    return _of_view(view).model_copy(update={**told, "error": error})


async def readiness(runtime: Runtime) -> dict[str, str]:
    """Return `ok`, or what is wrong, for each server."""
    database, queue = await asyncio.gather(_check_database(runtime), _check_queue(runtime))
    return {"database": database, "queue": queue}


async def _check_database(runtime: Runtime) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT), runtime.database.session() as session:
            present = await migrate.revision(session)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return f"PostgreSQL does not answer: {type(error).__name__}"
    wanted = migrate.head()
    return "ok" if present == wanted else f"schema is at {present}, this version needs {wanted}"


async def _check_queue(runtime: Runtime) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            await runtime.queue.ping()
    except (RedisError, OSError, TimeoutError) as error:
        return f"Redis does not answer: {type(error).__name__}"
    return "ok"
