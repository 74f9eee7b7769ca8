"""The calendar of a person, arranged by day."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from service.dashboard.calendar import rules as calendar_rules
from service.dashboard.calendar.entries import AccountFacts, Entry
from service.dashboard.calendar.rules import Choice
from service.dashboard.calendar.slots import Slot
from service.posts import calendar_queries

IN_A_CELL = 4


def _count(posts: int) -> str:
    return f"{posts:,}{'+' if posts >= calendar_queries.MOST_COUNTED else ''}"


@dataclass(slots=True)
class Day:
    """A day of the calendar."""

    date: date
    zone: ZoneInfo
    in_month: bool
    entries: list[Entry] = field(default_factory=list)
    total: int = 0
    slots: list[Slot] = field(default_factory=list)

    @property
    def more(self) -> int:
        """How many posts a cell of the month leaves out."""
        return max(self.total - IN_A_CELL, 0)

    @property
    def is_cut(self) -> bool:
        """Whether there are posts that were not read."""
        return self.total > len(self.entries)

    @property
    def total_text(self) -> str:
        """How many posts there are, as far as they are counted."""
        return _count(self.total)

    @property
    def more_text(self) -> str:
        """How many posts a cell of the month leaves out, as far as they are counted."""
        over = self.total >= calendar_queries.MOST_COUNTED
        return f"over {self.more - 1}" if over else f"+{self.more}"

    @property
    def hidden_concerns(self) -> int:
        """How many posts to look at a cell of the month leaves out."""
        return sum(bool(entry.concerns) for entry in self.entries[IN_A_CELL:])

    @property
    def summary(self) -> str:
        """What there is and what became of it, in words."""
        counts = Counter(entry.state for entry in self.entries)
        states = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in counts.most_common())
        noun = "post" if self.total == 1 else "posts"
        return (
            f"{self.total_text} {noun}: {states}."
            if not self.is_cut
            else f"{self.total_text} {noun}."
        )

    @property
    def change(self) -> str:
        """How clocks change on this day."""
        return calendar_rules.clock_change(self.date, self.zone)

    def at(self, hour: int) -> list[Entry]:
        """Return the posts of an hour."""
        return [entry for entry in self.entries if entry.local.hour == hour]

    def free_at(self, hour: int) -> list[Slot]:
        """Return the free times of an hour."""
        return [slot for slot in self.slots if slot.local.hour == hour]

    def skips(self, hour: int) -> bool:
        """Whether clocks go forward over an hour."""
        return calendar_rules.is_skipped(self.date, hour, self.zone)


@dataclass(frozen=True, slots=True)
class Board:
    """What the calendar shows."""

    choice: Choice
    now: datetime
    """In the person's zone."""
    days: list[Day]
    undated: list[Entry]
    accounts: list[AccountFacts]
    has_slots: bool

    @property
    def weeks(self) -> list[list[Day]]:
        """The days by week."""
        return [self.days[first : first + 7] for first in range(0, len(self.days), 7)]

    @property
    def today(self) -> date:
        """Where the person is."""
        return self.now.date()

    def proposed(self, day: Day) -> datetime:
        """Return a time for a new post on a day: the morning, today the next full hour."""
        morning = calendar_rules.at_hour(day.date, calendar_rules.WORK_BEGINS, day.zone)
        if morning > self.now:
            return morning
        return (self.now + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)

    @property
    def rows(self) -> list[calendar_rules.HourRow]:
        """The rows of a week."""
        used = [entry.local.hour for day in self.days for entry in day.entries]
        used += [slot.local.hour for day in self.days for slot in day.slots]
        return calendar_rules.hour_rows(used)

    @property
    def concerns(self) -> list[tuple[Entry, str]]:
        """Everything to look at, the earliest first."""
        return [(e, text) for day in self.days for e in day.entries for text in e.concerns]

    @property
    def is_empty(self) -> bool:
        """Whether there is no post on any of the days."""
        return not any(day.total for day in self.days)

    @property
    def cut(self) -> bool:
        """Whether there are posts that were not read."""
        return any(day.is_cut for day in self.days)

    @property
    def handles(self) -> dict[UUID, str]:
        """The accounts' names."""
        return {account.id: account.name for account in self.accounts}
