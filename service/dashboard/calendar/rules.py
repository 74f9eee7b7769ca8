"""Pure rules of the calendar: which days a view shows, and where an instant lies on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

MONTH, WEEK, DAY = "month", "week", "day"
VIEWS = (MONTH, WEEK, DAY)
FIRST, LAST = date(2000, 1, 1), date(2100, 12, 31)
"""Days that can be looked at."""
WEEKS_OF_MONTH = 6
ONE = timedelta(days=1)
WORK_BEGINS = 9
MORNING, NIGHT = 7, 22
"""Hours between which a week shows every hour."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the calendar somebody looks at; every link of the page keeps it."""

    view: str
    on: date
    accounts: tuple[UUID, ...] = ()
    """None stand for all."""
    show: str = ""
    """A name of `calendar_reading.SHOWN`."""
    hours: str = ""
    """`all`: a week shows its nights too."""

    def path(self, **other: object) -> str:
        """Return the address of this calendar, or of one that differs in these fields."""
        return f"/calendar?{self.query(**other)}"

    def query(self, **other: object) -> str:
        """Return the query of that address."""
        to = replace(self, **other)  # type: ignore[arg-type] # fields of this class
        pairs = [("view", to.view), ("on", to.on.isoformat())]
        pairs += [("account", str(account)) for account in to.accounts]
        pairs += [(name, getattr(to, name)) for name in ("show", "hours") if getattr(to, name)]
        return urlencode(pairs)

    @property
    def days(self) -> list[date]:
        """The days that are shown: one, a week from its Monday, or the six weeks of a month."""
        if self.view == DAY:
            return [self.on]
        first = self.on if self.view == WEEK else self.on.replace(day=1)
        first -= timedelta(days=first.weekday())
        count = 7 * (WEEKS_OF_MONTH if self.view == MONTH else 1)
        return [first + timedelta(days=number) for number in range(count)]

    @property
    def title(self) -> str:
        """The days in words."""
        if self.view == DAY:
            return f"{self.on:%A %-d %B %Y}"
        if self.view == MONTH:
            return f"{self.on:%B %Y}"
        first, last = self.days[0], self.days[-1]
        year = f" {first:%Y}" if first.year != last.year else ""
        month = f" {first:%B}" if first.month != last.month else ""
        return f"{first.day}{month}{year} \N{EN DASH} {last:%-d %B %Y}"

    @property
    def before(self) -> str:
        """The address of the month, week or day before."""
        if self.view == MONTH:
            return self.path(on=clamp((self.on.replace(day=1) - ONE).replace(day=1)))
        return self.path(on=clamp(self.on - self._step))

    @property
    def after(self) -> str:
        """The address of the month, week or day after."""
        if self.view == MONTH:
            return self.path(on=clamp((self.on.replace(day=1) + 31 * ONE).replace(day=1)))
        return self.path(on=clamp(self.on + self._step))

    @property
    def _step(self) -> timedelta:
        return ONE if self.view == DAY else 7 * ONE


def clamp(day: date) -> date:
    """Return a day that can be looked at: this one, else the nearest."""
    return min(max(day, FIRST), LAST)


def read_day(text: str, today: date) -> date:
    """Return the day that an address names, today for something else."""
    try:
        return clamp(date.fromisoformat(text))
    except ValueError:
        return today


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the instants between which it is this day in a zone: 23, 24 or 25 hours apart."""
    return midnight(day, zone), midnight(day + ONE, zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which a day begins; where clocks skip midnight, that of the skip."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def is_skipped(day: date, hour: int, zone: ZoneInfo) -> bool:
    """Whether clocks go forward over this whole hour."""
    return not exists(datetime.combine(day, time(hour), zone)) and not exists(
        datetime.combine(day, time(hour, 59), zone)
    )


def exists(moment: datetime) -> bool:
    """Whether clocks show this time."""
    back = moment.astimezone(UTC).astimezone(moment.tzinfo)
    return back.replace(tzinfo=None) == moment.replace(tzinfo=None)


def comes_twice(moment: datetime) -> bool:
    """Whether clocks show this time twice, as they go back."""
    first, second = offsets(moment)
    return exists(moment) and first != second


def offsets(moment: datetime) -> tuple[str, str]:
    """Return the offsets from UTC of a time that comes twice, the first one first."""
    return offset(moment.replace(fold=0)), offset(moment.replace(fold=1))


def clock(local: datetime) -> str:
    """Return the time of day, with its offset where that time comes twice."""
    text = f"{local:%H:%M}"
    return f"{text} {offset(local)}" if comes_twice(local) else text


def offset(local: datetime) -> str:
    """Return an instant's offset from UTC: `+01:00`."""
    return local.isoformat()[-6:]


def clock_change(day: date, zone: ZoneInfo) -> str:
    """Say how clocks change on a day; empty when they do not."""
    begin, end = bounds(day, zone)
    minutes = round((end - begin).total_seconds() / 60) - 24 * 60
    if not minutes:
        return ""
    way, length = ("back", "longer") if minutes > 0 else ("forward", "shorter")
    count = abs(minutes)
    span = f"{count // 60} h" if count % 60 == 0 else f"{count} min"
    return f"Clocks go {way} on {day:%A %-d %B}: the day is {span} {length}."


@dataclass(frozen=True, slots=True)
class HourRow:
    """A row of a week: one hour, or a gap that stands for hours of the night."""

    first: int
    last: int
    asleep: bool = False
    """Whether it is shown only when nights are asked for."""

    @property
    def is_gap(self) -> bool:
        """Whether it stands for other rows."""
        return self.last >= 0

    @property
    def title(self) -> str:
        """What stands at its side."""
        return (
            f"{self.first:02}\N{EN DASH}{self.last + 1:02}"
            if self.is_gap
            else f"{self.first:02}:00"
        )


def hour_rows(used: Sequence[int]) -> list[HourRow]:
    """Return the rows of a week in which these hours have something to show."""
    busy = set(used)
    rows: list[HourRow] = []
    hour = 0
    while hour < 24:
        if MORNING <= hour < NIGHT or hour in busy:
            rows.append(HourRow(hour, -1))
            hour += 1
            continue
        first = hour
        while hour < 24 and not (MORNING <= hour < NIGHT or hour in busy):
            hour += 1
        rows.append(HourRow(first, hour - 1))
        rows += [HourRow(asleep, -1, asleep=True) for asleep in range(first, hour)]
    return rows


def at_hour(day: date, hour: int, zone: ZoneInfo) -> datetime:
    """Return a full hour of a day."""
    return datetime.combine(day, time(hour), zone)
