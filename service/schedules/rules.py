"""Pure rules of schedules: which ticks fire, which do not, and when the next one comes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from service.kit.crontab import crontab
from service.schedules.models import Firing

ON_TIME = timedelta(minutes=1)
"""A tick that is decided later than so was missed."""
LOOK_BACK = timedelta(days=7)
"""How far back missed ticks are counted one by one, if there are any in this time."""
MOST_AT_ONCE = 1000
"""Ticks that are made up for at once."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a schedule ticks and what becomes of ticks that are late; as the columns of its row."""

    line: str
    zone: str
    stride: int = 1
    misfire: str = "skip"
    grace: float = 3600
    overlap: str = "skip"


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the ticks of a schedule that have come."""

    fire: tuple[datetime, ...]
    next_tick: datetime
    unfired: datetime | None = None
    """The last of those that do not fire."""
    state: Firing = Firing.FIRED
    """Why they do not."""
    reason: str | None = None


def next_tick(timing: Timing, after: datetime) -> datetime:
    """Return a schedule's next tick; raises ValueError for a bad line or zone."""
    cron, tick = crontab(timing.line, timing.zone), after
    for _ in range(timing.stride):
        tick = cron.after(tick)
    return tick


def next_ticks(timing: Timing, after: datetime, count: int) -> list[datetime]:
    """Return a schedule's next ticks; raises ValueError for a bad line or zone."""
    ticks: list[datetime] = []
    while len(ticks) < count:
        ticks.append(next_tick(timing, ticks[-1] if ticks else after))
    return ticks


def plan(timing: Timing, first: datetime, moment: datetime, *, busy: bool, paused: bool) -> Plan:
    """Decide about the ticks of a schedule up to now.

    Args:
        timing: the schedule's.
        first: its earliest tick that nobody has decided about; it has come.
        moment: now.
        busy: whether the job of the last tick that fired has not ended.
        paused: whether the schedule is.

    Raises ValueError for a bad line or zone.
    """
    *ticks, following = _up_to(timing, first, moment)
    since = f"since {first:%Y-%m-%d %H:%M} UTC"
    if paused:
        return Plan((), following, ticks[-1], Firing.PAUSED, f"paused; {since}")
    wanted = _made_up_for(timing, ticks, moment)
    if wanted and busy and timing.overlap == "skip":
        reason = f"the job of an earlier tick has not ended; {since}"
        return Plan((), following, ticks[-1], Firing.OVERLAPPED, reason)
    left = sorted({*ticks}.difference(wanted))
    if not left:
        return Plan(tuple(wanted), following)
    reason = f"nobody ticked; {since}"
    return Plan(tuple(wanted), following, left[-1], Firing.MISSED, reason)


def _up_to(timing: Timing, first: datetime, moment: datetime) -> list[datetime]:
    """Return the ticks from the first to now, and the one that follows."""
    if first < moment - LOOK_BACK:
        recent = list(_ticks(timing, next_tick(timing, moment - LOOK_BACK), moment))
        if len(recent) > 1:
            return recent
    return list(_ticks(timing, first, moment))


def _ticks(timing: Timing, tick: datetime, moment: datetime) -> Iterator[datetime]:
    while tick <= moment:
        yield tick
        tick = next_tick(timing, tick)
    yield tick


def _made_up_for(timing: Timing, ticks: list[datetime], moment: datetime) -> list[datetime]:
    """Return the ticks that fire, if nothing else speaks against it."""
    if timing.misfire == "once":
        return ticks[-1:]
    grace = timedelta(seconds=timing.grace) if timing.misfire == "all" else ON_TIME
    return [tick for tick in ticks if moment - tick <= max(grace, ON_TIME)][-MOST_AT_ONCE:]


def job_id(name: str, schedule_id: UUID, *, static: bool, tick: datetime) -> str:
    """Return the one id of a tick's job: for a rule of the code the one that arq would give it."""
    key = name if static else str(schedule_id)
    return f"cron:{key}:{round(tick.timestamp() * 1000)}"
