"""arq's worker with a connection that survives restarts and a health key of its own."""

import asyncio
import contextlib
import inspect
import logging
import os
import signal
import socket
from collections.abc import Callable
from typing import Any, ClassVar

import arq.cli
import arq.worker
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from workers.engine.health import HEALTH, check_health

log = logging.getLogger(__name__)


class Worker(arq.worker.Worker):
    """A drop-in for arq's Worker; takes the same arguments.

    `redis_pool` may also be a function that makes the pool, called when the worker starts.
    """

    # arq reads the names of the settings it takes from here.
    __signature__: ClassVar[inspect.Signature] = inspect.signature(arq.worker.Worker)

    def __init__(
        self,
        *args: Any,
        redis_pool: ArqRedis | Callable[[], ArqRedis] | None = None,
        **settings: Any,
    ) -> None:
        self._connect = redis_pool if not isinstance(redis_pool, ArqRedis) else None
        pool = redis_pool if isinstance(redis_pool, ArqRedis) else None
        super().__init__(*args, redis_pool=pool, **settings)
        if settings.get("health_check_key") is None:
            # arq's key is shared: the first worker of a queue to stop would delete it for all.
            process = f"{socket.gethostname()}:{os.getpid()}"
            self.health_check_key = f"{self.queue_name}{HEALTH}{process}"

    @property
    def grace(self) -> float:
        """Seconds that running jobs get when the worker is told to stop."""
        return self._job_completion_wait

    async def main(self) -> None:
        """Connect, then run until cancelled (or, in burst mode, until the queue is empty)."""
        if self._pool is None and self._connect is not None:
            self._pool = self._connect()
        await super().main()

    async def close(self) -> None:
        """Stop, shut down and disconnect, also when Redis is away.

        arq's own ends with the first job or command that fails, and leaves the rest open.
        """
        if not self._handle_signals:
            self.handle_sig(signal.SIGUSR1)
        ended = await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                log.warning("a job could not be finished; it will run again: %s", error)
        self.tasks.clear()
        if self._pool is None:
            return
        with contextlib.suppress(RedisError, OSError, TimeoutError):  # the key expires by itself
            async with asyncio.timeout(1):
                await self.pool.delete(self.health_check_key)
        if self.on_shutdown:
            await self.on_shutdown(self.ctx)
        await self.pool.aclose(close_connection_pool=True)
        self._pool = None


def install() -> None:
    """Make `arq workers.<queue>.WorkerSettings [--check]` use ours: arq has no setting for it."""
    arq.worker.Worker = Worker  # type: ignore[misc] # the one documented place
    arq.cli.check_health = check_health  # type: ignore[attr-defined, assignment] # likewise
