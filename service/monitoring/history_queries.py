"""SQL of the history: rows in, offsets, partitions, search."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    and_,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.copying import copy
from service.kit.ids import milliseconds_of
from service.kit.pagination import Page
from service.monitoring.models import EventOffset, JobRun
from service.monitoring.runs import Run, instant_of
from service.monitoring.scanning_queries import Scan, read_scan, scan
from service.monitoring.visibility_queries import seen_by

_PARTITIONS = text(
    "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
    " WHERE inhparent = 'job_runs'::regclass ORDER BY relname"
)
_DAY = timedelta(days=1)
UNSUCCESSFUL = ("failed", "cancelled", "retrying")


@dataclass(frozen=True, slots=True)
class Search:
    """Which runs are wanted; what is None or empty does not matter.

    `arguments` are names with JSON values of which each argument must have one; `error` is the
    error's class, with or without its module, or a part of its text.
    """

    name: str | None = None
    state: str | None = None
    queue: str | None = None
    arguments: Sequence[tuple[str, Sequence[Any]]] = ()
    actor: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def add_runs(session: AsyncSession, runs: Sequence[Run]) -> None:
    """Write runs; their days must have partitions. Raises as `copy`."""
    await copy(session, JobRun.__tablename__, Run._fields, runs)


async def offsets(session: AsyncSession) -> dict[str, EventOffset]:
    """Return how far each stream is recorded, by the queue's key."""
    return {offset.queue: offset for offset in await session.scalars(select(EventOffset))}


async def lock_offset(session: AsyncSession, queue: str) -> EventOffset:
    """Return the offset of a stream, and keep it from others until the end of the transaction."""
    new = {"generation": "", "last_id": "0-0", "accounted": 0, "lost": 0, "moved_at": func.now()}
    await session.execute(insert(EventOffset).values(queue=queue, **new).on_conflict_do_nothing())
    found = select(EventOffset).where(EventOffset.queue == queue).with_for_update()
    return (await session.scalars(found)).one()


async def lost_events(session: AsyncSession) -> int:
    """Return how many entries all streams together have dropped before they were recorded."""
    lost = await session.scalar(select(func.coalesce(func.sum(EventOffset.lost), 0)))
    return int(lost or 0)


async def days(session: AsyncSession) -> list[date]:
    """Return the days that have partitions."""
    names = await session.scalars(_PARTITIONS)
    return [datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date() for name in names]


async def add_day(session: AsyncSession, day: date) -> None:
    """Make the partition of a day (UTC), unless there is one or somebody makes it meanwhile."""
    await session.execute(text("LOCK TABLE job_runs IN SHARE UPDATE EXCLUSIVE MODE"))
    await session.execute(
        text(
            f"CREATE TABLE IF NOT EXISTS {_partition(day)} PARTITION OF job_runs"
            f" FOR VALUES FROM ('{day} 00:00+00') TO ('{day + _DAY} 00:00+00')"
        )
    )


async def drop_day(session: AsyncSession, day: date) -> int:
    """Drop the partition of a day; return how many runs it had."""
    count = await session.scalar(text(f"SELECT count(*) FROM {_partition(day)}"))  # noqa: S608 - a date
    await session.execute(text(f"DROP TABLE {_partition(day)}"))
    return int(count or 0)


async def delete_runs(
    session: AsyncSession, since: date, before: datetime, states: Sequence[str]
) -> int:
    """Delete runs in these states that ended in this time; return how many."""
    start = datetime.combine(since, time.min, UTC)
    ended = and_(JobRun.finished_at >= start, JobRun.finished_at < before)
    statement = delete(JobRun).where(ended, JobRun.state.in_(states))
    result = await session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount


async def attempts(session: AsyncSession, job_id: str, limit: int) -> list[JobRun]:
    """Return the last runs of a job, oldest first."""
    row = JobRun
    last = select(row).where(row.job_id == job_id)
    last = last.order_by(row.finished_at.desc(), row.attempt.desc()).limit(limit)
    return list(reversed((await session.scalars(last)).all()))


async def search(session: AsyncSession, caller: Caller, wanted: Search, page: Page) -> Scan[JobRun]:
    """Return a page of the runs that match and exist for the caller, newest first."""
    row = JobRun
    matches = and_(true(), *_others(wanted), seen_by(caller, row.actor, row.name))
    indexed = (*_indexed(wanted), *_times(wanted, page))
    found = await session.execute(scan(row, indexed, matches, _newest, page.limit))
    return read_scan(found.all(), page.limit)


def _newest(row: Any) -> Sequence[ColumnElement[Any]]:
    return row.finished_at.desc(), row.id.desc()


def _times(wanted: Search, page: Page) -> Iterator[ColumnElement[bool]]:
    row = JobRun
    if page.before is not None:
        last = (instant_of(milliseconds_of(page.before)), page.before)
        # Redundant, but it tells which partitions are not to be looked into.
        yield row.finished_at <= last[0]
        yield tuple_(row.finished_at, row.id) < last
    if wanted.since is not None:
        yield row.finished_at >= wanted.since
    if wanted.until is not None:
        yield row.finished_at < wanted.until


def _indexed(wanted: Search) -> Iterator[ColumnElement[bool]]:
    """Yield what one index answers in the order of the list; nothing is left to the planner."""
    row = JobRun
    failures = row.state != literal_column("'succeeded'")  # as in the condition of the index
    if wanted.actor is not None:
        yield row.actor == wanted.actor
    elif wanted.error is not None:
        yield failures
    elif wanted.name is not None:
        yield row.name == wanted.name
    elif wanted.state in UNSUCCESSFUL:
        yield failures
    elif wanted.queue is not None:
        yield row.queue == wanted.queue


def _others(wanted: Search) -> Iterator[ColumnElement[bool]]:
    row = JobRun
    for column, value in (
        (row.name, wanted.name),
        (row.state, wanted.state),
        (row.queue, wanted.queue),
    ):
        if value is not None:
            yield column == value
    if wanted.error is not None:
        yield _error_is(wanted.error)
    for name, values in wanted.arguments:
        yield or_(*(row.arguments.contains({name: value}) for value in values))


def _error_is(wanted: str) -> ColumnElement[bool]:
    row = JobRun
    return or_(
        row.error_type == wanted,
        func.split_part(row.error_type, ".", -1) == wanted,
        row.error.icontains(wanted, autoescape=True),
    )


def _partition(day: date) -> str:
    return f"job_runs_{day:%Y%m%d}"
