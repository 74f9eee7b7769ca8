"""Looking at one job by its id: what it is doing, how it ended; waiting for it, cancelling it."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, cast

from arq.constants import (
    in_progress_key_prefix,
    job_key_prefix,
    result_key_prefix,
    retry_key_prefix,
)

from service.kit import clock
from service.queue.client import QueueClient
from service.queue.codec import Record, parse, serialize
from service.queue.declaration import declared
from service.queue.failures import Failure
from service.queue.instants import from_ms, to_ms
from service.queue.names import queue_key

_CANCEL = (Path(__file__).with_name("scripts") / "cancel.lua").read_text()
_CANCELLED_ERROR = "asyncio.exceptions.CancelledError"
_KEEP_RESULT_SECONDS = 3600  # arq's default, for a job that is declared nowhere
_FIRST_DELAY, _LAST_DELAY = 0.01, 0.25


class JobState(StrEnum):
    """Where a job is."""

    DEFERRED = "deferred"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class JobView:
    """One job as it is now. Instants are UTC; what is not known (yet) is None."""

    job_id: str
    state: JobState
    queue: str
    """Key of the queue in Redis."""
    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tries: int
    """Runs begun, the present one included."""
    enqueued_at: datetime | None = None
    run_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: Any = None
    error: Failure | None = None


class _Place(NamedTuple):
    queue: str
    score: float


async def inspect(client: QueueClient, job_id: str, *, queue: str | None = None) -> JobView | None:
    """Return a job as it is at one instant, or None when Redis knows no job of this id.

    One round trip. Looks into the queues of all declared jobs and the client's default queue, or
    only into the one whose key is given. Raises DecodeError when its payload cannot be read.
    """
    queues = [queue] if queue else _known_queues(client)
    prefixes = (result_key_prefix, job_key_prefix, in_progress_key_prefix, retry_key_prefix)
    async with client.pipeline(transaction=True) as pipe:
        pipe.time()
        pipe.mget([prefix + job_id for prefix in prefixes])
        for key in queues:
            pipe.zscore(key, job_id)
        (seconds, microseconds), (result, payload, lease, tries), *scores = await pipe.execute()
    if result is not None:
        return _ended(job_id, parse(result))
    places = (_Place(key, s) for key, s in zip(queues, scores, strict=True) if s is not None)
    place = next(places, None)
    if place is None:
        return None
    if lease is not None:
        state = JobState.RUNNING
    elif tries is not None:
        state = JobState.RETRYING
    else:
        now = seconds * 1000 + microseconds // 1000
        state = JobState.DEFERRED if place.score > now else JobState.QUEUED
    return _open(job_id, state, place, int(tries or 0), payload)


async def wait(client: QueueClient, job_id: str, seconds: float) -> JobView | None:
    """Return the job as soon as it has ended, or as it is after so many seconds.

    None means that Redis knows no such job, also when it ended meanwhile and keeps no result.
    Raises as `inspect`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    delay = _FIRST_DELAY
    view = await inspect(client, job_id)
    while view and not view.state.terminal and (left := deadline - loop.time()) > 0:
        await asyncio.sleep(min(delay, left))
        delay = min(delay * 1.5, _LAST_DELAY)
        view = await inspect(client, job_id, queue=view.queue)
    return view


async def cancel(client: QueueClient, job_id: str) -> bool:
    """Cancel a job; return False when there is none or it has ended.

    A job that has not started ends here and now as cancelled, no worker is needed. One that runs is
    marked for its worker, as arq's `Job.abort` does: workers with `allow_abort_jobs` then stop it,
    others let it finish; `wait` tells. Raises as `inspect`.
    """
    view = await inspect(client, job_id)
    if view is None or view.state.terminal:
        return False
    now = clock.now()
    job = declared().get(view.function)
    keep = _KEEP_RESULT_SECONDS if job is None else job.keep_result
    arguments = (job_id, _cancelled(view, now), str(int(keep * 1000)), str(to_ms(now)))
    script = client.eval(_CANCEL, 1, view.queue, *arguments)
    return await cast("Awaitable[bytes]", script) != b"absent"


def _known_queues(client: QueueClient) -> list[str]:
    keys = [queue_key(job.queue) for job in declared().values()]
    return list(dict.fromkeys([*keys, client.default_queue_name]))


def _ended(job_id: str, record: Record) -> JobView:
    args, kwargs = record.arguments()
    error = None if record.success else record.failure()
    if error is None:
        state = JobState.SUCCEEDED
    else:
        state = JobState.CANCELLED if error.type == _CANCELLED_ERROR else JobState.FAILED
    return JobView(
        job_id=job_id,
        state=state,
        queue=record.queue,
        function=record.function,
        args=args,
        kwargs=kwargs,
        tries=record.tries or 0,
        enqueued_at=from_ms(record.enqueued_ms),
        started_at=from_ms(record.started_ms),
        finished_at=from_ms(record.finished_ms),
        result=record.result() if record.success else None,
        error=error,
    )


def _open(
    job_id: str, state: JobState, place: _Place, tries: int, payload: bytes | None
) -> JobView:
    """Describe a job that has not ended; its payload may have expired."""
    record = parse(payload) if payload else None
    args, kwargs = record.arguments() if record else ((), {})
    return JobView(
        job_id=job_id,
        state=state,
        queue=place.queue,
        function=record.function if record else "<unknown>",
        args=args,
        kwargs=kwargs,
        tries=tries,
        enqueued_at=from_ms(record.enqueued_ms) if record else None,
        run_at=from_ms(int(place.score)),
    )


def _cancelled(view: JobView, now: datetime) -> str:
    result = serialize(
        {
            "f": view.function,
            "a": view.args,
            "k": view.kwargs,
            "t": view.tries,
            "et": to_ms(view.enqueued_at or now),
            "s": False,
            "r": asyncio.CancelledError(),
            "st": to_ms(now),
            "ft": to_ms(now),
            "q": view.queue,
            "id": view.job_id,
        }
    )
    return result.decode()
