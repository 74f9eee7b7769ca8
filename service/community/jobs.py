"""Jobs of the community."""

from datetime import date
from typing import Literal
from uuid import UUID

from service.errors import NotFound
from service.queue import JobCall, Queue, RetryPolicy, job

LIMIT, SOFT_LIMIT = 3600, 3000
"""Seconds. A run that is stopped goes on where it was when it is tried again."""
AGAIN = RetryPolicy(tries=4, delay=60, factor=1)
MAIL_AGAIN = RetryPolicy(tries=6, delay=30, jitter=0, permanent=(NotFound,))


@job(
    "community.welcome",
    queue=Queue.EMAILS,
    coroutine="workers.community.welcome",
    timeout=60,
    retry=MAIL_AGAIN,
)
async def welcome(member_id: UUID) -> bool:
    """Have a new member mailed that they are welcome, once; return whether it was by this run."""
    raise NotImplementedError


@job(
    "community.update_statistics",
    queue=Queue.ANALYTICS,
    coroutine="workers.community.update_statistics",
    timeout=LIMIT,
    soft_timeout=SOFT_LIMIT,
    retry=AGAIN,
)
async def update_statistics() -> dict[str, int]:
    """Count the followers, the followed and the posts of every member anew.

    Returns how many `members` were looked at, and the figures of how many `changed`.
    """
    raise NotImplementedError


@job(
    "community.update_scores",
    queue=Queue.ANALYTICS,
    coroutine="workers.community.update_scores",
    timeout=LIMIT,
    soft_timeout=SOFT_LIMIT,
    retry=AGAIN,
)
async def update_scores() -> dict[str, int]:
    """Compute the engagement score, by which the feed is ordered, of every post.

    Returns how many `posts` were looked at, and the scores of how many `changed`.
    """
    raise NotImplementedError


@job(
    "community.update_trending",
    queue=Queue.ANALYTICS,
    coroutine="workers.community.update_trending",
    timeout=300,
    retry=AGAIN,
)
async def update_trending() -> dict[str, int]:
    """Find the ten hashtags that were used most in the last 7 days.

    Returns how many are `trending`, and how many began or ceased to: `changed`.
    """
    raise NotImplementedError


@job(
    "community.analyse_day",
    queue=Queue.ANALYTICS,
    coroutine="workers.community.analyse_day",
    timeout=600,
    retry=AGAIN,
)
async def analyse_day(day: date | None = None) -> dict[str, int]:
    """Count what happened on a day of UTC, by default yesterday, and keep it as that day's row.

    A second run replaces the row. Returns the figures of the day.
    """
    raise NotImplementedError


@job(
    "community.clean_posts",
    queue=Queue.MAINTENANCE,
    coroutine="workers.community.clean_posts",
    timeout=LIMIT,
    soft_timeout=SOFT_LIMIT,
    retry=AGAIN,
)
async def clean_posts(
    *, dry_run: bool = True, mode: Literal["archive", "delete"] = "archive"
) -> dict[str, int]:
    """Archive or delete posts older than 365 days that nobody cared for.

    That is: no like, comment or share, and fewer than 10 views. A dry run only counts. Returns how
    many were `found`, `archived` and `deleted`.
    """
    raise NotImplementedError


@job(
    "community.send_digests",
    queue=Queue.EMAILS,
    coroutine="workers.community.send_digests",
    timeout=LIMIT,
    soft_timeout=SOFT_LIMIT,
    retry=MAIL_AGAIN,
)
async def send_digests() -> dict[str, int]:
    """Mail the week's top posts to every member who was active in the last 7 days.

    Once a week (ISO, UTC) to each of them, however often it runs; not to who opted out. Returns how
    many `members` were looked at, and to how many a digest was `sent`.
    """
    raise NotImplementedError


def welcome_call(member_id: UUID) -> JobCall:
    """Return the job that welcomes a member."""
    return welcome(member_id=member_id).deferred(job_id=f"welcome:{member_id}")
