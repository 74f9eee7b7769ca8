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
        self._settings = settings
        self._overrides = overrides
        self._workers: dict[type[WorkerSettingsBase], Worker] = {}
        self._stopping = False

    async def run(self) -> None:
        """Run; SIGTERM and SIGINT let running jobs finish, a second one lets go of them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        async with asyncio.TaskGroup() as group:
            for settings in self._settings:
                group.create_task(self._keep_serving(settings))

    def _stop(self, number: signal.Signals) -> None:
        first, self._stopping = not self._stopping, True
        for worker in self._workers.values():
            if first:
                worker.handle_sig_wait_for_completion(number)
            else:
                worker.handle_sig(number)

    async def _keep_serving(self, settings: type[WorkerSettingsBase]) -> None:
        while not self._stopping:
            try:
                await self._serve(settings)
            except (RedisError, OSError) as error:
                log.warning("queue away, starting again: %s", error)
                await asyncio.sleep(RECONNECT)

    async def _serve(self, settings: type[WorkerSettingsBase]) -> None:
        worker = Worker(**{**get_kwargs(settings), **self._overrides, "handle_signals": False})
        self._workers[settings] = worker
        try:
            await worker.async_run()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            await worker.close()


async def serve(settings: Sequence[type[WorkerSettingsBase]], **overrides: Any) -> None:
    """Serve these queues until SIGTERM or SIGINT.

    Args:
        settings: WorkerSettings classes.
        overrides: arguments of arq's Worker that replace those of every class.
    """
    await Server(settings, **overrides).run()
