"""Queues as people see them: what waits, who is there, how fast it goes, what is wrong."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import NotFound, Unavailable
from service.kit.clock import now
from service.monitoring import queue_queries
from service.monitoring.measure_queries import dead_jobs, dead_rows
from service.monitoring.queue_queries import Pace
from service.monitoring.queues import queue_keys
from service.queue import declared, queue_key
from service.queue.backlog import Backlog, backlogs, living
from service.queue.presence import queue_name
from service.runtime import Runtime

PERIOD = timedelta(hours=1)
"""Of the history that rate, waits and durations come from."""
ANSWER = 5.0
"""Seconds that Redis may take to tell of its queues."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds that half of the jobs, and 95 % of them, stay below."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue as it is now."""

    name: str
    depth: int
    """Ids in the queue, as Redis counts them."""
    ready: int
    """Jobs that are due and run nowhere."""
    running: int
    deferred: int
    """Jobs whose time is still to come, those between two tries included."""
    dead: int
    """Jobs that are not tried again by themselves, wherever they are kept."""
    oldest_age: float
    """Seconds since the first ready job was due."""
    rate: float
    """Runs that ended, per minute, over the last hour or the last 1,000 runs."""
    wait: Percentiles | None
    """From the sending of a job, or its replay, to its start; of those runs."""
    duration: Percentiles | None
    workers: int
    paused: bool
    problem: str | None
    """What keeps its jobs from running, in words."""


@dataclass(frozen=True, slots=True)
class ServerView:
    """The server that holds the queues."""

    name: str
    """`valkey` or `redis`."""
    version: str
    used_memory: int
    """Bytes."""
    max_memory: int
    """Bytes; 0: no limit."""
    policy: str
    """What it does when memory is full; anything but `noeviction` may lose jobs."""
    clients: int
    uptime: int
    """Seconds."""


@dataclass(frozen=True, slots=True)
class _Pace:
    rate: float = 0.0
    wait: Percentiles | None = None
    duration: Percentiles | None = None


async def queues(runtime: Runtime) -> list[QueueView]:
    """Return all queues, by name: those of Almanac and of declared jobs, and those with workers.

    Four round trips to Redis and three statements, whatever waits. Raises Unavailable when Redis
    does not answer in time, else redis-py's errors and SQLAlchemy's.
    """
    async with _in_time():
        served = await living(runtime.queue)
        keys = sorted({*queue_keys(), *served})
        found = await backlogs(runtime.queue, keys)
    moment = now()
    names = [queue_name(key) for key in keys]
    async with runtime.database.session() as session:
        dead = await _dead(session)
        rows = await queue_queries.paces(session, names, moment - PERIOD)
    paces = {row.queue: _paced(moment, row) for row in rows}
    return [_view(each, served, dead, paces.get(queue_name(each.queue), _Pace())) for each in found]


async def _dead(session: AsyncSession) -> Counter[str]:
    """Count what PostgreSQL has of dead jobs, by the key of their queue."""
    jobs = declared()
    dead = Counter({row[0]: row[1] for row in await dead_jobs(session)})
    for name, number in await dead_rows(session, list(jobs)):
        dead[queue_key(jobs[name].queue)] += number
    return dead


async def queue(runtime: Runtime, name: str) -> QueueView:
    """Return one queue.

    Raises NotFound when there is none of this name, else as `queues`.
    """
    for view in await queues(runtime):
        if view.name == name:
            return view
    raise NotFound(f"There is no queue '{name}'")


async def load(runtime: Runtime, name: str) -> int:
    """Return how many jobs of a queue are ready or run.

    Raises NotFound when there is none of this name, else redis-py's errors.
    """
    (found,) = await backlogs(runtime.queue, [await known_key(runtime, name)])
    return found.waiting + found.running


async def known_key(runtime: Runtime, name: str) -> str:
    """Return the key of a queue; raise NotFound when there is none of this name."""
    for key in {*queue_keys(), *await living(runtime.queue)}:
        if queue_name(key) == name:
            return key
    raise NotFound(f"There is no queue '{name}'")


async def server(runtime: Runtime) -> ServerView:
    """Return how the server of the queues is; raises as `queues`."""
    async with _in_time():
        info = await runtime.queue.info()
    valkey = info.get("valkey_version")
    return ServerView(
        name="valkey" if valkey else "redis",
        version=str(valkey or info["redis_version"]),
        used_memory=info["used_memory"],
        max_memory=info["maxmemory"],
        policy=info["maxmemory_policy"],
        clients=info["connected_clients"],
        uptime=info["uptime_in_seconds"],
    )


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Wait for Redis, but not as long as its client would try again."""
    try:
        async with asyncio.timeout(ANSWER):
            yield
    except TimeoutError as error:
        raise Unavailable(f"Redis did not answer within {ANSWER:g} s") from error


def _paced(moment: datetime, row: Pace) -> _Pace:
    period = PERIOD if row.runs < queue_queries.SAMPLE else moment - row.since
    minutes = max(period.total_seconds(), 1) / 60
    return _Pace(round(row.runs / minutes, 2), _seconds(row.wait), _seconds(row.duration))


def _seconds(found: Sequence[float] | None) -> Percentiles | None:
    return Percentiles(*(round(float(seconds), 3) for seconds in found)) if found else None


def _view(
    queue: Backlog, served: Mapping[str, int], dead: Mapping[str, int], pace: _Pace
) -> QueueView:
    workers = served.get(queue.queue, 0)
    return QueueView(
        name=queue_name(queue.queue),
        depth=queue.depth,
        ready=queue.waiting,
        running=queue.running,
        deferred=queue.deferred,
        dead=queue.dead + dead.get(queue.queue, 0),
        oldest_age=round(queue.oldest, 1),
        rate=pace.rate,
        wait=pace.wait,
        duration=pace.duration,
        workers=workers,
        paused=queue.paused,
        problem=_problem(queue, workers),
    )


def _problem(queue: Backlog, workers: int) -> str | None:
    if not (queue.waiting or queue.deferred):
        return None
    if queue.paused:
        return "paused"
    return None if workers else "no living worker"
