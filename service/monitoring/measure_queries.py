"""SQL of what is measured. Each statement costs no more than its limits, however much there is."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Float,
    Row,
    and_,
    case,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.outbox import OPEN, DurableJob
from service.monitoring.measures import USERS
from service.monitoring.models import DeadJob, EventOffset, JobRun
from service.schedules.models import Firing, Schedule, ScheduleRun

MOST_COUNTED = 10_000
"""Rows of one kind that are counted; more are as many."""
OVERDUE = timedelta(minutes=1)
UNFIRED = (Firing.MISSED, Firing.REFUSED)
WEEK, DAY, HOUR = timedelta(days=7), timedelta(days=1), timedelta(hours=1)


async def open_jobs(session: AsyncSession) -> Sequence[Row[str, int, int]]:
    """Return state, number, and how many of them are overdue, of open durable jobs."""
    row = DurableJob
    free = or_(row.claimed_until.is_(None), row.claimed_until < func.now())
    overdue = and_(row.due_at <= func.now() - OVERDUE, free).label("overdue")
    found = select(row.state, overdue).where(row.state.in_(OPEN)).limit(MOST_COUNTED).subquery().c
    counted = select(found.state, func.count(), func.count().filter(found.overdue))
    return (await session.execute(counted.group_by(found.state))).all()


async def dead_rows(session: AsyncSession, names: Collection[str]) -> Sequence[Row[str, int]]:
    """Return how many durable jobs of these names have failed for good.

    By name, for there is an index by name and state: the rows themselves are not read.
    """
    row = DurableJob
    failed = select(row.name).where(row.name.in_(names), row.state == "failed")
    name = failed.limit(MOST_COUNTED).subquery().c.name
    return (await session.execute(select(name, func.count()).group_by(name))).all()


async def dead_jobs(session: AsyncSession) -> Sequence[Row[str, int]]:
    """Return how many dead jobs without a row of their own are kept, by the key of their queue."""
    queue = select(DeadJob.queue).limit(MOST_COUNTED).subquery().c.queue
    return (await session.execute(select(queue, func.count()).group_by(queue))).all()


async def schedules(
    session: AsyncSession, jobs: Collection[str]
) -> Sequence[Row[str, datetime | None, datetime, int]]:
    """Return name, last tick, next tick and ticks missed lately, of what is not paused.

    Args:
        session: reads them.
        jobs: known here; what names another is ticked by newer code, or was removed.
    """
    row, run = Schedule, ScheduleRun
    missed = (
        select(func.count())
        .where(
            run.schedule_id == row.id,
            run.tick >= func.now() - DAY,  # by the index
            run.decided_at >= func.now() - HOUR,
            run.state.in_(UNFIRED),
        )
        .scalar_subquery()
    )
    name = case((row.owner_id.is_(None), row.name), else_=literal(USERS)).label("name")
    each = (
        select(name, row.last_tick_at, row.next_tick_at, missed.label("missed"))
        .where(row.paused.is_(False), row.job.in_(jobs))
        .subquery()
        .c
    )
    grouped = select(
        each.name,
        func.max(each.last_tick_at),
        func.min(each.next_tick_at),
        func.sum(each.missed),
    ).group_by(each.name)
    return (await session.execute(grouped)).all()


async def offsets(session: AsyncSession) -> Sequence[EventOffset]:
    """Return how far the streams of events are recorded."""
    return (await session.scalars(select(EventOffset))).all()


async def last_backup(session: AsyncSession, job: str) -> datetime | None:
    """Return when this job ended well last, else since when there is a schedule of it."""
    row, run = DurableJob, JobRun
    durable = select(func.max(row.finished_at)).where(row.name == job, row.state == "succeeded")
    runs = select(run.finished_at).where(run.name == job, run.state == "succeeded")
    others = runs.order_by(run.finished_at.desc()).limit(1)
    planned = select(func.min(Schedule.created_at)).where(Schedule.job == job)
    last = func.greatest(durable.scalar_subquery(), others.scalar_subquery())
    found: datetime | None = await session.scalar(
        select(func.coalesce(last, planned.scalar_subquery()))
    )
    return found


async def last_health(session: AsyncSession, job: str) -> tuple[int, datetime, Any] | None:
    """Return the stride of the health job's rule, when it ended last, and its result.

    Where it never has, it is since when there is that rule; None where there is none, or it is
    paused.
    """
    row = Schedule
    static = select(row.stride, row.created_at).where(row.name == job, row.owner_id.is_(None))
    rule = (await session.execute(static.where(row.paused.is_(False)))).one_or_none()
    if rule is None:
        return None
    run = JobRun
    runs = select(run.finished_at, run.result).where(
        run.name == job, run.finished_at >= func.now() - WEEK, run.state == "succeeded"
    )
    found = (await session.execute(runs.order_by(run.finished_at.desc()).limit(1))).one_or_none()
    return (rule[0], *found) if found is not None else (*rule, None)


async def slow_runs(
    session: AsyncSession, since: datetime, longest: timedelta
) -> Sequence[Row[str, float]]:
    """Return each job of which a run that ended since then took longer, and its seconds."""
    run = JobRun
    took = run.finished_at - run.started_at
    seconds = func.max(func.extract("epoch", took), type_=Float())
    slow = select(run.name, seconds).where(run.finished_at >= since, took > longest)
    return (await session.execute(slow.group_by(run.name))).all()
