"""A periodic rule: which job, when, and what happens to a tick that cannot fire in time."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from service.kit.crontab import Crontab
from service.queue.names import queue_key

Misfire = Literal["skip", "once", "all"]
Overlap = Literal["skip", "allow"]
Times = int | Collection[int] | None

SITE = "site"
"""As a rule's zone: the one of those who use the installation, SITE_TIMEZONE."""
LONGEST_GRACE = 7 * 86_400
LONGEST_JITTER = 86_400
_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_FIELDS = ("minute", "hour", "day", "month", "weekday")


@dataclass(frozen=True, slots=True)
class Rule:
    """When a job runs: by a cron line, or by fields as arq's `cron` has them.

    Raises ValueError, naming the field, for what is malformed, contradictory or can never fire.
    """

    job: str
    minute: Times = None
    """None is every one; so it is with the other fields."""
    hour: Times = None
    day: Times = None
    month: Times = None
    weekday: Times = None
    """Monday is 0."""
    cron: str | None = None
    """Five fields instead of those above."""
    zone: str | None = None
    """Name of a time zone, or SITE; by default the installation's, ALMANAC_TIMEZONE."""
    misfire: Misfire = "skip"
    """What is made up for of ticks while nobody ticked: none, the last, or all within `grace`."""
    grace: float = 3600
    """Seconds for which `all` makes up for a tick."""
    overlap: Overlap = "skip"
    """Whether a tick fires while the job of the one before has not ended."""
    jitter: float = 0
    """Seconds up to which a job starts later than its tick, at random."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """As JSON has them."""
    queue: str | None = None
    """By default the job's; its workers must run the job."""
    name: str = ""
    """Tells the rules of one job apart; by default the job's name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.job)
        given = [name for name in _FIELDS if getattr(self, name) is not None]
        if self.cron is not None and given:
            raise ValueError(f"rule {self.name}: give cron or {', '.join(given)}, not both")
        if self.day is not None and self.weekday is not None:
            raise ValueError(f"rule {self.name}: day and weekday exclude each other")
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"rule name {self.name!r}: lowercase letters, digits, '.', '_', '-'")
        if self.queue is not None:
            queue_key(self.queue)
        self._check_policies()
        Crontab(self.line, "UTC" if self.zone in {None, SITE} else self.zone)

    def at(self, cron: str) -> "Rule":
        """Return the same rule at another time; raises ValueError for a bad cron line."""
        return replace(self, cron=cron, minute=None, hour=None, day=None, month=None, weekday=None)

    def _check_policies(self) -> None:
        misfires, overlaps = get_args(Misfire), get_args(Overlap)
        for holds, problem in (
            (self.misfire in misfires, f"misfire is one of {', '.join(misfires)}"),
            (0 < self.grace <= LONGEST_GRACE, f"grace is in seconds, to {LONGEST_GRACE}"),
            (self.overlap in overlaps, f"overlap is one of {', '.join(overlaps)}"),
            (0 <= self.jitter <= LONGEST_JITTER, f"jitter is in seconds, to {LONGEST_JITTER}"),
        ):
            if not holds:
                raise ValueError(f"rule {self.name}: {problem}")

    @property
    def line(self) -> str:
        """The rule as a cron line."""
        if self.cron is not None:
            return self.cron
        weekday = self.weekday
        if weekday is not None:
            days = {weekday} if isinstance(weekday, int) else weekday
            weekday = {0 if day == 6 else day + (day >= 0) for day in days}
        return " ".join(map(_written, (self.minute, self.hour, self.day, self.month, weekday)))


def _written(times: Times) -> str:
    """Write a field as cron lines have it."""
    if times is None:
        return "*"
    return str(times) if isinstance(times, int) else ",".join(map(str, sorted(times)))
