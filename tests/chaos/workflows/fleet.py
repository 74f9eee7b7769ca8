"""Worker processes, of which one is killed now and then and replaced."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from service.config import Settings
from service.kit.tasks import end
from tests.e2e.processes import ALMANAC, Running, environment_of, running

WORKER = (sys.executable, "-m", "tests.chaos.workflows.jobs")


class Fleet:
    """Workers of one installation.

    Args:
        settings: of the installation.
        folder: for their output.
        workers: how many run at a time.
    """

    def __init__(self, settings: Settings, folder: Path, workers: int) -> None:
        # They are started elsewhere, and import the tests.
        root = str(Path(__file__).parents[3])
        self._environment = environment_of(settings, PYTHONPATH=root)
        self._folder = folder
        self._stack = ExitStack()
        self._members = [self._start() for _ in range(workers)]
        self._maintenance = self._run([*ALMANAC, "worker", "maintenance"])
        self.killed = 0

    def _run(self, command: list[str]) -> Running:
        return self._stack.enter_context(running(command, self._environment, self._folder))

    def _start(self) -> Running:
        return self._run(list(WORKER))

    def kill(self) -> None:
        """Kill one worker and start another."""
        chosen = random.randrange(len(self._members))
        self._members[chosen].process.send_signal(signal.SIGKILL)
        self._members[chosen] = self._start()
        self.killed += 1

    async def keep_killing(self, every: float, times: int) -> None:
        """Kill one worker after the other; `every` is in seconds."""
        for _ in range(times):
            await asyncio.sleep(every)
            self.kill()

    def output(self) -> str:
        """Return what the present workers have printed."""
        members = [*self._members, self._maintenance]
        return "\n".join(member.output[-2000:] for member in members)

    def wait_ready(self) -> None:
        """Wait until all serve."""
        for member in [*self._members, self._maintenance]:
            member.wait_for("worker ready")

    def close(self) -> None:
        """Kill all."""
        self._stack.close()


@asynccontextmanager
async def fleet(
    settings: Settings, folder: Path, workers: int, *, every: float, kills: int
) -> AsyncIterator[Fleet]:
    """Run workers and kill them meanwhile."""
    found = Fleet(settings, folder, workers)
    try:
        await asyncio.to_thread(found.wait_ready)
        killing = asyncio.create_task(found.keep_killing(every, kills))
        yield found
        await end(killing)
    finally:
        found.close()
