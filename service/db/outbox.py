"""Durable jobs: rows that are written with what they belong to, and that outlive the queue.

A row is open until its job has ended. Whoever runs the job claims the row first and closes it
before the queue forgets the job; what is open and not in the queue is sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CursorResult,
    Executable,
    Index,
    LargeBinary,
    Row,
    Select,
    Text,
    and_,
    delete,
    func,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base

OPEN = ("queued", "running", "retrying")
CLAIM = timedelta(seconds=30)
"""For how long a claim holds that is not renewed."""
FIRST_LOOK, LONGEST_LOOK = timedelta(seconds=10), timedelta(minutes=10)
"""From a job's sending until the queue is asked whether it has it, and between two such looks."""


class DurableJob(Base):
    """One job, from its commit to its end."""

    __tablename__ = "durable_jobs"
    __table_args__ = (
        Index("ix_durable_jobs_open", "look_at", postgresql_where=text(f"state IN {OPEN}")),
        Index("ix_durable_jobs_due", "due_at", "id", postgresql_where=text(f"state IN {OPEN}")),
        Index(
            "ix_durable_jobs_failed", "finished_at", "id", postgresql_where=text("state = 'failed'")
        ),
        Index(
            "ix_durable_jobs_running",
            "started_at",
            "id",
            postgresql_where=text("state = 'running'"),
        ),
        Index("ix_durable_jobs_name_state", "name", "state"),
        Index("ix_durable_jobs_finished_at", "finished_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(default=1)
    """Counts replays; the job of an earlier one ends without effect."""
    name: Mapped[str]
    queue: Mapped[str]
    """Key of the queue."""
    lane: Mapped[str]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    """As the queue has it; encrypted for a sensitive job."""
    state: Mapped[str] = mapped_column(default="queued")
    due_at: Mapped[datetime]
    look_at: Mapped[datetime]
    """When to ask next whether the queue has it."""
    looks: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    path: Mapped[str | None]
    """Who ran it: `queue` for a worker, `inline` for a process that needed no queue."""
    claim_token: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    result: Mapped[bytes | None] = mapped_column(LargeBinary)
    """As `service.queue.codec` reads it."""
    error: Mapped[str | None]
    actor: Mapped[str | None]
    progress: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Percent that the job tells of itself; it never falls."""
    progress_text: Mapped[str | None]
    log: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """The last lines that it logged."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


async def add(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Insert rows; one whose id exists already stays as it is. Return the ids that are new."""
    statement = upsert(DurableJob).on_conflict_do_nothing().returning(DurableJob.id)
    return set(await session.scalars(statement, list(rows)))


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that somebody wants to run.

    `version` is the one that the job was sent for, `take_over` says that the holder is known to be
    dead.
    """

    id: str
    version: int
    token: str
    take_over: bool


_CLAIM = text("""
    UPDATE durable_jobs AS j
    SET state = 'running', claim_token = c.token, claimed_until = now() + :period,
        started_at = now(), path = :path
    FROM unnest(CAST(:ids AS text[]), CAST(:versions AS int[]), CAST(:tokens AS text[]),
                CAST(:take_over AS bool[])) AS c(id, version, token, take_over)
    WHERE j.id = c.id AND j.version = c.version
      AND j.state IN ('queued', 'running', 'retrying')
      AND j.due_at <= now() + interval '1 second'
      AND (c.take_over OR j.claimed_until IS NULL OR j.claimed_until < now()
           OR j.claim_token = c.token)
    RETURNING j.id, j.tries
""")


def claim(claims: Sequence[Claim], path: str) -> Executable:
    """Return the UPDATE that claims open rows; it returns id and tries of each it has claimed.

    The same token may claim twice. `path` is `queue` or `inline`.
    """
    return _CLAIM.bindparams(
        ids=[c.id for c in claims],
        versions=[c.version for c in claims],
        tokens=[c.token for c in claims],
        take_over=[c.take_over for c in claims],
        period=CLAIM,
        path=path,
    )


def wait_for(job_id: str, version: int) -> Executable:
    """Return the SELECT that says until when an open row is taken; nothing for a closed one."""
    row = DurableJob
    until = func.greatest(row.due_at, func.coalesce(row.claimed_until, row.due_at))
    return select(until).where(row.id == job_id, row.version == version, row.state.in_(OPEN))


def settle(
    job_id: str,
    version: int,
    token: str,
    values: dict[str, Any],
    *,
    only: ColumnElement[bool] = true(),  # noqa: B008 - immutable
) -> Executable:
    """Return the UPDATE that writes an outcome; it returns the row's id if it is this claim's.

    With `only` it writes nothing unless this holds as well.
    """
    row = DurableJob
    mine = and_(row.id == job_id, row.version == version, row.claim_token == token)
    ended = values["state"] not in OPEN
    return (
        update(row)
        .where(mine, row.state.in_(OPEN), only)
        .values(
            claimed_until=None,
            finished_at=func.now() if ended else None,
            look_at=func.greatest(values.get("due_at", func.now()), func.now()) + FIRST_LOOK,
            looks=0,
            **values,
        )
        .returning(row.id)
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a claimed job ended: what `settle` takes, for many at a time."""

    id: str
    version: int
    token: str
    state: str
    tries: int
    error: str | None
    result: bytes | None


_SETTLE_MANY = text("""
    UPDATE durable_jobs AS j
    SET state = o.state, tries = o.tries, error = o.error, result = o.result,
        claimed_until = NULL, finished_at = now(), looks = 0
    FROM unnest(CAST(:ids AS text[]), CAST(:versions AS int[]), CAST(:tokens AS text[]),
                CAST(:states AS text[]), CAST(:tries AS int[]), CAST(:errors AS text[]),
                CAST(:results AS bytea[])) AS o(id, version, token, state, tries, error, result)
    WHERE j.id = o.id AND j.version = o.version AND j.claim_token = o.token
      AND j.state IN ('queued', 'running', 'retrying')
    RETURNING j.id
""")


async def settle_many(session: AsyncSession, outcomes: Sequence[Outcome]) -> set[str]:
    """Close rows by claims; return the ids of those that were still these claims'."""
    values = {
        "ids": [o.id for o in outcomes],
        "versions": [o.version for o in outcomes],
        "tokens": [o.token for o in outcomes],
        "states": [o.state for o in outcomes],
        "tries": [o.tries for o in outcomes],
        "errors": [o.error for o in outcomes],
        "results": [o.result for o in outcomes],
    }
    return set(await session.scalars(_SETTLE_MANY, values))


LOG_LINES = 200
"""Kept of one job, the last ones."""
_NOTE = text("""
    UPDATE durable_jobs
    SET progress = GREATEST(progress, :progress), progress_text = COALESCE(:text, progress_text),
        log = (COALESCE(log, '{}') || CAST(:lines AS text[]))
              [GREATEST(1, COALESCE(cardinality(log), 0) + :count - :kept + 1) :]
    WHERE id = :id AND claim_token = :token AND state = 'running'
""")


def note(
    job_id: str, token: str, progress: int, text: str | None, lines: Sequence[str]
) -> Executable:
    """Return the UPDATE that writes what a running job tells of itself.

    Args:
        job_id: its id.
        token: of its claim.
        progress: percent.
        text: what it says beside that; None leaves the last text.
        lines: what it has logged since the last note.
    """
    values = {"progress": progress, "text": text, "lines": list(lines), "count": len(lines)}
    return _NOTE.bindparams(id=job_id, token=token, kept=LOG_LINES, **values)


def renew(held: Mapping[str, str]) -> Executable:
    """Return the UPDATE that keeps claims, tokens by id; it returns the ids that still hold."""
    row = DurableJob
    return (
        update(row)
        .where(tuple_(row.id, row.claim_token).in_(held.items()), row.state == "running")
        .values(claimed_until=func.now() + CLAIM)
        .returning(row.id)
    )


async def overdue(
    session: AsyncSession,
    names: Sequence[str],
    wait: timedelta,
    *,
    but_in: Sequence[str],
    limit: int,
) -> Sequence[DurableJob]:
    """Return open rows of these jobs that may run inline, the most overdue first.

    One that was running inline when its process died waits for a worker: it may have been the
    cause, and workers know how to run such a job.

    Args:
        session: reads them.
        names: of the jobs.
        wait: for how long at least they have been due.
        but_in: keys of queues whose rows are left out.
        limit: at most so many.
    """
    row = DurableJob
    waiting = _waiting(row.due_at <= func.now() - wait)
    survived = or_(row.state != "running", row.path.is_distinct_from("inline"))
    chosen = waiting.where(row.name.in_(names), row.queue.not_in(but_in), survived)
    return (await session.scalars(chosen.order_by(row.due_at).limit(limit))).all()


async def to_look_at(
    session: AsyncSession, until: datetime, after: str, limit: int, *, everything: bool
) -> Sequence[DurableJob]:
    """Return open rows that are due by then and that the queue may have lost, by their ids.

    Args:
        session: reads them.
        until: rows due later are left out.
        after: the last id of the page before.
        limit: at most so many.
        everything: also what was looked at lately, because the queue was wiped.
    """
    row = DurableJob
    chosen = _waiting(row.due_at <= until, row.id > after)
    if not everything:
        chosen = chosen.where(row.look_at <= func.now())
    return (await session.scalars(chosen.order_by(row.id).limit(limit))).all()


def looked_at(ids: Sequence[str]) -> Executable:
    """Return the UPDATE that sets when to look at these rows next: each time twice as late."""
    row = DurableJob
    wait = func.least(FIRST_LOOK * func.power(2, func.least(row.looks, 10)), LONGEST_LOOK)
    return update(row).where(row.id.in_(ids)).values(looks=row.looks + 1, look_at=func.now() + wait)


def close(job_id: str, version: int, values: dict[str, Any]) -> Executable:
    """Return the UPDATE that closes an open row that nobody runs; it returns the row's id."""
    row = DurableJob
    free = or_(row.claimed_until.is_(None), row.claimed_until < func.now())
    return (
        update(row)
        .where(row.id == job_id, row.version == version, row.state.in_(OPEN), free)
        .values(claim_token=None, claimed_until=None, finished_at=func.now(), **values)
        .returning(row.id)
    )


def reopen(job_id: str, version: int, payload: bytes) -> Executable:
    """Return the UPDATE that lets a row that failed or was cancelled run again, as this version."""
    row = DurableJob
    return (
        update(row)
        .where(row.id == job_id, row.version == version - 1, row.state.in_(("failed", "cancelled")))
        .values(
            version=version,
            payload=payload,
            state="queued",
            tries=0,
            due_at=func.now(),
            look_at=func.now() + FIRST_LOOK,
            looks=0,
            claim_token=None,
            claimed_until=None,
            finished_at=None,
        )
        .returning(row.due_at)
    )


async def oldest_due(session: AsyncSession) -> Sequence[Row[str, int, datetime]]:
    """Return how many rows each queue has that are due and held by nobody, and since when."""
    row = DurableJob
    due = _waiting(row.due_at <= func.now()).subquery()
    counted = select(due.c.queue, func.count(), func.min(due.c.due_at)).group_by(due.c.queue)
    return (await session.execute(counted)).all()


def advance(by: timedelta) -> Executable:
    """Return the UPDATE that makes every open row due so much earlier, for tests of jobs."""
    row = DurableJob
    return update(row).where(row.state.in_(OPEN)).values(due_at=row.due_at - by)


def _waiting(*conditions: ColumnElement[bool]) -> Select[DurableJob]:
    """Select open rows that nobody holds."""
    row = DurableJob
    free = or_(row.claimed_until.is_(None), row.claimed_until < func.now())
    return select(row).where(row.state.in_(OPEN), free, *conditions)


async def forget(session: AsyncSession, before: datetime) -> int:
    """Delete rows that ended well, or were cancelled, before; return how many.

    A failed one stays: it is the dead job, until somebody replays or discards it.
    """
    row = DurableJob
    ended = delete(row).where(row.finished_at < before, row.state.in_(("succeeded", "cancelled")))
    result = await session.execute(ended)
    assert isinstance(result, CursorResult)
    return result.rowcount
