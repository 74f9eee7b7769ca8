"""Schedules as pages show them: in words, with their next ticks and what became of the last."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from service.kit.clock import now
from service.kit.crontab import find_zone
from service.schedules import rules
from service.schedules.models import Firing
from service.schedules.schemas import ScheduleOut
from service.schedules.words import words

TICKER_LATE = 30.0
"""Seconds without a look of any ticker after which schedules do not run on time."""
UNKNOWN = "unknown"
"""Stands for the outcome of a job that is no longer kept."""
HEIGHTS: Mapping[str, int] = {
    "succeeded": 12,
    "failed": 20,
    "retrying": 16,
    "running": 8,
    "queued": 8,
    "cancelled": 8,
    "missed": 16,
    "refused": 16,
    "overlapped": 4,
    "paused": 4,
    UNKNOWN: 8,
}
"""Of the bars of a sparkline, of 20: the worse the taller."""
MISFIRES = (
    ("skip", "Skip it"),
    ("once", "Run the last one, once"),
    ("all", "Run each that is not older than the limit below"),
)
OVERLAPS = (("skip", "Let this time pass"), ("allow", "Run it beside the other one"))


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a tick."""

    tick: datetime
    outcome: str
    job_id: str | None
    reason: str | None
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def height(self) -> int:
        """Of its bar."""
        return HEIGHTS.get(self.outcome, HEIGHTS[UNKNOWN])


@dataclass(frozen=True, slots=True)
class Shown:
    """A schedule with what became of its latest ticks, newest first."""

    schedule: ScheduleOut
    runs: Sequence[Run]

    @property
    def words(self) -> str:
        """When it runs."""
        return in_words(self.schedule.cron, self.schedule.stride)

    @property
    def last(self) -> Run | None:
        """The last run: of a tick that fired, or by hand."""
        return next((run for run in self.runs if run.job_id is not None), None)

    @property
    def bars(self) -> Sequence[Run]:
        """The runs in the order of time."""
        return self.runs[::-1]

    @property
    def summary(self) -> str:
        """What became of the latest ticks: `28 of 30 succeeded, 2 missed`."""
        return summary(run.outcome for run in self.runs)

    @property
    def brief(self) -> str:
        """How many of them succeeded."""
        return self.summary.partition(",")[0]


@dataclass(frozen=True, slots=True)
class Tick:
    """A time at which a schedule will run."""

    at: datetime
    local: str
    """In the schedule's zone."""
    changed: bool
    """Whether the clocks have changed since the tick before."""


def _others(outcomes: Sequence[str]) -> list[str]:
    """Return the outcomes that are no success, the worst first."""
    return sorted(set(outcomes) - {"succeeded"}, key=lambda name: (-HEIGHTS.get(name, 0), name))


def in_words(line: str, stride: int = 1) -> str:
    """Return a stored line in words, as it is where it is not understood."""
    try:
        return words(line, stride)
    except ValueError:
        return line


def shown(schedules: Iterable[ScheduleOut], rows: Iterable[Row[Any]]) -> list[Shown]:
    """Return schedules with their runs, as `queries.outcomes` found them."""
    runs: dict[Any, list[Run]] = {}
    for row in rows:
        runs.setdefault(row.schedule_id, []).append(_run(row))
    return [Shown(schedule, runs.get(schedule.id, [])) for schedule in schedules]


def _run(row: Row[Any]) -> Run:
    fired = row.state == Firing.FIRED
    outcome = (row.job_state or UNKNOWN) if fired else row.state
    times = (row.started_at, row.finished_at)
    return Run(row.tick, outcome, row.job_id, row.reason, row.error, *times)


def summary(outcomes: Iterable[str]) -> str:
    """Say how often which outcome came: successes of all, then the others."""
    found = list(outcomes)
    if not found:
        return "No runs yet"
    parts = [f"{found.count('succeeded')} of {len(found)} succeeded"]
    return ", ".join([*parts, *(f"{found.count(name)} {name}" for name in _others(found))])


def coming(schedule: ScheduleOut, count: int) -> list[Tick]:
    """Return the next ticks of a schedule; none if its line or zone is not understood."""
    timing = rules.Timing(schedule.cron, schedule.zone, schedule.stride)
    try:
        ticks = rules.next_ticks(timing, schedule.next_tick_at, count - 1)
        return _in_zone([schedule.next_tick_at, *ticks], find_zone(schedule.zone))
    except ValueError:
        return []


def preview(line: str, zone: str, count: int) -> list[Tick]:
    """Return when a line would run from now on; raises ValueError for a bad line or zone."""
    return _in_zone(rules.next_ticks(rules.Timing(line, zone), now(), count), find_zone(zone))


def _in_zone(ticks: Sequence[datetime], zone: ZoneInfo) -> list[Tick]:
    local = [tick.astimezone(zone) for tick in ticks]
    offsets = [now().astimezone(zone).utcoffset(), *(at.utcoffset() for at in local)]
    return [
        Tick(tick, f"{at:%a %-d %b %Y, %H:%M %Z}", offsets[index] != offsets[index + 1])
        for index, (tick, at) in enumerate(zip(ticks, local, strict=True))
    ]
