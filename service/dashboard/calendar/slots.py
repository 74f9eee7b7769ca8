"""Pure rules: free times of accounts, at the hours at which they usually publish."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from service.dashboard.calendar.rules import comes_twice, exists

DEFAULT_HOURS = (9, 12, 17)
MOST_HOURS = 3
SEEN_OFTEN = 2
"""Posts that make an hour a usual one."""
APART = timedelta(hours=2)
"""Between a free time and the account's other posts."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A time at which these accounts are free."""

    local: datetime
    accounts: tuple[UUID, ...]

    @property
    def path(self) -> str:
        """Where a post for this time is written."""
        return compose_path(self.local, self.accounts)


def compose_path(local: datetime, accounts: Iterable[UUID] = ()) -> str:
    """Return the address of the composer for a time and accounts."""
    pairs = [("at", f"{local:%Y-%m-%dT%H:%M}"), *(("account", str(one)) for one in accounts)]
    return f"/posts/new?{urlencode(pairs, safe=':')}"


def usual_hours(published: Iterable[datetime], zone: ZoneInfo) -> tuple[int, ...]:
    """Return the hours at which an account usually publishes, else hours that suit most."""
    counts = Counter(at.astimezone(zone).hour for at in published)
    often = [hour for hour, count in counts.most_common(MOST_HOURS) if count >= SEEN_OFTEN]
    return tuple(sorted(often)) or DEFAULT_HOURS


def free_slots(
    days: Sequence[date],
    hours: Mapping[UUID, Sequence[int]],
    taken: Mapping[UUID, Sequence[datetime]],
    now: datetime,
    zone: ZoneInfo,
) -> dict[date, list[Slot]]:
    """Return the free times of each day, the earliest first.

    Args:
        days: in the zone.
        hours: at which each account usually publishes.
        taken: when something goes out through each account.
        now: nothing before it is free.
        zone: of days and hours.
    """
    found: dict[date, list[Slot]] = {}
    for day in days:
        by_hour: dict[int, list[UUID]] = {}
        for account, usual in hours.items():
            for hour in usual:
                local = datetime.combine(day, time(hour), zone)
                if _is_free(local, taken.get(account, ()), now):
                    by_hour.setdefault(hour, []).append(account)
        found[day] = [
            Slot(datetime.combine(day, time(hour), zone), tuple(by_hour[hour]))
            for hour in sorted(by_hour)
        ]
    return found


def _is_free(local: datetime, taken: Sequence[datetime], now: datetime) -> bool:
    if not exists(local) or comes_twice(local):
        return False
    # Two times of one zone would be compared by their clocks.
    at = local.astimezone(UTC)
    return at > now and all(abs(at - other) >= APART for other in taken)
