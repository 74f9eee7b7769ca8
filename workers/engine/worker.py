"""arq's worker with a connection that survives restarts and a health key of its own."""

import inspect
import os
import socket
from collections.abc import Callable
from typing import Any, ClassVar

import arq.worker
from arq.connections import ArqRedis


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
            self.health_check_key = f"{self.queue_name}:health:{socket.gethostname()}:{os.getpid()}"

    @property
    def grace(self) -> float:
        """Seconds that running jobs get when the worker is told to stop."""
        return self._job_completion_wait

    async def main(self) -> None:
        """Connect, then run until cancelled (or, in burst mode, until the queue is empty)."""
        if self._pool is None and self._connect is not None:
            self._pool = self._connect()
        await super().main()


def install() -> None:
    """Make `arq workers.<queue>.WorkerSettings` build this Worker: arq has no setting for it."""
    arq.worker.Worker = Worker  # type: ignore[misc] # the one documented place
