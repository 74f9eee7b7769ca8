"""SQL of durable jobs that have not ended."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, literal_column, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db import outbox
from service.db.outbox import DurableJob
from service.monitoring.history_queries import Search
from service.monitoring.scanning_queries import Scan, read_scan, scan
from service.monitoring.visibility_queries import seen_by
from service.queue import JobState, queue_key


class Due(NamedTuple):
    """A job's place in a list of those that have not ended."""

    at: datetime
    job_id: str


async def open_rows(
    session: AsyncSession,
    caller: Caller,
    wanted: Search,
    after: Due | None,
    limit: int,
) -> Scan[DurableJob]:
    """Return rows that match and exist for the caller, the earliest due or begun first.

    Args:
        session: reads them.
        caller: for whom they exist.
        wanted: its state is `queued`, `running` or `deferred`; of the rest name, queue and actor.
        after: where the page before ended, of those that wait.
        limit: at most so many.
    """
    row = DurableJob
    running = row.state == literal_column("'running'")  # as in the condition of the index
    matches = [*_others(wanted), seen_by(caller, row.actor, row.name)]
    indexed: list[ColumnElement[bool]] = [running]
    if wanted.state != JobState.RUNNING:
        later = row.due_at > func.now()
        indexed = [
            row.state.in_(outbox.OPEN),
            later if wanted.state == JobState.DEFERRED else ~later,
        ]
        matches.append(~running)
    if after is not None:
        indexed.append(tuple_(row.due_at, row.id) > after)
    order = _by_start if wanted.state == JobState.RUNNING else _by_time
    found = await session.execute(scan(row, indexed, and_(true(), *matches), order, limit))
    return read_scan(found.all(), limit)


def _by_time(row: Any) -> Sequence[ColumnElement[Any]]:
    return row.due_at, row.id


def _by_start(row: Any) -> Sequence[ColumnElement[Any]]:
    return row.started_at, row.id


def _others(wanted: Search) -> Iterator[ColumnElement[bool]]:
    row = DurableJob
    for column, value in (
        (row.name, wanted.name),
        (row.queue, wanted.queue and queue_key(wanted.queue)),
        (row.actor, wanted.actor),
    ):
        if value is not None:
            yield column == value
