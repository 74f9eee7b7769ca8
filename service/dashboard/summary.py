"""The line of numbers on every page: what needs a person comes first."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller, Scope
from service.kit.clock import now
from service.kit.pagination import Page
from service.monitoring import alert_queries, dead_queries
from service.monitoring.queues import queue_keys
from service.notifications import own_queries
from service.posts import counting_queries
from service.queue.backlog import backlogs
from service.runtime import Runtime

FRESH = 2.0
"""Seconds for which numbers are shown again, however many pages somebody has open."""
ANSWER = 1.0
"""Seconds that Redis may take; a page does not wait for its numbers."""
MOST_USERS = 1000
MOST_DEAD = 1000
MOST_ALERTS = 100
MOST_UNREAD = 100


@dataclass(frozen=True, slots=True)
class Number:
    """A number that leads to what it counts."""

    one: str
    """What it counts, of one; likewise `many`."""
    many: str
    value: int
    path: str
    most: int = 0
    """Counting ended here; 0: it did not."""
    bad: bool = False
    """Whether it is bad for this to be more than none."""

    @property
    def title(self) -> str:
        """What it counts, of so many."""
        return self.one if self.value == 1 else self.many

    @property
    def text(self) -> str:
        """The number as it is shown."""
        return f"{self.value:,}{'+' if 0 < self.most <= self.value else ''}"


_kept: dict[tuple[int, str], tuple[float, Sequence[Number]]] = {}
"""By installation and user: when, and what was counted."""


async def numbers(runtime: Runtime, caller: Caller) -> Sequence[Number]:
    """Return the numbers that a caller may see, not older than `FRESH`."""
    key, moment = (id(runtime), caller.name), time.monotonic()
    if key in _kept and moment - _kept[key][0] < FRESH:
        return _kept[key][1]
    if len(_kept) >= MOST_USERS:
        _kept.clear()
    found = await _count(runtime, caller)
    _kept[key] = moment, found
    return found


async def _count(runtime: Runtime, caller: Caller) -> list[Number]:
    sees_posts = caller.may(Scope.POSTS_READ)
    sees_jobs = caller.may(Scope.JOBS_READ)
    moment = now()
    async with runtime.database.session() as session:
        posts = await _posts(session, caller, moment) if sees_posts else []
        jobs = await _jobs(session, caller) if sees_jobs else []
        own = await _own(session, caller)
    return [*posts, *jobs, *own, *(await _queues(runtime) if sees_jobs else [])]


async def _posts(session: AsyncSession, caller: Caller, moment: datetime) -> list[Number]:
    found = await counting_queries.counts(session, caller, moment)
    most = counting_queries.MOST_COUNTED
    return [
        Number("failed post", "failed posts", found.failed, "/posts?show=failed", most, bad=True),
        Number("late post", "late posts", found.late, "/posts?show=late", most, bad=True),
        Number("post in 24 h", "posts in 24 h", found.scheduled, "/calendar", most),
    ]


async def _jobs(session: AsyncSession, caller: Caller) -> list[Number]:
    dead = await dead_queries.count(session, caller, MOST_DEAD)
    alerts = await alert_queries.list_alerts(session, Page(MOST_ALERTS), is_open=True)
    return [
        Number("dead job", "dead jobs", dead, "/dead", MOST_DEAD, bad=True),
        Number("alert", "alerts", len(alerts.items), "/alerts", MOST_ALERTS, bad=True),
    ]


async def _own(session: AsyncSession, caller: Caller) -> list[Number]:
    unread = await own_queries.count_unread(session, caller, MOST_UNREAD)
    path = "/notifications/mine"
    return [Number("notification", "notifications", unread, path, MOST_UNREAD)]


async def _queues(runtime: Runtime) -> list[Number]:
    try:
        async with asyncio.timeout(ANSWER):
            found = await backlogs(runtime.queue, queue_keys())
    except (RedisError, OSError, TimeoutError):  # the page is about it, or can do without
        return []
    waiting, running = (sum(q.waiting for q in found), sum(q.running for q in found))
    return [
        Number("waiting", "waiting", waiting, "/jobs?q=state:queued"),
        Number("running", "running", running, "/jobs?q=state:running"),
    ]


def forget() -> None:
    """Count anew at the next page."""
    _kept.clear()
