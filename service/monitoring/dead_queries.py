"""SQL of dead jobs: rows that failed, and those kept for jobs without a row."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Executable, delete, func, literal_column, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.outbox import DurableJob
from service.monitoring.models import DeadJob, JobRun
from service.monitoring.visibility_queries import seen_by
from service.queue import JobState, queue_key

_MOST_OF_ERROR = 500
"""Characters of an error's text by which dead jobs are grouped."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead jobs; what is None does not matter.

    `queue` is a queue's name, `error` the class of the last error, with or without its module.
    """

    ids: Collection[str] | None = None
    name: str | None = None
    queue: str | None = None
    error: str | None = None


class Position(NamedTuple):
    """Where a page goes on: at jobs that died earlier or, then, have a lower id."""

    died_at: datetime
    job_id: str


def keep(values: dict[str, Any]) -> Executable:
    """Return the statement that keeps a dead job; a later death of the same id replaces it."""
    statement = insert(DeadJob).values(values)
    return statement.on_conflict_do_update(index_elements=[DeadJob.id], set_=values)


async def dead_job(session: AsyncSession, job_id: str) -> DeadJob | None:
    """Return what is kept of a dead job without a row."""
    return await session.get(DeadJob, job_id)


async def dead_jobs(  # noqa: PLR0913 - for whom, which, how
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    before: Position | None,
    limit: int,
    *,
    lock: bool = False,
) -> Sequence[DeadJob]:
    """Return jobs without a row, the latest death first; with `lock` those that nobody has locked.

    Args:
        session: reads them.
        caller: for whom they exist.
        wanted: which.
        before: where the page before ended.
        limit: at most so many.
        lock: keep them from others until the end of the transaction.
    """
    row = DeadJob
    given = _kept(caller, wanted)
    if before:
        given.append(tuple_(row.died_at, row.id) < before)
    found = select(row).where(*given).order_by(row.died_at.desc(), row.id.desc()).limit(limit)
    if lock:
        found = found.with_for_update(skip_locked=True)
    return (await session.scalars(found)).all()


async def failed_rows(
    session: AsyncSession, caller: Caller, wanted: Wanted, before: Position | None, limit: int
) -> Sequence[DurableJob]:
    """Return durable jobs that failed, as `dead_jobs` returns the others."""
    row = DurableJob
    given = _failed(caller, wanted)
    if before:
        given.append(tuple_(row.finished_at, row.id) < before)
    found = select(row).where(*given).order_by(row.finished_at.desc(), row.id.desc())
    return (await session.scalars(found.limit(limit))).all()


class FailedRow(NamedTuple):
    """What a durable job died of."""

    id: str
    name: str
    queue: str
    """Key of the queue."""
    died_at: datetime
    error: str | None
    """Class without its module, and the beginning of the text."""


class KeptDeath(NamedTuple):
    """What a job without a row died of."""

    id: str
    name: str
    queue: str
    died_at: datetime
    error_type: str
    error: bytes | None
    """The last one, as `service.queue.codec` reads it."""


async def failed_causes(
    session: AsyncSession, caller: Caller, wanted: Wanted, limit: int
) -> list[FailedRow]:
    """Return what the durable jobs died of that `failed_rows` returns, and nothing else of them."""
    row = DurableJob
    columns = (row.id, row.name, row.queue, row.finished_at, func.left(row.error, _MOST_OF_ERROR))
    found = select(*columns).where(*_failed(caller, wanted)).order_by(row.finished_at.desc())
    return [FailedRow(*each) for each in await session.execute(found.limit(limit))]


async def kept_causes(
    session: AsyncSession, caller: Caller, wanted: Wanted, limit: int
) -> list[KeptDeath]:
    """Return what the jobs died of that `dead_jobs` returns, and nothing else of them."""
    row = DeadJob
    last = row.errors[func.cardinality(row.errors)]
    columns = (row.id, row.name, row.queue, row.died_at, row.error_type, last)
    found = select(*columns).where(*_kept(caller, wanted)).order_by(row.died_at.desc())
    return [KeptDeath(*each) for each in await session.execute(found.limit(limit))]


async def last_durations(
    session: AsyncSession, ids: Collection[str], since: datetime
) -> dict[str, float]:
    """Return how many seconds the last recorded run of each job took that ended since then."""
    row = JobRun
    seconds = func.extract("epoch", row.finished_at - row.started_at)
    found = (
        select(row.job_id, seconds)
        .where(row.job_id.in_(ids), row.finished_at >= since, row.attempt > 0)
        .ext(distinct_on(row.job_id))
        .order_by(row.job_id, row.finished_at.desc())
    )
    return {job_id: float(taken) for job_id, taken in await session.execute(found)}


def _failed(caller: Caller, wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return the conditions of durable jobs that failed, are wanted and exist for the caller."""
    row = DurableJob
    given = [
        row.state == literal_column("'failed'"),  # as in the condition of the index
        seen_by(caller, row.actor, row.name),
        *_equal((row.name, wanted.name), (row.queue, _key(wanted))),
        *([row.id.in_(wanted.ids)] if wanted.ids is not None else []),
    ]
    if wanted.error is not None:  # rows have the class without its module
        kind = func.split_part(row.error, ": ", 1)
        given.append(kind == wanted.error.rpartition(".")[2])
    return given


def _kept(caller: Caller, wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return the same of jobs without a row."""
    row = DeadJob
    given = [
        seen_by(caller, row.actor, row.name),
        *_equal((row.name, wanted.name), (row.queue, _key(wanted))),
        *([row.id.in_(wanted.ids)] if wanted.ids is not None else []),
    ]
    if wanted.error is not None:
        last = func.split_part(row.error_type, ".", -1)
        given.append((row.error_type == wanted.error) | (last == wanted.error))
    return given


async def count(session: AsyncSession, caller: Caller, most: int) -> int:
    """Count the dead jobs that exist for a caller, as far as this many of each kind."""
    kept = select(DeadJob.id).where(seen_by(caller, DeadJob.actor, DeadJob.name)).limit(most)
    row = DurableJob
    failed = row.state == literal_column("'failed'")
    rows = select(row.id).where(failed, seen_by(caller, row.actor, row.name)).limit(most)
    parts = [select(func.count()).select_from(part.subquery()) for part in (kept, rows)]
    found = await session.execute(select(*(part.scalar_subquery() for part in parts)))
    return sum(found.one())


async def forget(session: AsyncSession, ids: Collection[str]) -> None:
    """Delete what is kept of dead jobs without a row."""
    await session.execute(delete(DeadJob).where(DeadJob.id.in_(ids)))


async def forget_rows(session: AsyncSession, ids: Collection[str]) -> int:
    """Delete rows of durable jobs that failed, and have not been replayed; return how many."""
    row = DurableJob
    failed = delete(row).where(row.id.in_(ids), row.state == JobState.FAILED).returning(row.id)
    return len((await session.scalars(failed)).all())


def _key(wanted: Wanted) -> str | None:
    return None if wanted.queue is None else queue_key(wanted.queue)


def _equal(*pairs: tuple[Any, str | None]) -> list[ColumnElement[bool]]:
    return [column == value for column, value in pairs if value is not None]
