"""Serve one or several queues in one process, through restarts of Redis."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from typing import Any

from arq.typing import WorkerSettingsBase
from arq.worker import get_kwargs
from redis.exceptions import RedisError

from workers.engine.worker import Worker

RECONNECT = 1.0
"""Seconds between a lost connection and the next start."""

log = logging.getLogger(__name__)


class Server:
    """Runs a worker for each settings class until it is told to stop."""

    def __init__(self, settings: Sequence[type[WorkerSettingsBase]], **overrides: Any) -> None:
        self._settings = [{**get_kwargs(found), **overrides} for found in settings]
        self._workers: list[Worker] = []
        self._endings: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(self) -> None:
        """Run; SIGTERM and SIGINT let running jobs finish, a second one lets go of them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        async with asyncio.TaskGroup() as group:
            for settings in self._settings:
                group.create_task(self._keep_serving(settings))

    def _stop(self) -> None:
        first, self._stopping = not self._stopping, True
        for worker in self._workers:
            grace = worker.grace if first else 0
            ending = asyncio.get_running_loop().create_task(_end(worker, grace))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    async def _keep_serving(self, settings: dict[str, Any]) -> None:
        while not self._stopping:
            try:
                await self._serve(settings)
            except (RedisError, OSError) as error:
                log.warning("queue away, starting again: %s", error)
                await asyncio.sleep(RECONNECT)

    async def _serve(self, settings: dict[str, Any]) -> None:
        worker = Worker(**{**settings, "handle_signals": False})
        self._workers.append(worker)
        try:
            await worker.async_run()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._workers.remove(worker)
            await worker.close()


async def _end(worker: Worker, grace: float) -> None:
    """Give running jobs so many seconds, then cancel whatever is left."""
    worker.allow_pick_jobs = False
    if jobs := [task for task in worker.tasks.values() if not task.done()]:
        _, late = await asyncio.wait(jobs, timeout=grace)
        for task in late:
            task.cancel()
    # Libraries lose a cancellation now and then, so one is not enough.
    while worker.main_task is not None and not worker.main_task.done():
        worker.main_task.cancel()
        await asyncio.wait([worker.main_task], timeout=0.2)


async def serve(settings: Sequence[type[WorkerSettingsBase]], **overrides: Any) -> None:
    """Serve these queues until SIGTERM or SIGINT.

    Args:
        settings: WorkerSettings classes.
        overrides: arguments of arq's Worker that replace those of every class.
    """
    await Server(settings, **overrides).run()
