"""Measures an installation: a bounded number of reads, whatever there is to read."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from service.kit.clock import now
from service.monitoring import measure_queries as queries
from service.monitoring.measures import (
    HealthResult,
    Measures,
    QueueMeasures,
    RedisMeasures,
    RowMeasures,
    ScheduleMeasures,
)
from service.monitoring.queues import queue_keys
from service.queue import QueueClient, declared, queue_key
from service.queue.backlog import Backlog, backlogs, living
from service.queue.events import Offset, streams_with_events, unrecorded_since
from service.queue.presence import queue_name, workers
from service.runtime import Runtime
from service.schedules import queries as schedules

ANSWER = 5.0
"""Seconds that either server may take."""
HEALTH_JOB = "monitoring.health"
FRESH = timedelta(minutes=11)
"""For how long a result of the health job tells how things are: two of its turns."""
BACKUP_JOB = "backups.create"


async def measure(runtime: Runtime) -> Measures:
    """Measure everything; what does not answer in time is None."""
    try:
        async with asyncio.timeout(ANSWER), runtime.database.session() as session:
            rows, offsets = await _rows(session)
    except (SQLAlchemyError, OSError, TimeoutError):
        rows, offsets = None, None
    return Measures(now(), await redis_measures(runtime.queue, offsets), rows)


async def redis_measures(
    client: QueueClient, offsets: Mapping[str, Offset] | None = None
) -> RedisMeasures | None:
    """Measure Redis; None if it does not answer in time.

    Args:
        client: of its queues.
        offsets: up to where the events of each queue, by its key, are recorded.
    """
    try:
        async with asyncio.timeout(ANSWER):
            return await _redis(client, offsets)
    except (RedisError, OSError, TimeoutError):
        return None


async def _redis(client: QueueClient, offsets: Mapping[str, Offset] | None) -> RedisMeasures:
    keys = queue_keys()
    found = await backlogs(client, keys)
    async with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hgetall(f"{key}:counts")
        outcomes = await pipe.execute()
    serving = await living(client)
    info = cast("dict[str, Any]", await client.info())
    return RedisMeasures(
        queues=[
            _queue(backlog, serving.get(backlog.queue, 0), counts)
            for backlog, counts in zip(found, outcomes, strict=True)
        ],
        workers=await workers(client),
        version=str(info.get("valkey_version") or info["redis_version"]),
        memory=info["used_memory"],
        memory_limit=info["maxmemory"],
        policy=info["maxmemory_policy"],
        unrecorded_since=None if offsets is None else await _unrecorded(client, keys, offsets),
    )


def _queue(backlog: Backlog, serving: int, counts: Mapping[bytes, bytes]) -> QueueMeasures:
    has_jobs = backlog.queue in {queue_key(job.queue) for job in declared().values()}
    holds = backlog.waiting + backlog.running + backlog.deferred > 0
    return QueueMeasures(
        name=queue_name(backlog.queue),
        backlog=backlog,
        workers=serving,
        expected=has_jobs or holds or serving > 0,
        outcomes={outcome.decode(): int(count) for outcome, count in counts.items()},
    )


async def _unrecorded(
    client: QueueClient, keys: Sequence[str], offsets: Mapping[str, Offset]
) -> float | None:
    filled = await streams_with_events(client, keys)
    since = [await unrecorded_since(client, key, offsets.get(key, Offset())) for key in filled]
    return min((moment for moment in since if moment is not None), default=None)


async def _rows(session: AsyncSession) -> tuple[RowMeasures, Mapping[str, Offset]]:
    jobs = declared()
    durable = await queries.open_jobs(session)
    offsets = await queries.offsets(session)
    dead = Counter({queue_name(queue): n for queue, n in await queries.dead_jobs(session)})
    for name, number in await queries.dead_rows(session, list(jobs)):
        dead[jobs[name].queue] += number
    measures = RowMeasures(
        open_jobs={state: number for state, number, _ in durable},
        overdue_jobs=sum(overdue for *_, overdue in durable),
        dead_jobs=dead,
        schedules=[
            ScheduleMeasures(name, last, coming, int(missed))
            for name, last, coming, missed in await queries.schedules(session, list(jobs))
        ],
        heartbeat=await schedules.last_beat(session),
        lost_events={queue_name(row.queue): row.lost for row in offsets},
        backup_at=await queries.last_backup(session, BACKUP_JOB),
        health=_health(await queries.last_health(session, HEALTH_JOB)),
    )
    return measures, {row.queue: Offset(row.generation, row.last_id) for row in offsets}


def _health(found: tuple[int, datetime, Any] | None) -> HealthResult | None:
    if found is None:
        return None
    stride, at, result = found
    fresh = now() - at <= FRESH * stride and isinstance(result, dict)
    checks = result["checks"] if fresh else ()
    failing = {check["name"]: check["detail"] for check in checks if not check["ok"]}
    return HealthResult(at, stride, failing)
