"""Serve one or several queues in one process."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from typing import Any

import arq.worker
from arq.typing import WorkerSettingsBase

from service.kit.memory import settle_memory
from workers.engine.processes import close_processes
from workers.engine.slots import Slots
from workers.engine.supervisor import RECYCLED
from workers.engine.worker import Worker, install

log = logging.getLogger(__name__)


class Server:
    """Runs a worker for each settings class until it is told to stop.

    With several queues and `max_jobs` given, the queues share so many slots: those of the first
    class go first, and a tenth of the turns is left to the last that has work. Without it each has
    its own.

    Args:
        settings: WorkerSettings classes, the most urgent queue first.
        overrides: arguments of Worker that replace those of every class.
    """

    def __init__(self, settings: Sequence[type[WorkerSettingsBase]], **overrides: Any) -> None:
        self._settings = settings
        self._overrides = overrides
        if len(settings) > 1 and "max_jobs" in overrides:
            most = overrides["max_jobs"]
            overrides["slots"] = Slots(overrides.get("min_jobs") or most, most)
        self._workers: list[Worker] = []

    async def run(self) -> bool:
        """Run; SIGTERM and SIGINT let running jobs finish, a second one lets go of them.

        Returns whether it stopped because the process is to be replaced.
        """
        loop = asyncio.get_running_loop()
        install()
        self._workers = [self._worker(found) for found in self._settings]
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(self._serve(worker))
        finally:
            await close_processes()
        return any(worker.recycled for worker in self._workers)

    def _worker(self, settings: type[WorkerSettingsBase]) -> Worker:
        # By the name that Sentry and others replace, to see the errors of functions.
        worker = arq.worker.create_worker(settings, **{**self._overrides, "handle_signals": False})
        assert isinstance(worker, Worker)
        return worker

    def _stop(self, number: signal.Signals) -> None:
        for worker in self._workers:
            worker.handle_sig(number)

    async def _serve(self, worker: Worker) -> None:
        try:
            await worker.async_run()
        finally:
            await worker.close()
        if worker.recycled:
            self._stop(signal.SIGTERM)


async def serve(settings: Sequence[type[WorkerSettingsBase]], **overrides: Any) -> None:
    """Serve these queues until SIGTERM or SIGINT; see `Server`.

    Raises SystemExit with `RECYCLED` when the process is to be replaced.
    """
    settle_memory()
    if await Server(settings, **overrides).run():
        raise SystemExit(RECYCLED)
