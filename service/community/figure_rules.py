"""What is counted of the community, and how: weights, spans of time and limits."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

DAY: Final = timedelta(days=1)
LIKE, COMMENT, SHARE, VIEW = 3, 5, 7, 1
"""Points in the engagement score. Each whole day since the post takes a tenth of them away."""
LEAST_TENTHS = 1
"""A tenth stays for ever: from the ninth day on a score changes with the counters only."""

TRENDING_FOR: Final = timedelta(days=7)
TRENDING_MOST = 10
"""Hashtags that trend: by uses in that time, then by all uses, then by name."""

OLD_AFTER: Final = timedelta(days=365)
FEW_VIEWS = 10
"""An older post with fewer views, and no like, comment or share, may go."""

TOP_POSTS = 10
"""Of a day, or of a week: public ones by likes, then comments, then the newest first."""
ACTIVE_WITHIN: Final = timedelta(days=7)
"""Digests go to members who were active in this time, and hold what was posted in it."""
FOLLOWED_POSTS = 3
"""Posts of those whom a member follows, beside the week's top posts."""
EXCERPT = 200
"""Characters of a post that a digest quotes."""


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """Return the first instant of a day of UTC, and that of the next."""
    begin = datetime.combine(day, time(), UTC)
    return begin, begin + DAY


def yesterday(moment: datetime) -> date:
    """Return the day of UTC before the one of this instant."""
    return (moment.astimezone(UTC) - DAY).date()


def week_of(moment: datetime) -> str:
    """Return the ISO 8601 week of an instant in UTC, as `2026-W07`."""
    year, week, _ = moment.astimezone(UTC).isocalendar()
    return f"{year}-W{week:02}"


def excerpt(content: str) -> str:
    """Return a post on one line, cut at a word where it is longer than `EXCERPT`."""
    line = " ".join(content.split())
    if len(line) <= EXCERPT:
        return line
    cut = line[:EXCERPT]
    head, space, _ = cut.rpartition(" ")
    return (head if space else cut) + "…"
