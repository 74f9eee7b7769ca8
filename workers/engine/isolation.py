"""Jobs that crashed their worker before their last chance run alone in the process.

Otherwise the death of the process would be blamed on a neighbour. A process serves several queues,
so what counts is what all of its workers run.
"""

import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from workers.engine.running import Running

DRAIN = 30.0
"""Seconds for which a process starts nothing else, so that such a job finds it empty."""
LOOK_AGAIN = 1.0
"""Seconds between two looks at such a job while others run."""


class Isolation:
    """One queue's part in keeping lone jobs alone.

    Args:
        runs: what the queue's worker holds now.
        wake: has it look for jobs.
    """

    _in_this_process: ClassVar[set["Isolation"]] = set()

    def __init__(self, runs: Mapping[str, Running], wake: Callable[[], None]) -> None:
        self._runs = runs
        self._wake = wake
        self._drained_until = 0.0
        self._next_drain = 0.0
        self._in_this_process.add(self)

    @property
    def draining(self) -> bool:
        """Whether the process is to run empty, for a job of this queue."""
        return time.monotonic() < self._drained_until

    def room(self) -> int | None:
        """Return how many jobs may be claimed beside what runs; None: any number."""
        if any(other._lone for other in self._in_this_process):
            return 0
        if any(other.draining for other in self._in_this_process):
            return 1 if self.draining and self.nothing_runs() else 0
        return None

    def nothing_runs(self) -> bool:
        """Whether this process runs no job at all."""
        return not any(other._runs for other in self._in_this_process)

    def make_way(self) -> None:
        """Start nothing else for a while; then as long everything, whoever still waits."""
        now = time.monotonic()
        if now > self._next_drain:
            self._drained_until = now + DRAIN
            self._next_drain = now + 2 * DRAIN

    def made_way(self) -> None:
        """Nobody waits to run alone."""
        self._drained_until = 0.0

    def note_idle(self) -> None:
        """A queue's last job has ended: whoever waits for that may look."""
        for other in self._in_this_process:
            if other.draining:
                other._wake()

    def leave(self) -> None:
        """The worker stops."""
        self._in_this_process.discard(self)

    @property
    def _lone(self) -> bool:
        return len(self._runs) == 1 and next(iter(self._runs.values())).kind == "alone"
