"""Dead jobs by what they died of: the newest of them, however many there are."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from redis.exceptions import RedisError

from service.access.caller import Caller
from service.monitoring import dead, dead_queries
from service.monitoring.dead_queries import FailedRow, KeptDeath, Wanted
from service.monitoring.dead_rules import group_key, pattern, short_class
from service.monitoring.queues import queue_keys
from service.queue import DeadJob, DecodeError, declared
from service.queue.codec import parse_failure
from service.queue.presence import queue_name
from service.queue.sealing import MASK
from service.runtime import Runtime

NEWEST = 3000
"""Dead jobs that are grouped."""
NEWEST_IN_REDIS = 200
"""Of each queue: Redis keeps only what PostgreSQL could not take."""
EXAMPLES = 3


class Death(NamedTuple):
    """What one job died of."""

    died_at: datetime
    id: str
    name: str
    queue: str
    """Its name."""
    kind: str
    """Class of the error, without its module."""
    pattern: str


@dataclass(slots=True)
class Group:
    """Jobs that died of the same."""

    key: str
    kind: str
    pattern: str
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    names: Counter[str] = field(default_factory=Counter)
    queues: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    """Of its jobs, the latest first."""

    def add(self, death: Death) -> None:
        """Count a job; they come the latest first."""
        self.count += 1
        self.first = death.died_at
        self.last = self.last or death.died_at
        self.names[death.name] += 1
        self.queues[death.queue] += 1
        self.ids.append(death.id)


@dataclass(frozen=True, slots=True)
class Groups:
    """The newest dead jobs by what they died of, the group with the latest death first."""

    items: Sequence[Group]
    looked_at: int
    """Dead jobs that were grouped."""
    more: bool
    """Whether there are older ones, which were not."""
    redis_away: bool = False
    """Whether those that Redis keeps are missing."""

    def find(self, key: str) -> Group | None:
        """Return a group by its key."""
        return next((group for group in self.items if group.key == key), None)


async def groups(runtime: Runtime, caller: Caller, wanted: Wanted) -> Groups:
    """Group the newest dead jobs that match and exist for the caller.

    Raises InvalidInput for a queue that cannot be.
    """
    keys = queue_keys(wanted.queue)
    async with runtime.database.session() as session:
        rows = await dead_queries.failed_causes(session, caller, wanted, NEWEST + 1)
        others = await dead_queries.kept_causes(session, caller, wanted, NEWEST + 1)
    away = False
    in_redis: list[list[DeadJob]] = []
    try:
        reads = (dead.in_redis(runtime, caller, key, wanted, NEWEST_IN_REDIS) for key in keys)
        in_redis = await asyncio.gather(*reads)
    except (RedisError, OSError):  # PostgreSQL has nearly all
        away = True
    found = [*_of_rows(rows), *_of_others(others), *_of_redis(chain.from_iterable(in_redis))]
    found.sort(reverse=True)
    newest = found[:NEWEST]
    return Groups(_grouped(newest), len(newest), len(found) > NEWEST, away)


def _grouped(deaths: Iterable[Death]) -> list[Group]:
    found: dict[tuple[str, str], Group] = {}
    for death in deaths:
        of = (death.kind, death.pattern)
        if of not in found:
            found[of] = Group(group_key(*of), *of)
        found[of].add(death)
    return list(found.values())


def _of_rows(rows: Iterable[FailedRow]) -> Iterator[Death]:
    for row in rows:
        kind, _, message = (row.error or "").partition(": ")
        yield Death(row.died_at, row.id, row.name, queue_name(row.queue), kind, pattern(message))


def _of_others(rows: Iterable[KeptDeath]) -> Iterator[Death]:
    for row in rows:
        kind = short_class(row.error_type)
        text = pattern(_message(row))
        yield Death(row.died_at, row.id, row.name, queue_name(row.queue), kind, text)


def _message(row: KeptDeath) -> str:
    job = declared().get(row.name)
    if job is not None and job.sensitive:
        return MASK
    try:
        return parse_failure(row.error).message if row.error else ""
    except DecodeError:  # of another release: its class is known all the same
        return ""


def _of_redis(jobs: Iterable[DeadJob]) -> Iterator[Death]:
    for job in jobs:
        last = job.attempts[-1] if job.attempts else None
        kind = short_class(last.type) if last else ""
        text = pattern(last.message) if last else ""
        view = job.view
        name = queue_name(view.queue)
        yield Death(job.died_at, view.job_id, view.function, name, kind, text)
