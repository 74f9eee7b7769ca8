"""A supervisor that tests look into; as a script, supervised.py FOLDER BEHAVIOUR, a process."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from service.kit.children import start
from service.kit.tasks import end
from tests.embedded.helpers import alive
from workers.engine.supervisor import Pace, Probe, Supervisor

CHILD = Path(__file__).with_name("child.py")
QUICK = Pace(probe=0.02, grow=0.1, shrink=0.2, young=10, pauses=(0, 0.05), kill=1)


@dataclass
class House:
    """A supervisor of `child.py` processes and what it does."""

    folder: Path
    behaviour: str
    releasing: Callable[[str], Awaitable[None]] | None = None
    begun: list[tuple[float, str]] = field(default_factory=list)
    released: list[str] = field(default_factory=list)

    def start(self, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """Start a child."""
        self.begun.append((time.monotonic(), environment["ALMANAC_INCARNATION"]))
        command = [sys.executable, "-S", str(CHILD), str(self.folder), self.behaviour]
        return start(command, {**os.environ, **environment})

    async def release(self, incarnation: str) -> None:
        """Take note of a release."""
        if self.releasing is not None:
            await self.releasing(incarnation)
        self.released.append(incarnation)

    def incarnation(self, number: int) -> str:
        """Return the name of a start."""
        return self.begun[number][1]

    async def pid(self, number: int) -> int:
        """Wait until the child of a start has begun to serve; return its process."""
        await until(lambda: len(self.begun) > number, 10)
        file = self.folder / self.incarnation(number)
        await until(file.exists, 10)
        return int(file.read_text().split()[0])

    def told(self, number: int) -> int:
        """Return how often a child was told to end."""
        return (self.folder / self.incarnation(number)).read_text().count("told")

    def running(self) -> list[int]:
        """Return the processes that run."""
        files = (self.folder / name for _, name in self.begun)
        pids = [int(file.read_text().split()[0]) for file in files if file.exists()]
        return [pid for pid in pids if alive(pid)]

    @asynccontextmanager
    async def supervised(
        self,
        minimum: int = 1,
        maximum: int | None = None,
        *,
        probe: Probe | None = None,
        pace: Pace = QUICK,
    ) -> AsyncIterator[tuple[Supervisor, "asyncio.Task[None]"]]:
        """Run a supervisor; at the end it is cancelled if it still runs."""
        supervisor = Supervisor(
            self.start, minimum, maximum, probe=probe, release=self.release, pace=pace
        )
        task = asyncio.create_task(supervisor.run())
        try:
            yield supervisor, task
        finally:
            await end(task)


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until a condition holds; fail when it does not within these seconds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it is about other processes
            await asyncio.sleep(0.005)


async def supervise(house: House) -> None:
    """Supervise two processes."""
    await Supervisor(house.start, 2, release=house.release, pace=QUICK).run()


def main(folder: str, behaviour: str) -> None:
    """Supervise, then write what was released."""
    house = House(Path(folder), behaviour)
    asyncio.run(supervise(house))
    Path(folder, "released").write_text(" ".join(house.released))


if __name__ == "__main__":
    main(*sys.argv[1:])
