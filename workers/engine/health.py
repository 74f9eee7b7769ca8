"""`arq … --check`: is any worker of the queue alive?"""

import asyncio
import gc
import logging
import os
from pathlib import Path

from arq.connections import ArqRedis
from arq.typing import WorkerSettingsType
from arq.worker import get_kwargs

HEALTH = ":health:"
"""Between a queue's key and a worker's name: the key where that worker says that it is well."""

_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20

log = logging.getLogger(__name__)


def settle_memory() -> None:
    """Let the garbage collector pass over what was imported, and come less often.

    A job makes a few dozen objects that reference counts free; looking for cycles among all that a
    program has imported, hundreds of times a second, took a quarter of a worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def memory_mib() -> float:
    """Return how much memory this process has now; 0 where the system does not say (not Linux)."""
    try:
        resident = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0.0
    return int(resident) * _PAGE_MIB


def check_health(settings: WorkerSettingsType) -> int:
    """Return arq's exit code: 0 when a worker of the queue has said so lately, else 1."""
    known = get_kwargs(settings)
    return asyncio.run(_check(known["redis_pool"](), str(known["queue_name"])))  # type: ignore[operator] # arq types every setting so


async def _check(redis: ArqRedis, queue: str) -> int:
    try:
        async for key in redis.scan_iter(match=f"{queue}{HEALTH}*"):
            log.info("healthy: %s", key.decode())
            return 0
    finally:
        await redis.aclose(close_connection_pool=True)
    log.warning("no worker of %s is alive", queue)
    return 1
