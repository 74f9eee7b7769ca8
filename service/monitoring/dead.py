"""Dead jobs wherever they are kept: rows of durable jobs, PostgreSQL for others, Redis.

Redis keeps what PostgreSQL could not take: jobs of an unknown function, unreadable payloads, and
those that died while PostgreSQL was away.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import msgspec

from service import queue
from service.access.caller import Caller
from service.db.outbox import DurableJob
from service.errors import InvalidInput, Problem
from service.kit.pagination import no_cursor, pack, unpack
from service.monitoring import dead_queries as queries
from service.monitoring import models
from service.monitoring.dead_queries import Position, Wanted
from service.monitoring.queues import queue_keys
from service.monitoring.schemas import DeadList, DeadOut, DeadSelection, JobError
from service.monitoring.visibility import sees
from service.queue import DeadFilter, DeadJob, JobState, JobView
from service.queue.dead import read_dead
from service.queue.instants import to_ms
from service.runtime import Runtime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Found:
    """A dead job with where and since when it is kept."""

    job: DeadJob
    kept: str
    died_at: datetime
    error: JobError | None

    @property
    def position(self) -> Position:
        return Position(self.died_at, self.job.view.job_id)


def wanted_of(selection: DeadSelection) -> Wanted:
    """Return what a selection means; raise InvalidInput when it says nothing, or two things."""
    wanted = Wanted(selection.ids, selection.name, selection.queue, selection.error)
    if selection.all == (wanted != Wanted()):
        message = "say which jobs by ids, name, queue or error; or only all: true"
        raise InvalidInput([Problem("all", message)])
    queue_keys(wanted.queue)
    return wanted


def read(row: models.DeadJob, *, unmask: bool) -> DeadJob:
    """Read a dead job that PostgreSQL keeps."""
    kept = (row.id.encode(), to_ms(row.died_at), row.payload, row.tries, row.errors)
    return read_dead(row.queue, kept, unmask=unmask)


async def page(
    runtime: Runtime, caller: Caller, wanted: Wanted, limit: int, cursor: str | None
) -> DeadList:
    """Return dead jobs, the latest first.

    Args:
        runtime: where they are.
        caller: for whom they exist.
        wanted: which of them.
        limit: at most so many.
        cursor: of the page before, or None.

    Raises InvalidInput for a cursor or a queue that cannot be.
    """
    keys = queue_keys(wanted.queue)
    before = _position(cursor) if cursor else None
    async with runtime.unit_of_work() as uow:
        failed = await queries.failed_rows(uow.session, caller, wanted, before, limit + 1)
        others = await queries.dead_jobs(uow.session, caller, wanted, before, limit + 1)
    in_redis = [await _in_redis(runtime, caller, key, wanted, before, limit + 1) for key in keys]
    found = [*map(_of_row, failed), *map(_of_other, others), *chain.from_iterable(in_redis)]
    found.sort(key=lambda each: each.position, reverse=True)
    items = found[:limit]
    more = len(found) > limit
    return DeadList(
        items=[_show(each) for each in items],
        next_cursor=_cursor(items[-1].position) if more else None,
    )


async def _in_redis(  # noqa: PLR0913, PLR0917 - where, for whom, which
    runtime: Runtime,
    caller: Caller,
    key: str,
    wanted: Wanted,
    before: Position | None,
    limit: int,
) -> list[_Found]:
    """Return dead jobs of one queue that Redis keeps, the latest first."""
    found: list[_Found] = []
    last = _marker(key, before) if before else None
    while len(found) < limit:
        jobs = await queue.dead_jobs(runtime.queue, key, before=last)
        if not jobs:
            break
        last = jobs[-1]
        some = (_Found(job, "redis", job.died_at, _last_error(job)) for job in jobs)
        named = (each for each in some if wanted.ids is None or each.position.job_id in wanted.ids)
        matching = (each for each in named if redis_filter(wanted).matches(each.job))
        seen = (each for each in matching if visible(caller, each.job))
        found += [each for each in seen if before is None or each.position < before]
    return found


def _marker(key: str, position: Position) -> DeadJob:
    """Return what tells Redis where a page goes on."""
    view = JobView(position.job_id, JobState.FAILED, key, "", (), {}, 0)
    return DeadJob(view, position.died_at, (), {}, b"")


async def in_redis(
    runtime: Runtime, caller: Caller, key: str, wanted: Wanted, limit: int
) -> list[DeadJob]:
    """Return the latest dead jobs of one queue, whose key is given, that Redis keeps."""
    found = await _in_redis(runtime, caller, key, wanted, None, limit)
    return [each.job for each in found[:limit]]


def redis_filter(wanted: Wanted) -> DeadFilter:
    """Return which dead jobs are meant, as Redis is asked for them."""
    return DeadFilter(ids=wanted.ids, function=wanted.name, error=wanted.error)


def visible(caller: Caller, job: DeadJob) -> bool:
    """Whether a dead job exists for a caller."""
    return sees(caller, job.headers.get("actor"), job.view.function)


def position_of(row: DurableJob) -> Position:
    """Return where a page goes on behind the row of a job that failed."""
    assert row.finished_at is not None, "a failed row has ended"
    return Position(row.finished_at, row.id)


def _of_row(row: DurableJob) -> _Found:
    assert row.finished_at is not None, "a failed row has ended"
    kept = (row.id.encode(), to_ms(row.finished_at), row.payload, row.tries, ())
    kind, _, message = (row.error or "").partition(": ")
    error = JobError(type=kind, message=message, traceback=None) if row.error else None
    job = _named(read_dead(row.queue, kept, unmask=False), row.name)
    return _Found(job, "row", row.finished_at, error)


def _of_other(row: models.DeadJob) -> _Found:
    job = _named(read(row, unmask=False), row.name)
    return _Found(job, "postgresql", row.died_at, _last_error(job))


def _named(job: DeadJob, name: str) -> DeadJob:
    """Return a dead job by the name that its row has: its payload may be unreadable."""
    return replace(job, view=replace(job.view, function=name))


def _last_error(job: DeadJob) -> JobError | None:
    if not job.attempts:
        return None
    last = job.attempts[-1]
    return JobError(type=last.type, message=last.message, traceback=None)


def _show(found: _Found) -> DeadOut:
    view = found.job.view
    arguments: dict[Any, Any] = {**dict(enumerate(view.args)), **view.kwargs}
    return DeadOut(
        id=view.job_id,
        name=view.function,
        queue=view.queue.removeprefix("almanac:"),
        arguments=msgspec.to_builtins(arguments, str_keys=True),
        tries=view.tries,
        died_at=found.died_at,
        error=found.error,
        kept=found.kept,
        actor=found.job.headers.get("actor"),
    )


def _cursor(last: Position) -> str:
    text = f"{(last.died_at - _EPOCH) // _MICROSECOND}:{last.job_id}"
    return pack(text.encode())


def _position(cursor: str) -> Position:
    try:
        text = unpack(cursor).decode()
        microseconds, _, job_id = text.replace("\x00", "").partition(":")
        return Position(_EPOCH + int(microseconds) * _MICROSECOND, job_id)
    except (ValueError, OverflowError):
        raise no_cursor() from None
