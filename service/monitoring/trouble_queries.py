"""SQL of what went wrong lately and waits for a person; each statement reads a bounded part."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, literal_column, or_, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.outbox import DurableJob
from service.monitoring.models import DeadJob
from service.monitoring.visibility_queries import seen_by
from service.schedules.models import Firing, Schedule, ScheduleRun

MOST_COUNTED = 1000
UNFIRED = (Firing.MISSED, Firing.REFUSED)


class Deaths(NamedTuple):
    """Jobs of one name that died lately."""

    name: str
    number: int
    last_at: datetime


async def deaths(session: AsyncSession, caller: Caller, since: datetime) -> Sequence[Deaths]:
    """Return the dead jobs of a time by name, most first; of each kind the last 1,000 count."""
    kept, row = DeadJob, DurableJob
    others = select(kept.name, kept.died_at.label("at")).where(
        kept.died_at >= since, seen_by(caller, kept.actor, kept.name)
    )
    rows = select(row.name, row.finished_at.label("at")).where(
        row.state == literal_column("'failed'"),  # as in the condition of the index
        row.finished_at >= since,
        seen_by(caller, row.actor, row.name),
    )
    parts = [
        select(part.order_by(part.selected_columns.at.desc()).limit(MOST_COUNTED).subquery())
        for part in (others, rows)
    ]
    died = union_all(*parts).subquery().c
    number = func.count().label("number")
    counted = select(died.name, number, func.max(died.at)).group_by(died.name)
    return [Deaths(*found) for found in await session.execute(counted.order_by(number.desc()))]


class Missed(NamedTuple):
    """Ticks of one schedule that did not fire lately."""

    name: str
    number: int
    last_tick: datetime


async def missed_ticks(session: AsyncSession, caller: Caller, since: datetime) -> Sequence[Missed]:
    """Return the schedules that a caller may see with ticks since then that did not fire."""
    row, run = Schedule, ScheduleRun
    own = or_(row.owner_id.is_(None), row.owner_id == caller.user_id)
    mine = true() if caller.is_admin else own
    lost = (
        select(func.count().label("number"), func.max(run.tick).label("last"))
        .where(run.schedule_id == row.id, run.tick >= since, run.state.in_(UNFIRED))
        .lateral()
        .c
    )
    found = select(row.name, lost.number, lost.last).where(mine, lost.number > 0)
    return [Missed(*each) for each in await session.execute(found.order_by(lost.number.desc()))]
