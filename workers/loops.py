"""What the maintenance process does besides jobs: loops, each in one process at a time."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from secrets import token_hex
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service.monitoring import rows
from service.posts import sweeping
from service.queue import QueueClient
from service.runtime import Runtime
from service.workflows import steering as workflows

EPOCH = "almanac:epoch"
"""A key that is missing when Redis has lost what it held."""
LOOK = 5.0
"""Seconds between two sweeps of durable jobs."""
PAUSE = 2.0
"""Seconds until a loop that failed, or is another process's, is tried again."""
SWEEP_LOCK = 0x616C6D03
"""PostgreSQL's advisory lock of whoever sweeps."""

log = logging.getLogger(__name__)


async def run_alone(
    runtime: Runtime, lock: int, name: str, work: Callable[[Runtime], Coroutine[Any, Any, None]]
) -> None:
    """Do endless work while no other process does, through every failure, until cancelled."""
    while True:
        try:
            await runtime.database.alone(lock, lambda: work(runtime))
        except (SQLAlchemyError, RedisError, OSError) as error:
            log.warning("%s stopped, and starts again: %s: %s", name, type(error).__name__, error)
        await asyncio.sleep(PAUSE)


async def sweep(runtime: Runtime) -> None:
    """Send what is open in PostgreSQL and missing in Redis; all of it as soon as Redis is wiped."""
    client = runtime.queue
    async with client.job_watch.keys(EPOCH) as changes:
        while True:
            await changes.arm()
            wiped = await _begin_epoch(client)
            sent = await rows.sweep(runtime, everything=wiped)
            await workflows.sweep(runtime)
            if wiped:
                counts = await sweeping.sweep(runtime)
                if sent or any(counts.values()):  # else it may just be new
                    log.warning("Redis was empty: %d jobs sent again", sent + sum(counts.values()))
            await changes.sleep(LOOK)


async def _begin_epoch(client: QueueClient) -> bool:
    """Return whether Redis has lost what it held, or is new."""
    return bool(await client.set(EPOCH, token_hex(8), nx=True))
