"""What production refuses of its servers; `Settings.refusals` is what it refuses of settings."""

import logging

from redis.exceptions import RedisError

from service.errors import ConfigurationError
from service.runtime import Runtime

log = logging.getLogger(__name__)


async def refuse_evicting_redis(runtime: Runtime) -> None:
    """Make sure that Redis never drops jobs to make room.

    A Redis that is away is not refused: requests succeed without it, and workers wait for it.

    Raises:
        ConfigurationError: production's Redis would.
    """
    if not runtime.settings.production:
        return
    try:
        memory = await runtime.queue.info("memory")
    except (RedisError, OSError) as error:
        log.warning("whether Redis evicts keys is unknown, it does not answer: %s", error)
        return
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise ConfigurationError(
            f"Refused in production: Redis has maxmemory-policy {policy} and would drop jobs when "
            "its memory is full: set maxmemory-policy to noeviction"
        )
