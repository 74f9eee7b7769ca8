"""How a job looks at one instant."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from service.queue.call import Lane
from service.queue.codec import Record, parse, parse_failure
from service.queue.declaration import declared
from service.queue.failures import Failure, reveal
from service.queue.instants import from_ms
from service.queue.sealing import MASK

_CANCELLED_ERROR = f"{asyncio.CancelledError.__module__}.{asyncio.CancelledError.__qualname__}"
_ABORTED_SCORE = 1  # arq's abort puts a waiting job here


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
    """When it may start; None also while it runs."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: Any = None
    error: Failure | None = None
    """Why it failed; of a job that has not ended, why its last try did."""
    lane: Lane = "normal"
    crashes: int = 0
    """Runs whose worker died."""
    headers: Mapping[str, str] = field(default_factory=dict)


class Found(NamedTuple):
    """What the script `inspect` replies of a job without a result."""

    dead: bool
    queue: str
    moment: int
    """Unix ms: when it may start, or when it died."""
    payload: bytes
    tries: int
    lane: Lane = "normal"
    leased: bool = False
    crashes: int = 0
    due: bool = False
    failure: bytes = b""


def ended(job_id: str, record: Record, *, unmask: bool) -> JobView:
    """Describe a job by its result; raise DecodeError when that cannot be read."""
    masked = record.sensitive and not unmask
    args, kwargs = _arguments(record, masked=masked)
    error = None
    if not record.success:
        shown = record.shown_failure()
        error = _masked(shown) if masked else record.failure()
    return JobView(
        job_id=job_id,
        state=end_state(error),
        queue=record.queue,
        function=record.function,
        args=args,
        kwargs=kwargs,
        tries=record.tries or 0,
        enqueued_at=from_ms(record.enqueued_ms),
        started_at=from_ms(record.started_ms),
        finished_at=from_ms(record.finished_ms),
        result=(MASK if masked else record.result()) if record.success else None,
        error=error,
        headers=record.headers,
    )


def found(job_id: str, it: Found, *, unmask: bool) -> JobView:
    """Describe a job that has no result (any more); its payload may have expired.

    Raises DecodeError when its payload cannot be read.
    """
    record = parse(it.payload) if it.payload else None
    masked = record is not None and record.sensitive and not unmask
    args, kwargs = _arguments(record, masked=masked) if record else ((), {})
    waits = not (it.dead or it.leased or it.moment == _ABORTED_SCORE)
    return JobView(
        job_id=job_id,
        state=_state(it),
        queue=it.queue,
        function=record.function if record else "<unknown>",
        args=args,
        kwargs=kwargs,
        tries=it.tries,
        enqueued_at=from_ms(record.enqueued_ms) if record else None,
        run_at=from_ms(it.moment) if waits else None,
        finished_at=from_ms(it.moment) if it.dead else None,
        error=failure_of_try(it.failure, record, unmask=unmask) if it.failure else None,
        lane=it.lane,
        crashes=it.crashes,
        headers=record.headers if record else {},
    )


def failure_of_try(payload: bytes, record: Record | None, *, unmask: bool) -> Failure:
    """Return the error of one try; raise DecodeError when it cannot be read."""
    failure = parse_failure(payload)
    if record is None or not record.sensitive:
        return failure
    return reveal(failure, record.function) if unmask else _masked(failure)


def _state(it: Found) -> JobState:
    if it.dead:
        return JobState.FAILED
    if it.leased:
        return JobState.RUNNING
    if it.tries:
        return JobState.RETRYING
    return JobState.QUEUED if it.due else JobState.DEFERRED


def end_state(error: Failure | None) -> JobState:
    """Return how a job ended, by its error."""
    if error is None:
        return JobState.SUCCEEDED
    return JobState.CANCELLED if error.type == _CANCELLED_ERROR else JobState.FAILED


def _arguments(record: Record, *, masked: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not masked:
        return record.arguments()
    job = declared().get(record.function)
    return (), dict.fromkeys(job.parameters if job else ("…",), MASK)


def _masked(failure: Failure) -> Failure:
    return Failure(failure.type, MASK if failure.type != _CANCELLED_ERROR else "")
