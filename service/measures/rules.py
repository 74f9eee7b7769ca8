"""Pure rules of measuring: when a platform is asked, and what its figures say."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LADDER = ((timedelta(hours=48), HOUR), (timedelta(days=7), 6 * HOUR), (timedelta(days=30), DAY))
"""Up to which age of a post it is measured how often; nobody looks at it afterwards."""
DAILY = ((timedelta.max, DAY),)
"""For accounts: as long as they are connected."""
FIRST = LADDER[0][1]
"""After its publication a post is measured for the first time."""
ASKED_FOR = LADDER[-1][0]
FIRST_RETRY, SLOWEST_RETRY = timedelta(minutes=10), 6 * HOUR
LOOK_AGAIN = HOUR
"""After which a platform that does not find a post is asked once more before it is given up."""
SLACK = timedelta(minutes=30)
"""A measure is this much earlier or later than planned, and still counts as of a day ago."""
KEPT = timedelta(days=400)
"""A year and a month, to compare a month with the one of last year."""

Figures = Mapping[str, int]
Ladder = Sequence[tuple[timedelta, timedelta]]


class Measure(NamedTuple):
    """What was told at one instant."""

    at: datetime
    figures: Figures


def next_time(since: datetime, now: datetime, ladder: Ladder = LADDER) -> datetime | None:
    """Return the first instant after now at which to measure; None: never again.

    The instants are fixed: `since` and whole steps from the begin of each rung, so that a late
    run does not make all that follow later.

    Args:
        since: when the post was published, or the account connected.
        now: the present; what is before `since` counts as `since`.
        ladder: ages up to which there is a measure each so often, ascending.
    """
    age = max(now - since, timedelta(0))
    begin = timedelta(0)
    for end, step in ladder:
        if age < end:
            steps = (age - begin) // step + 1
            return since + min(begin + steps * step, end)
        begin = end
    return None


def retry_delay(failures: int) -> timedelta:
    """Return how long to wait after so many failures in a row, from 1."""
    doublings = min(failures - 1, 10)
    return min(FIRST_RETRY * (1 << doublings), SLOWEST_RETRY)


def change(series: Sequence[Measure], over: timedelta = DAY) -> dict[str, int]:
    """Return by how much each figure has changed, which may be less than nothing.

    Args:
        series: measures, the oldest first.
        over: compared is the newest with the newest that is older by this. A figure that either
            lacks is left out: what nobody told is not zero.
    """
    if not series:
        return {}
    newest = series[-1]
    before = [measure for measure in series if measure.at <= newest.at - over + SLACK]
    if not before:
        return {}
    old = before[-1].figures
    return {name: count - old[name] for name, count in newest.figures.items() if name in old}


def total(all_figures: Sequence[Figures]) -> dict[str, int]:
    """Return the sums of figures, each over those that have it."""
    sums: dict[str, int] = {}
    for figures in all_figures:
        for name, count in figures.items():
            sums[name] = sums.get(name, 0) + count
    return sums
