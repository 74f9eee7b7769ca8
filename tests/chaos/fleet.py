"""Worker processes of a queue, of which the oldest is killed now and then."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.processes import ALMANAC


class Fleet:
    """Workers of one queue.

    Args:
        queue: that they serve.
        environment: of the processes.
        folder: where they run and write their logs.
    """

    def __init__(self, queue: str, environment: Mapping[str, str], folder: Path) -> None:
        self._command = [*ALMANAC, "worker", queue]
        self._environment, self._folder = dict(environment), folder
        self._workers: list[subprocess.Popen[bytes]] = []
        self._started = 0

    def start(self) -> None:
        """Start a worker."""
        self._started += 1
        with (self._folder / f"worker-{self._started}.log").open("wb") as log:
            self._workers.append(
                subprocess.Popen(
                    self._command,
                    env=self._environment,
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def kill(self) -> None:
        """Kill the oldest worker, and all that it has started."""
        worker = self._workers.pop(0)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def end(self, seconds: float = 30) -> int:
        """Tell the oldest worker to stop, and wait for it; return its exit status."""
        worker = self._workers.pop(0)
        worker.terminate()
        return worker.wait(seconds)

    @property
    def last_words(self) -> str:
        """The end of the youngest worker's log."""
        log = self._folder / f"worker-{self._started}.log"
        return log.read_text(errors="replace")[-3_000:]

    def stop(self) -> None:
        """Kill all."""
        while self._workers:
            self.kill()
