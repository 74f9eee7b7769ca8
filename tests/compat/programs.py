"""Worker processes: arq's own command, with its own Worker or with ours in its place."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from service.kit.process import dying_with_us

STOCK = "from arq.cli import cli; cli()"
OURS = "from workers.engine import install; install(); from arq.cli import cli; cli()"
SETTINGS = "tests.compat.plain.Settings"
_ROOT = Path(__file__).parents[2]


@dataclass
class Programs:
    """Starts `arq SETTINGS OPTIONS` and reads what its jobs have noted."""

    socket: Path
    ledger: Path
    pickled: bool = False
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(
        self, code: str, *options: str, settings: str = SETTINGS, name: str = ""
    ) -> subprocess.Popen[str]:
        """Start a process; `name` is what its jobs sign with."""
        process = subprocess.Popen(
            [sys.executable, "-c", code, settings, *options],
            cwd=_ROOT,
            env=os.environ
            | {
                "COMPAT_SOCKET": str(self.socket),
                "COMPAT_LEDGER": str(self.ledger),
                "COMPAT_NAME": name or ("ours" if code == OURS else "stock"),
            }
            | ({"COMPAT_PICKLED": "1"} if self.pickled else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=dying_with_us(signal.SIGKILL),  # noqa: PLW1509 - system calls only
        )
        self.running.append(process)
        return process

    async def ended(self, process: subprocess.Popen[str], seconds: float = 20) -> tuple[int, str]:
        """Wait for a process's end; return its code and output."""
        output, _ = await asyncio.to_thread(process.communicate, timeout=seconds)
        return process.returncode, output

    def lines(self, first: str) -> list[list[str]]:
        """Return the rest of the noted lines that begin with this word."""
        text = self.ledger.read_text() if self.ledger.exists() else ""
        return [words[1:] for line in text.splitlines() if (words := line.split())[0] == first]

    async def ready(self, count: int) -> None:
        """Wait until so many workers serve."""
        await until(lambda: len(self.lines("ready")) >= count)

    def close(self) -> None:
        """End what still runs."""
        for process in self.running:
            process.kill()
            process.communicate()


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.02)


@contextmanager
def started(url: str, folder: Path, *, pickled: bool = False) -> Iterator[Programs]:
    """Have programs on a server until the block ends."""
    programs = Programs(Path(url.removeprefix("unix://")), folder / "ledger", pickled)
    try:
        yield programs
    finally:
        programs.close()
