"""Every SQL statement of schedules."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, delete, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.access.models import User
from service.db.outbox import OPEN, DurableJob
from service.kit.ids import uuid7
from service.kit.pagination import Page, Rows, encode_cursor
from service.schedules.models import Schedule as Schedule  # what the queries return
from service.schedules.models import ScheduleRun, Ticker

DEFINITION = (
    *("job", "arguments", "queue", "line", "zone"),
    *("stride", "misfire", "grace", "overlap", "jitter"),
)
"""Columns that the code says of its own rules."""
FORGOTTEN_AFTER = timedelta(days=1)
"""A ticker, or a rule, that was not heard of for so long has gone for good."""

LONGEST_ERROR = 500
"""Characters of an error that a list shows."""


def _visible(caller: Caller) -> Select[Schedule]:
    """Return the code's rules and the caller's own."""
    mine = or_(Schedule.owner_id.is_(None), Schedule.owner_id == caller.user_id)
    return select(Schedule) if caller.is_admin else select(Schedule).where(mine)


async def now(session: AsyncSession) -> datetime:
    """Return the instant of the transaction by PostgreSQL's clock, which all tickers share."""
    moment: datetime | None = await session.scalar(select(func.now()))
    assert moment is not None
    return moment


async def schedule(
    session: AsyncSession, caller: Caller, schedule_id: UUID, *, lock: bool = False
) -> Schedule | None:
    """Return a schedule if the caller may see it; locked, no tick of it is decided meanwhile."""
    statement = _visible(caller).where(Schedule.id == schedule_id)
    return await session.scalar(statement.with_for_update() if lock else statement)


async def named(session: AsyncSession, caller: Caller, name: str) -> Sequence[Schedule]:
    """Return the schedules of this name that the caller may see."""
    return (await session.scalars(_visible(caller).where(Schedule.name == name))).all()


async def name_is_taken(session: AsyncSession, owner_id: UUID, name: str) -> bool:
    """Whether this owner has a schedule of this name."""
    taken = select(Schedule.id).where(Schedule.owner_id == owner_id, Schedule.name == name)
    return await session.scalar(taken) is not None


async def list_schedules(
    session: AsyncSession,
    caller: Caller,
    page: Page,
    text: str = "",
    *,
    paused: bool | None = None,
) -> Rows[Schedule]:
    """Return a page of schedules, newest first.

    Args:
        session: reads them.
        caller: who may see the code's rules and their own.
        page: which of them.
        text: part of the name or of the job's name.
        paused: whether they are; None for either.
    """
    statement = _visible(caller).order_by(Schedule.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(Schedule.id < page.before)
    if text:
        named = Schedule.name.icontains(text, autoescape=True)
        statement = statement.where(or_(named, Schedule.job.icontains(text, autoescape=True)))
    if paused is not None:
        statement = statement.where(Schedule.paused.is_(paused))
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def last_runs(session: AsyncSession, schedule_id: UUID, limit: int) -> Sequence[ScheduleRun]:
    """Return what became of the latest ticks, newest first."""
    run = ScheduleRun
    chosen = select(run).where(run.schedule_id == schedule_id)
    return (await session.scalars(chosen.order_by(run.tick.desc()).limit(limit))).all()


async def outcomes(session: AsyncSession, ids: Collection[UUID], limit: int) -> Sequence[Row[Any]]:
    """Return what became of the latest ticks of each schedule, and of their jobs, newest first.

    A row has `schedule_id, tick, state, job_id, reason` of the tick and `job_state, error,
    started_at, finished_at` of its job, which are None for a job that is no longer kept.
    """
    run, job = ScheduleRun, DurableJob
    latest = (
        select(run)
        .where(run.schedule_id == Schedule.id)
        .order_by(run.tick.desc())
        .limit(limit)
        .lateral()
    )
    of_job = (
        job.state.label("job_state"),
        func.left(job.error, LONGEST_ERROR).label("error"),
        job.started_at,
        job.finished_at,
    )
    chosen = (
        select(latest, *of_job)
        .select_from(Schedule)
        .join(latest, true())
        .outerjoin(job, job.id == latest.c.job_id)
        .where(Schedule.id.in_(ids))
        .order_by(Schedule.id, latest.c.tick.desc())
    )
    return (await session.execute(chosen)).all()


def _known(code: Collection[str], jobs: Collection[str]) -> ColumnElement[bool]:
    """Whether a process with these rules and jobs may tick: others may run newer code.

    A schedule of a disabled user ticks no more.
    """
    may = select(User.id).where(User.id == Schedule.owner_id, User.disabled_at.is_(None))
    codes = and_(Schedule.owner_id.is_(None), Schedule.name.in_(code))
    return and_(or_(may.exists(), codes), Schedule.job.in_(jobs))


async def due(
    session: AsyncSession, moment: datetime, code: Collection[str], jobs: Collection[str]
) -> Sequence[tuple[Schedule, bool]]:
    """Return known schedules with a tick by then, and whether their last job is open."""
    chosen = (
        select(Schedule, DurableJob.id.is_not(None))
        .outerjoin(
            DurableJob, and_(DurableJob.id == Schedule.last_job_id, DurableJob.state.in_(OPEN))
        )
        .where(Schedule.next_tick_at <= moment, _known(code, jobs))
        .order_by(Schedule.name, Schedule.id)  # the order in which all lock them
    )
    return [(found, busy) for found, busy in await session.execute(chosen)]


async def is_busy(session: AsyncSession, job_id: str | None) -> bool:
    """Whether the job of a tick has not ended."""
    still_open = select(DurableJob.id).where(DurableJob.id == job_id, DurableJob.state.in_(OPEN))
    return await session.scalar(still_open) is not None


async def next_tick(
    session: AsyncSession, moment: datetime, code: Collection[str], jobs: Collection[str]
) -> datetime | None:
    """Return when the next tick of a known schedule comes, after this moment."""
    coming = select(func.min(Schedule.next_tick_at))
    return await session.scalar(coming.where(Schedule.next_tick_at > moment, _known(code, jobs)))


async def claim(session: AsyncSession, found: Schedule, values: Mapping[str, Any]) -> bool:
    """Decide about the ticks of a schedule that have come; whoever is second decides nothing.

    Args:
        session: of the decision.
        found: the schedule as it was read.
        values: what its row says afterwards, among it `next_tick_at`.
    """
    row = Schedule
    statement = (
        update(row)
        .where(
            row.id == found.id,
            row.next_tick_at == found.next_tick_at,
            row.version == found.version,
            row.paused == found.paused,
        )
        .values(values)
        .returning(row.id)
        .execution_options(synchronize_session=False)
    )
    return await session.scalar(statement) is not None


async def add_runs(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert what became of ticks; what is said of one already stays."""
    await session.execute(insert(ScheduleRun).on_conflict_do_nothing(), list(rows))


async def forget_runs(session: AsyncSession, schedule_id: UUID, before: datetime) -> None:
    """Delete what became of a schedule's ticks before that."""
    run = ScheduleRun
    await session.execute(delete(run).where(run.schedule_id == schedule_id, run.tick < before))


async def mirror(session: AsyncSession, values: Mapping[str, Any]) -> None:
    """Insert a rule of the code, or change its row if the code says something else now."""
    statement = insert(Schedule).values(id=uuid7(), owner_id=None, **values)
    new = statement.excluded
    changed = or_(*(getattr(Schedule, name).is_distinct_from(new[name]) for name in DEFINITION))
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[Schedule.name],
            index_where=Schedule.owner_id.is_(None),
            set_={name: new[name] for name in (*DEFINITION, "next_tick_at")}
            | {"version": Schedule.version + 1},
            where=changed,
        )
    )


async def delete_removed(session: AsyncSession, code: Collection[str]) -> None:
    """Delete rules that are not of this code, and that no other code has ticked for a day."""
    row = Schedule
    unticked = row.next_tick_at < func.now() - FORGOTTEN_AFTER
    await session.execute(
        delete(row).where(row.owner_id.is_(None), row.name.not_in(code), unticked)
    )


async def remove(session: AsyncSession, found: Schedule) -> None:
    """Delete a schedule and what became of its ticks."""
    await session.execute(delete(Schedule).where(Schedule.id == found.id))


async def beat(session: AsyncSession, name: str) -> None:
    """Keep that a ticker looks now, and forget those that have gone."""
    statement = insert(Ticker).values(name=name, beat_at=func.now())
    await session.execute(
        statement.on_conflict_do_update(index_elements=[Ticker.name], set_={"beat_at": func.now()})
    )
    await session.execute(delete(Ticker).where(Ticker.beat_at < func.now() - FORGOTTEN_AFTER))


async def last_beat(session: AsyncSession) -> float | None:
    """Return how many seconds ago any ticker looked last; None if none ever did."""
    age = await session.scalar(select(func.extract("epoch", func.now() - func.max(Ticker.beat_at))))
    return None if age is None else float(age)
