"""Durable jobs: rows that are written with what they belong to, and that outlive the queue.

A row is open until its job has ended. Whoever runs the job claims the row first and closes it
before the queue forgets the job; what is open and not in the queue is sent again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Executable,
    Index,
    LargeBinary,
    and_,
    func,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base

OPEN = ("queued", "running", "retrying")
CLAIM = timedelta(seconds=60)
"""For how long a claim holds that is not renewed."""
FIRST_LOOK, LONGEST_LOOK = timedelta(seconds=10), timedelta(minutes=10)
"""From a job's sending until the queue is asked whether it has it, and between two such looks."""


class DurableJob(Base):
    """One job, from its commit to its end."""

    __tablename__ = "durable_jobs"
    __table_args__ = (
        Index("ix_durable_jobs_open", "look_at", postgresql_where=text(f"state IN {OPEN}")),
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
    """Who ran it: `queue` for a worker, `inline` for the maintenance process."""
    claim_token: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    result: Mapped[bytes | None] = mapped_column(LargeBinary)
    """As `service.queue.codec` reads it."""
    error: Mapped[str | None]
    actor: Mapped[str | None]
    step_id: Mapped[UUID | None]
    """The workflow's step that it runs."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


async def add(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Insert rows; one whose id exists already stays as it is. Return the ids that are new."""
    statement = upsert(DurableJob).on_conflict_do_nothing().returning(DurableJob.id)
    return set(await session.scalars(statement, list(rows)))


def claim(job_id: str, version: int, token: str, *, take_over: bool, path: str) -> Executable:
    """Return the UPDATE that claims an open row; it returns the row's tries, or nothing.

    Args:
        job_id: the row's.
        version: of the row, that the job was sent for.
        token: of this claim; the same may claim twice.
        take_over: whether the holder is known to be dead.
        path: `queue` or `inline`.
    """
    row = DurableJob
    free = or_(
        row.claimed_until.is_(None), row.claimed_until < func.now(), row.claim_token == token
    )
    return (
        update(row)
        .where(
            row.id == job_id,
            row.version == version,
            row.state.in_(OPEN),
            row.due_at <= func.now() + timedelta(seconds=1),
            true() if take_over else free,
        )
        .values(
            state="running",
            claim_token=token,
            claimed_until=func.now() + CLAIM,
            started_at=func.now(),
            path=path,
        )
        .returning(row.tries)
    )


def wait_for(job_id: str, version: int) -> Executable:
    """Return the SELECT that says until when an open row is taken; nothing for a closed one."""
    row = DurableJob
    until = func.greatest(row.due_at, func.coalesce(row.claimed_until, row.due_at))
    return select(until).where(row.id == job_id, row.version == version, row.state.in_(OPEN))


def settle(job_id: str, version: int, token: str, values: dict[str, Any]) -> Executable:
    """Return the UPDATE that writes an outcome; it returns the row's step if it is this claim's."""
    row = DurableJob
    mine = and_(row.id == job_id, row.version == version, row.claim_token == token)
    ended = values["state"] not in OPEN
    return (
        update(row)
        .where(mine, row.state.in_(OPEN))
        .values(
            claimed_until=None,
            finished_at=func.now() if ended else None,
            look_at=func.greatest(values.get("due_at", func.now()), func.now()) + FIRST_LOOK,
            looks=0,
            **values,
        )
        .returning(row.step_id)
    )


def renew(tokens: Sequence[str]) -> Executable:
    """Return the UPDATE that keeps claims; it returns the tokens that still hold."""
    row = DurableJob
    return (
        update(row)
        .where(row.claim_token.in_(tokens), row.state == "running")
        .values(claimed_until=func.now() + CLAIM)
        .returning(row.claim_token)
    )


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
    free = or_(row.claimed_until.is_(None), row.claimed_until < func.now())
    chosen = select(row).where(row.state.in_(OPEN), row.due_at <= until, row.id > after, free)
    if not everything:
        chosen = chosen.where(row.look_at <= func.now())
    return (await session.scalars(chosen.order_by(row.id).limit(limit))).all()


def looked_at(ids: Sequence[str]) -> Executable:
    """Return the UPDATE that sets when to look at these rows next: each time twice as late."""
    row = DurableJob
    wait = func.least(FIRST_LOOK * func.power(2, func.least(row.looks, 10)), LONGEST_LOOK)
    return update(row).where(row.id.in_(ids)).values(looks=row.looks + 1, look_at=func.now() + wait)


def close(job_id: str, version: int, values: dict[str, Any]) -> Executable:
    """Return the UPDATE that closes an open row that nobody runs; it returns the row's step."""
    row = DurableJob
    free = or_(row.claimed_until.is_(None), row.claimed_until < func.now())
    return (
        update(row)
        .where(row.id == job_id, row.version == version, row.state.in_(OPEN), free)
        .values(claim_token=None, claimed_until=None, finished_at=func.now(), **values)
        .returning(row.step_id)
    )


def reopen(job_id: str, version: int, payload: bytes) -> Executable:
    """Return the UPDATE that lets a failed row run again, as this version, its next."""
    row = DurableJob
    return (
        update(row)
        .where(row.id == job_id, row.version == version - 1, row.state == "failed")
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
