"""When a cron line in a time zone fires, also where the clocks change; docs/schedules.md says how.

The line's five fields are read by cronsim, on a wall clock that never changes; what a change of the
clocks means is decided here.
"""

from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
LONGEST_LINE = 200
ANY_START = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall clock
"""From where to look whether a line ever fires."""


class Crontab:
    """A cron line in a zone.

    A line that names hours fires once for each wall-clock time it names: one that the clocks jump
    over at the first minute after it, one that comes twice at its first. A line for every hour
    fires whenever the wall clock shows its minutes, so its gaps stay the same in real time.

    Args:
        line: minute, hour, day of month, month, day of week; as `*/15 9-17 * * mon-fri`.
        zone: an IANA name, as `Europe/Paris`.

    Raises ValueError, naming the field, for a line that is malformed or can never fire, and for an
    unknown zone.
    """

    def __init__(self, line: str, zone: str = "UTC") -> None:
        self.line = " ".join(line.split())
        self.zone = find_zone(zone)
        if len(line) > LONGEST_LINE or len(line.split()) != 5:
            raise ValueError(
                f"cron line '{line[:LONGEST_LINE]}' is not five fields (minute, hour, day, month, "
                "weekday), as '30 2 * * *'"
            )
        try:
            self._parsed = CronSim(self.line, ANY_START)
        except CronSimError as error:
            raise ValueError(
                f"cron line '{self.line}': {str(error).removeprefix('Bad ')} is not understood, or "
                "there is no such date"
            ) from None
        if next(CronSim(self.line, ANY_START), None) is None:
            raise ValueError(f"cron line '{self.line}' can never fire: there is no such date")
        self._every_hour = len(self._parsed.hours) == 24

    def after(self, instant: datetime) -> datetime:
        """Return the first tick after an aware instant, in UTC."""
        instant = instant.astimezone(UTC)
        return self._by_clock(instant) if self._every_hour else self._by_name(instant)

    @cached_property
    def fields(self) -> dict[str, set[int] | None] | None:
        """The fields as arq's `cron` takes them (None is any, Monday is 0); None if it cannot."""
        found = self._parsed
        days, weekdays = found.days, {day for day in found.weekdays if isinstance(day, int)}
        if len(weekdays) < len(found.weekdays) or CronSim.LAST in days or not found.day_and:
            return None
        wanted = {
            "minute": (found.minutes, 60),
            "hour": (found.hours, 24),
            "day": (days, 31),
            "month": (found.months, 12),
            "weekday": ({(day - 1) % 7 for day in weekdays}, 7),
        }
        return {name: None if len(s) == full else set(s) for name, (s, full) in wanted.items()}

    def _by_name(self, instant: datetime) -> datetime:
        """Return the next tick of a line that names hours."""
        wall = instant.astimezone(self.zone).replace(tzinfo=None)
        for named in CronSim(self.line, wall):
            tick = first_instant(named, self.zone)
            if tick > instant:
                return tick
        raise AssertionError("the line fires for ever, as __init__ has seen")

    def _by_clock(self, instant: datetime) -> datetime:
        """Return the next tick of a line for every hour."""
        start = known = instant
        while True:
            offset = self._offset(known)
            wall = (start + offset).replace(tzinfo=None)
            tick = next(CronSim(self.line, wall)).replace(tzinfo=UTC) - offset
            change = self._change(known, tick)
            if change is None:
                return tick
            start, known = change - MINUTE, change

    def _change(self, since: datetime, until: datetime) -> datetime | None:
        """Return the first minute in between with another offset; zones change it once a day."""
        offset = self._offset(since)
        while since < until:
            following = min(since + DAY, until)
            if self._offset(following) != offset:
                first = since.replace(second=0, microsecond=0) + MINUTE
                while self._offset(first) == offset:
                    first += MINUTE
                return first
            since = following
        return None

    def _offset(self, instant: datetime) -> timedelta:
        offset = instant.astimezone(self.zone).utcoffset()
        assert offset is not None
        return offset


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant, in UTC, at which a wall clock shows this time.

    One that the clocks jump over is the first minute after it, one that comes twice its first.
    """
    while True:
        instant = wall.replace(tzinfo=zone).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == wall:
            return instant
        wall += MINUTE


@lru_cache(maxsize=1000)
def crontab(line: str, zone: str) -> Crontab:
    """Return a line in a zone; raises as `Crontab`."""
    return Crontab(line, zone)


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone; raise ValueError for an unknown name."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        # Besides "not found" these are names that are folders, too long or not ASCII.
        raise ValueError(
            f"zone '{name[:100]}' is unknown: give an IANA name, as Asia/Riyadh"
        ) from None
