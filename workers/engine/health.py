"""`arq … --check`: is any worker of the queue alive, and does it take jobs?"""

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

from arq.connections import ArqRedis, create_pool
from arq.typing import WorkerSettingsType
from arq.worker import get_kwargs

from service.queue.backlog import HEALTH as HEALTH
from service.queue.backlog import backlogs
from service.queue.consuming import stuck
from service.queue.presence import workers

_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20

log = logging.getLogger(__name__)


def memory_mib() -> float:
    """Return how much memory this process has now; 0 where the system does not say (not Linux)."""
    try:
        resident = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0.0
    return int(resident) * _PAGE_MIB


def check_health(settings: WorkerSettingsType) -> int:
    """Return arq's exit code: 0 when a worker of the queue has said so lately, else 1.

    It is 1 too when a worker with a free slot leaves a job that has long been due.
    """
    known: dict[str, Any] = get_kwargs(settings)
    return asyncio.run(_check(known))


async def _check(known: dict[str, Any]) -> int:
    made = known.get("redis_pool")
    if made is None:
        redis = await create_pool(known.get("redis_settings"))
    else:
        redis = made if isinstance(made, ArqRedis) else made()
    queue = known.get("queue_name") or redis.default_queue_name
    pattern = known.get("health_check_key") or f"{queue}{HEALTH}*"
    try:
        async for key in redis.scan_iter(match=pattern):
            (backlog,) = await backlogs(redis, [queue])
            if (trouble := stuck(backlog, await workers(redis))) is not None:
                log.warning("%s", trouble)
                return 1
            log.info("healthy: %s", key.decode())
            return 0
    finally:
        await redis.aclose(close_connection_pool=True)
    log.warning("no worker of %s is alive", queue)
    return 1
