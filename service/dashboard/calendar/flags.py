"""Pure rules: what about planned and past posts a person should look at."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from service.dashboard.calendar.entries import Entry, Target
from service.dashboard.formats import duration
from service.posts.models import DUE_STATES, DeliveryState, Hold

TOO_CLOSE = timedelta(minutes=15)
"""Between two posts to one account."""
A_DAY = timedelta(hours=24)
LATE = timedelta(minutes=1)
Planned = tuple[datetime, Entry, Target]


def flag(entries: Sequence[Entry], now: datetime) -> None:
    """Write to each entry what is to be said of it.

    Args:
        entries: the earliest first; two of one account may stand in each other's way.
        now: the present instant.
    """
    by_account: dict[object, list[Planned]] = defaultdict(list)
    for entry in entries:
        for target in entry.targets:
            entry.failures += _failures(target)
            entry.warnings += _warnings(target, now)
            if target.state != DeliveryState.CANCELLED:
                by_account[target.account.id].append((entry.at, entry, target))
    for planned in by_account.values():
        planned.sort(key=lambda one: one[0])
        _flag_close(planned)
        _flag_too_many(planned)


def _failures(target: Target) -> Iterable[str]:
    name = target.account.name
    if target.state == DeliveryState.FAILED:
        yield f"{name} failed: {target.error or 'no reason was given'}"
    elif target.state == DeliveryState.UNCONFIRMED:
        yield f"Nobody knows whether {name} took it: look there"


def _warnings(target: Target, now: datetime) -> Iterable[str]:
    """Yield what one delivery needs, whatever else is planned."""
    name = target.account.name
    if target.state == DeliveryState.HELD and target.hold == Hold.LATE:
        yield f"{name} did not get it in time: publish it all the same, move it, or cancel it"
    elif target.state == DeliveryState.HELD and target.hold == Hold.OWNER:
        yield f"{name} does not get it: the post's owner may not publish any more"
    elif target.state == DeliveryState.HELD or (target.is_open and not target.account.connected):
        yield f"{name} must be connected again before anything goes out"
    elif target.state in DUE_STATES and target.next_run_at < now - LATE:
        yield f"Late: {name} should have had it {duration(now - target.next_run_at)} ago"


def _flag_close(planned: Sequence[Planned]) -> None:
    for (before, earlier, one), (after, later, other) in pairwise(planned):
        if after - before >= TOO_CLOSE or not (one.is_open or other.is_open):
            continue
        marked = later if other.is_open else earlier
        gap = f"Only {duration(after - before)} from" if after > before else "At the same time as"
        marked.warnings.append(f"{gap} another post to {one.account.name}")


def _flag_too_many(planned: Sequence[Planned]) -> None:
    within: deque[datetime] = deque()
    for at, entry, target in planned:
        within.append(at)
        while within[0] <= at - A_DAY:
            within.popleft()
        most = target.account.posts_per_day
        if most is not None and len(within) > most and target.is_open:
            title = target.account.platform_title
            entry.warnings.append(
                f"{title} takes {most} posts in 24 hours from one account: "
                f"this is number {len(within)} for {target.account.handle}"
            )
