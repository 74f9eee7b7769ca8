"""Jobs of Almanac that run past their queue: eager, by hand, or because no worker can."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import msgspec
from redis.exceptions import RedisError

from service.kit.tasks import end
from service.queue import JobCall, declared
from service.queue.closing import add_event, close_queued
from service.queue.codec import parse
from service.queue.entries import Entry
from service.runtime import Runtime, load
from workers.engine import LEDGER
from workers.engine.direct import Direct
from workers.engine.ending import Ending, Outcome
from workers.engine.identity import process_name
from workers.ledger import JobLedger
from workers.notes import RunLog

AGAIN = (Outcome.RETRIED, Outcome.SNOOZED, Outcome.RELEASED)
"""Outcomes after which a job is to be run again."""

log = logging.getLogger(__name__)


@asynccontextmanager
async def running(runtime: Runtime) -> AsyncIterator[Direct]:
    """Yield what runs jobs here; the rows of durable ones are claimed, kept and closed."""
    ledger = JobLedger(runtime, path="inline")
    beside = [asyncio.create_task(work) for work in (ledger.renew(), ledger.notes.serve())]
    logs = RunLog(ledger.notes)
    logging.getLogger().addHandler(logs)
    try:
        yield Direct(runtime.queue, {"runtime": runtime, LEDGER: ledger})
    finally:
        logging.getLogger().removeHandler(logs)
        await end(*beside)


async def run(runtime: Runtime, direct: Direct, queue: str, job_id: str, payload: bytes) -> Ending:
    """Run a job once, past the queue of this key, and return how it ended.

    Redis is told of it, if it is there.

    Raises KeyError for a job that is declared nowhere, and what loading its coroutine raises.
    """
    job = declared()[parse(payload).function]
    end = await direct.run(job, load(job.coroutine), queue, job_id, payload)
    try:
        await _tell(runtime, queue, job_id, end)
    except (RedisError, OSError) as error:
        # Whoever finds the job in the queue learns from its row that it has ended.
        log.info("Redis was not told of job %s: %s", job_id, error)
    return end


async def _tell(runtime: Runtime, queue: str, job_id: str, end: Ending) -> None:
    if end.event:
        await add_event(runtime.queue, queue, process_name(), job_id, end.event)
    if end.outcome not in AGAIN:
        await close_queued(runtime.queue, queue, job_id, end.result, end.keep_ms)


async def run_once(runtime: Runtime, call: JobCall) -> Ending:
    """Run a job here, without a row and unknown to its queue, and return how it ended."""
    job = declared()[call.name]
    (entry,) = runtime.queue.entries([call])
    direct = Direct(runtime.queue, {"runtime": runtime})
    queue, job_id = entry.batch.queue, entry.job_id
    return await direct.run(job, load(job.coroutine), queue, job_id, entry.payload)


@dataclass(slots=True)
class _Line:
    """What an eager call has still to run; jobs that its jobs ask for join it."""

    entries: deque[Entry]
    open: bool = True


_LINE: ContextVar[_Line | None] = ContextVar("eager", default=None)


async def run_all(runtime: Runtime, entries: Sequence[Entry]) -> None:
    """Run these jobs one after the other, then those that they asked for, and so on.

    One that asks to be run again is put on its queue, for its time. Raises as `run`.
    """
    line = _LINE.get()
    if line is not None and line.open:  # asked for by a job, which ends first, as in a worker
        line.entries.extend(entries)
        return
    line = _Line(deque(entries))
    token = _LINE.set(line)
    try:
        async with running(runtime) as direct:
            while line.entries:
                await _run_eagerly(runtime, direct, line.entries.popleft())
    finally:
        line.open = False
        _LINE.reset(token)


async def _run_eagerly(runtime: Runtime, direct: Direct, entry: Entry) -> None:
    end = await run(runtime, direct, entry.batch.queue, entry.job_id, entry.payload)
    if end.outcome not in AGAIN:
        return
    try:
        await runtime.queue.requeue([msgspec.structs.replace(entry, score=end.at_ms)])
    except (RedisError, OSError) as error:
        log.warning("job %s is left to the sweep: %s", entry.job_id, error)
