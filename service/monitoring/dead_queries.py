"""SQL of dead jobs: rows that failed, and those kept for jobs without a row."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Executable, delete, func, literal_column, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.outbox import DurableJob
from service.monitoring.models import DeadJob
from service.monitoring.visibility_queries import seen_by
from service.queue import JobState, queue_key


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
    given = [
        seen_by(caller, row.actor, row.name),
        *_equal((row.name, wanted.name), (row.queue, _key(wanted))),
        *([row.id.in_(wanted.ids)] if wanted.ids is not None else []),
        *([tuple_(row.died_at, row.id) < before] if before else []),
    ]
    if wanted.error is not None:
        last = func.split_part(row.error_type, ".", -1)
        given.append((row.error_type == wanted.error) | (last == wanted.error))
    found = select(row).where(*given).order_by(row.died_at.desc(), row.id.desc()).limit(limit)
    if lock:
        found = found.with_for_update(skip_locked=True)
    return (await session.scalars(found)).all()


async def failed_rows(
    session: AsyncSession, caller: Caller, wanted: Wanted, before: Position | None, limit: int
) -> Sequence[DurableJob]:
    """Return durable jobs that failed, as `dead_jobs` returns the others."""
    row = DurableJob
    given = [
        row.state == literal_column("'failed'"),  # as in the condition of the index
        seen_by(caller, row.actor, row.name),
        *_equal((row.name, wanted.name), (row.queue, _key(wanted))),
        *([row.id.in_(wanted.ids)] if wanted.ids is not None else []),
        *([tuple_(row.finished_at, row.id) < before] if before else []),
    ]
    if wanted.error is not None:  # rows have the class without its module
        kind = func.split_part(row.error, ": ", 1)
        given.append(kind == wanted.error.rpartition(".")[2])
    found = select(row).where(*given).order_by(row.finished_at.desc(), row.id.desc())
    return (await session.scalars(found.limit(limit))).all()


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
