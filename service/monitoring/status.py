"""How jobs have fared, who ran them, what waits, and whether anybody is there for it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import RedisError

from service.db import outbox
from service.kit.clock import now
from service.monitoring import status_queries
from service.queue import declared, queue_key
from service.queue.backlog import Backlog, backlogs, living
from service.runtime import Runtime

ANSWER = 5.0
"""Seconds that Redis may take to tell of its queues."""


@dataclass(slots=True)
class Ends:
    """How many runs ended well, and how many did not."""

    succeeded: int = 0
    failed: int = 0

    @property
    def rate(self) -> float:
        """The share of successes; a group without an end is never made."""
        return self.succeeded / (self.succeeded + self.failed)


async def status(runtime: Runtime, period: timedelta) -> dict[str, Any]:
    """Return the report of a period up to now, as JSON has it.

    Ends are counted by who ran the jobs (`queue` or `inline`), by name and by day (UTC). Queues are
    those of all declared jobs, as they are now. Raises SQLAlchemy's errors.
    """
    since = now() - period
    async with runtime.database.session() as session:
        ended = await status_queries.tallies(session, since)
        waiting = {row[0]: (row[1], row[2]) for row in await outbox.oldest_due(session)}
    groups: dict[str, dict[str, Ends]] = {"paths": {}, "jobs": {}, "days": {}}
    for day, name, path, state, count in ended:
        for group, key in (("paths", path or "unknown"), ("jobs", name), ("days", str(day))):
            ends = groups[group].setdefault(key, Ends())
            if state == "succeeded":
                ends.succeeded += count
            else:
                ends.failed += count
    return {
        "since": since.isoformat(),
        **{group: _shown(found) for group, found in groups.items()},
        "queues": await _queues(runtime, waiting),
    }


def _shown(found: Mapping[str, Ends]) -> dict[str, dict[str, Any]]:
    return {key: {**asdict(found[key]), "rate": round(found[key].rate, 4)} for key in sorted(found)}


async def _queues(
    runtime: Runtime, rows: Mapping[str, tuple[int, datetime]]
) -> dict[str, dict[str, Any]]:
    """Describe each queue by what Redis has of it and what the rows say, which may be more."""
    keys = sorted({queue_key(job.queue) for job in declared().values()} | rows.keys())
    workers: Mapping[str, int] | None = None
    found: Sequence[Backlog] = [Backlog(key, 0, 0, paused=False) for key in keys]
    try:
        async with asyncio.timeout(ANSWER):
            found = await backlogs(runtime.queue, keys)
            workers = await living(runtime.queue)
    except (RedisError, OSError, TimeoutError):
        pass  # the rows tell what waits
    return {
        queue.queue.removeprefix("almanac:"): _queue(queue, rows.get(queue.queue), workers)
        for queue in found
    }


def _queue(
    queue: Backlog, row: tuple[int, datetime] | None, workers: Mapping[str, int] | None
) -> dict[str, Any]:
    rows_wait, since = row or (0, now())
    serving = None if workers is None else workers.get(queue.queue, 0)
    problems = {None: "Redis does not answer", 0: "no living worker"}
    return {
        "waiting": max(queue.waiting, rows_wait),
        "oldest": round(max(queue.oldest, (now() - since).total_seconds()), 1),
        "workers": serving,
        "paused": queue.paused,
        "problem": problems.get(serving),
    }
