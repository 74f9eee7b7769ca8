"""Worker processes that a scenario starts, stops and kills."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from service.kit.process import dying_with_us
from tests.chaos.engine.ledger import Ledger
from tests.chaos.engine.options import Options

REPOSITORY = Path(__file__).parents[3]
OURS = "tests.chaos.engine.worker_program"
STOCK = "tests.chaos.engine.stock_program"
START = 20
"""Seconds within which a worker must be ready."""


@dataclass(eq=False)
class Member:
    """One worker process."""

    process: subprocess.Popen[bytes]
    log: Path
    hurt: bool = False
    """Whether the scenario has killed it or told it to end."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def output(self) -> str:
        """What it has logged."""
        return self.log.read_text(errors="replace")

    @property
    def last_line(self) -> str:
        """The last line it has logged; of an exception its type and text."""
        return (self.output.splitlines() or [""])[-1]

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    async def ended(self, seconds: float = 20) -> int | None:
        """Wait for its end and return the exit code, or None when it goes on."""
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.01)
        return self.process.returncode


class Fleet:
    """Starts workers on one queue; ends all of them when it is closed."""

    def __init__(self, folder: Path, ledger: Ledger, redis_url: str, lease: float) -> None:
        self._folder = folder
        self._ledger = ledger
        self._redis_url = redis_url
        self._lease = lease
        self.members: list[Member] = []

    async def start(
        self,
        count: int = 1,
        *,
        program: str = OURS,
        environment: dict[str, str] | None = None,
        wait: bool = True,
        **options: Any,
    ) -> list[Member]:
        """Start workers and wait until they are ready.

        Args:
            count: how many processes.
            program: the module to run.
            environment: added to this process's.
            wait: return only when they are ready.
            options: fields of `Options`.
        """
        given: dict[str, Any] = {
            "redis_url": self._redis_url,
            "ledger": str(self._ledger.path),
            "lease": self._lease,
        }
        text = msgspec.json.encode(Options(**(given | options))).decode()
        started = [self._spawn(program, text, environment or {}) for _ in range(count)]
        for member in started if wait else []:
            await self.ready(member)
        return started

    async def ready(self, member: Member) -> None:
        """Wait until a worker has said that it has started."""
        deadline = time.monotonic() + START
        while member.pid not in {pid for pid, *_ in self._ledger.notes("ready")}:
            assert member.running, f"the worker ended at its start\n{member.output}"
            assert time.monotonic() < deadline, f"no worker in {START} s\n{member.output}"
            await asyncio.sleep(0.02)

    def kill(self, member: Member) -> None:
        """SIGKILL a worker, wait for its end and write the fault."""
        member.hurt = True
        member.process.kill()
        member.process.wait()
        self._ledger.fault("kill", member.pid)

    def note_death(self, member: Member) -> None:
        """Write the fault of a worker that has killed itself, or was killed by its job."""
        member.hurt = True
        self._ledger.fault("death", member.pid)

    async def kill_randomly(self, every: float, times: int, **options: Any) -> None:
        """Kill a random worker and start another in its place, so many times."""
        chosen = random.Random(1)
        for _ in range(times):
            await asyncio.sleep(every)
            self.kill(chosen.choice([member for member in self.members if member.running]))
            await self.start(wait=False, **options)

    async def keep(self, count: int, **options: Any) -> None:
        """Keep so many workers running, as a supervisor does, until this task is cancelled."""
        while True:
            for member in self.members:
                if not member.running and not member.hurt:
                    self.note_death(member)
            missing = count - sum(member.running for member in self.members)
            await self.start(missing, wait=False, **options)
            await asyncio.sleep(0.02)

    def unexpected_ends(self) -> list[Member]:
        """Return the workers that ended although nobody hurt them."""
        return [m for m in self.members if not m.running and not m.hurt]

    def close(self) -> None:
        """Kill all that run."""
        for member in self.members:
            if member.running:
                member.process.kill()
            member.process.wait()

    def _spawn(self, program: str, text: str, environment: dict[str, str]) -> Member:
        log = self._folder / f"worker{len(self.members)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", program, text],
                cwd=REPOSITORY,
                env=os.environ | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=dying_with_us(signal.SIGKILL),  # noqa: PLW1509 - system calls only
            )
        member = Member(process, log)
        self.members.append(member)
        return member
