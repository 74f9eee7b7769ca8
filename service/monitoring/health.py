"""Whether everything is there that Almanac needs, with what tells why not."""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from service.monitoring import lookup
from service.monitoring.measures import RedisMeasures
from service.monitoring.measuring import redis_measures
from service.queue import Queue
from service.runtime import Runtime
from service.schedules import queries as schedules

LEAST_FREE = 100_000_000
"""Bytes that the media folder's disk should have free."""
SILENT = 60.0
"""Seconds without a look for ticks after which nobody seems to tick."""
MEMORY = 0.9
"""Share of Redis's memory limit above which it is nearly full."""
MIB = 2**20


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    seconds: float
    """That the look took."""


async def look(runtime: Runtime) -> list[Check]:
    """Look at PostgreSQL, Redis, storage, workers and maintenance, one after the other."""
    servers: dict[str, str] = {}
    redis: RedisMeasures | None = None

    async def database() -> tuple[bool, str]:
        servers.update(await lookup.readiness(runtime))
        return servers["database"] == "ok", servers["database"]

    async def queue() -> tuple[bool, str]:
        nonlocal redis
        redis = await redis_measures(runtime.queue)
        return _of_redis(redis)

    async def storage() -> tuple[bool, str]:
        return await asyncio.to_thread(_of_storage, runtime.settings.media_folder)

    async def workers() -> tuple[bool, str]:
        return _of_workers(redis)

    async def maintenance() -> tuple[bool, str]:
        return await _of_maintenance(runtime)

    looks: Mapping[str, Callable[[], Awaitable[tuple[bool, str]]]] = {
        "database": database,
        "redis": queue,
        "storage": storage,
        "workers": workers,
        "maintenance": maintenance,
    }
    return [await _timed(name, check) for name, check in looks.items()]


async def _timed(name: str, check: Callable[[], Awaitable[tuple[bool, str]]]) -> Check:
    begun = time.monotonic()
    ok, detail = await check()
    return Check(name, ok, detail, round(time.monotonic() - begun, 4))


def _of_redis(redis: RedisMeasures | None) -> tuple[bool, str]:
    if redis is None:
        return False, "Redis does not answer"
    text = f"version {redis.version}, {redis.memory / MIB:.1f} MiB in use"
    if redis.memory_limit and redis.memory > MEMORY * redis.memory_limit:
        return False, f"{text}: nearly all of its limit of {redis.memory_limit / MIB:.1f} MiB"
    return True, text


def _of_storage(folder: Path) -> tuple[bool, str]:
    """Write a file where media are kept, and look how much room is left."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"health")
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(nearest).free
    except OSError as error:
        return False, f"cannot write {nearest}: {error.strerror}"
    text = f"{folder} is writable, {free / MIB:.0f} MiB are free"
    return free >= LEAST_FREE, text


def _of_workers(redis: RedisMeasures | None) -> tuple[bool, str]:
    """Say which queues with jobs nobody serves, or nobody in truth."""
    if redis is None:
        return False, "unknown while Redis does not answer"
    reasons = [text for text in map(redis.unserved, redis.queues) if text is not None]
    alive = sum(queue.workers for queue in redis.queues)
    return not reasons, "; ".join(reasons) or f"{alive} workers are alive"


async def _of_maintenance(runtime: Runtime) -> tuple[bool, str]:
    """Say how long ago anybody looked for ticks of schedules."""
    try:
        age = await _since_last_tick(runtime)
    except (SQLAlchemyError, OSError, TimeoutError):
        return False, "unknown while PostgreSQL does not answer"
    if age is None:
        return False, "nobody has ever ticked: start 'almanac worker maintenance'"
    return age < SILENT, f"schedules were looked at {age:.0f} s ago"


async def _since_last_tick(runtime: Runtime) -> float | None:
    async with asyncio.timeout(lookup.CHECK_TIMEOUT), runtime.database.session() as session:
        return await schedules.last_beat(session)


async def beside(runtime: Runtime) -> dict[str, Any]:
    """Return what a probe is told besides whether the API is ready; nothing without Redis.

    `redis` is its version, memory and policy, `maintenance` whether such a process lives, and
    `scheduler` how many seconds ago any process looked for ticks.
    """
    redis = await redis_measures(runtime.queue)
    if redis is None:
        return {}
    try:
        age = await _since_last_tick(runtime)
    except (SQLAlchemyError, OSError, TimeoutError):
        age = None
    return {
        "redis": {
            "version": redis.version,
            "memory_mib": round(redis.memory / MIB, 1),
            "memory_limit_mib": round(redis.memory_limit / MIB, 1),
            "policy": redis.policy,
        },
        "maintenance": any(q.name == Queue.MAINTENANCE and q.workers for q in redis.queues),
        "scheduler": None if age is None else round(age, 1),
    }
