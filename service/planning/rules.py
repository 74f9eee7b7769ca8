"""Pure rules of planning: the times of a week, and of what comes again and again.

Times are of a wall clock. One that the clocks jump over is the first minute after it, one that
comes twice is its first; see `service.kit.crontab.first_instant`.
"""

from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from service.kit.crontab import crontab, find_zone, first_instant

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = timedelta(days=1)
FARTHEST = timedelta(days=3660)
"""Posts are scheduled ten years ahead at most."""
CLOSEST = timedelta(minutes=15)
"""Between two occurrences: platforms take more for spam, and each is a post to look after."""
LOOKED_AT = 100
"""Occurrences that are looked at for that."""
REFUSES_REPEATS = ("x", "facebook")
"""Platforms that refuse a text they have just had: X's 403 "duplicate content", Meta's code 506."""


@dataclass(frozen=True, slots=True, order=True)
class SlotTime:
    """A time of the week."""

    weekday: int
    """Monday is 0."""
    at: time


def slot_times(slots: Iterable[Mapping[str, str]]) -> tuple[SlotTime, ...]:
    """Return the times of a plan, as stored, in the order of the week and each once."""
    found = {
        SlotTime(WEEKDAYS.index(slot["weekday"]), time.fromisoformat(slot["at"])) for slot in slots
    }
    return tuple(sorted(found))


def slots_after(slots: Sequence[SlotTime], zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the instants of a weekly plan after an instant, in UTC, for ten years.

    Two times that a change of the clocks makes one are one.
    """
    day = after.astimezone(zone).date() - DAY  # a time that was jumped over may be of yesterday
    last = after
    while last < after + FARTHEST and slots:
        for slot in slots:
            if slot.weekday != day.weekday():
                continue
            instant = first_instant(datetime.combine(day, slot.at), zone)
            if instant > last:
                yield instant
                last = instant
        day += DAY


def free_slots(
    slots: Sequence[SlotTime],
    zone: ZoneInfo,
    after: datetime,
    taken: Collection[datetime],
    count: int,
) -> list[datetime]:
    """Return the next instants of a weekly plan at which nothing goes out yet.

    Args:
        slots: the plan.
        zone: whose wall clock it is of.
        after: only later ones.
        taken: when something goes out already.
        count: how many are wanted; there may be fewer.
    """
    times = slots_after(slots, zone, after)
    return list(islice((instant for instant in times if instant not in taken), count))


class Rhythm(Protocol):
    """When something comes again."""

    def after(self, instant: datetime) -> datetime:
        """Return the first occurrence after an aware instant, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many days, weeks or months at a time of the day, counted from a day.

    The 31st is the last day of a shorter month, and the 31st again in the next.
    """

    unit: str
    """`days`, `weeks` or `months`."""
    count: int
    at: time
    anchor: date
    zone: ZoneInfo

    def after(self, instant: datetime) -> datetime:
        """Return the first occurrence after an aware instant, in UTC."""
        step = max(self._steps_to(instant.astimezone(self.zone).date()) - 2, 0)
        while True:
            found = first_instant(datetime.combine(self.day(step), self.at), self.zone)
            if found > instant:
                return found
            step += 1

    def day(self, step: int) -> date:
        """Return the day of the occurrence so many steps from the first."""
        if self.unit == "months":
            year, month = divmod(self.anchor.month - 1 + step * self.count, 12)
            year, month = self.anchor.year + year, month + 1
            return date(year, month, min(self.anchor.day, monthrange(year, month)[1]))
        days = self.count * (7 if self.unit == "weeks" else 1)
        return self.anchor + step * days * DAY

    def _steps_to(self, day: date) -> int:
        if self.unit == "months":
            months = (day.year - self.anchor.year) * 12 + day.month - self.anchor.month
            return months // self.count
        days = self.count * (7 if self.unit == "weeks" else 1)
        return (day - self.anchor).days // days


def rhythm_of(stored: Mapping[str, Any], zone: str) -> Rhythm:
    """Return a stored rhythm in a zone; raise ValueError for a bad cron line or zone."""
    if "cron" in stored:
        return crontab(stored["cron"], zone)
    return Every(
        unit=stored["unit"],
        count=stored["count"],
        at=time.fromisoformat(stored["at"]),
        anchor=date.fromisoformat(stored["anchor"]),
        zone=find_zone(zone),
    )


def next_occurrences(
    rhythm: Rhythm, after: datetime, until: datetime | None, count: int
) -> list[datetime]:
    """Return the next occurrences after an instant, none later than `until`."""
    end = min(until or datetime.max.replace(tzinfo=UTC), after + FARTHEST)
    found: list[datetime] = []
    while len(found) < count and (following := rhythm.after(after)) <= end:
        found.append(following)
        after = following
    return found


def too_close(rhythm: Rhythm, after: datetime) -> bool:
    """Whether two of the next occurrences are closer than a recurring post may be."""
    found = next_occurrences(rhythm, after, None, LOOKED_AT)
    return any(later - earlier < CLOSEST for earlier, later in pairwise(found))


def in_words(stored: Mapping[str, Any]) -> str:
    """Return a stored rhythm as people say it; a cron line as it is."""
    if "cron" in stored:
        return str(stored["cron"])
    unit, count, at = stored["unit"], stored["count"], stored["at"]
    each = f"every {unit.removesuffix('s')}" if count == 1 else f"every {count} {unit}"
    anchor = date.fromisoformat(stored["anchor"])
    if unit == "weeks":
        return f"{each} on {anchor:%A} at {at}"
    if unit == "months":
        return f"{each} on day {anchor.day} at {at}"
    return f"{each} at {at}"
