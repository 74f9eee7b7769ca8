"""Where jobs of every system report: files mapped into memory, so that it costs each the same.

A worker process has a file of its own with the number of jobs it has done and the instant of the
last (CLOCK_MONOTONIC, ns); one file holds the instant at which each numbered job started, another
the instant at which it was sent or due (CLOCK_REALTIME, ns). The clocks are those of one machine.
Reporting costs a job about half a microsecond.
"""

import mmap
import os
import threading
import time
from pathlib import Path

FOLDER = "ALMANAC_BENCH_BOARD"
"""The environment variable that names the folder."""
CAPACITY = 200_000
"""Numbered jobs at most."""
_WORD = 8


class Tally:
    """One worker process's report; opened by its first job, so that forked processes differ."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: memoryview | None = None
        self._starts: memoryview | None = None
        self._lock = threading.Lock()

    def done(self) -> None:
        """Count a job that has done its work."""
        with self._lock:
            if self._done is None:
                self._done = _mapped(self._folder / f"done-{os.getpid()}", 2)
            self._done[0] += 1
            self._done[1] = time.monotonic_ns()

    def started(self, number: int) -> None:
        """Note that the job of this number has started, and count it."""
        now = time.time_ns()
        if self._starts is None:
            self._starts = _mapped(self._folder / "started", CAPACITY)
        self._starts[number] = now
        self.done()


class Board:
    """The reader of all reports in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, memoryview] = {}

    def total(self) -> tuple[int, int]:
        """Return how many jobs are done, and when the last was, in ns of the monotonic clock."""
        for path in self._folder.glob("done-*"):
            if path.name not in self._open and path.stat().st_size:
                self._open[path.name] = _mapped(path, 2)
        views = self._open.values()
        return sum(view[0] for view in views), max((view[1] for view in views), default=0)

    def lags(self, first: int, count: int) -> list[float]:
        """Return for each job from number `first` on its start after its instant, in ms."""
        sent = _mapped(self._folder / "sent", CAPACITY)
        started = _mapped(self._folder / "started", CAPACITY)
        return [(started[i] - sent[i]) / 1e6 for i in range(first, first + count)]


def instants(folder: Path) -> memoryview:
    """Return what a sender fills: the instant at which each numbered job is sent or due."""
    return _mapped(folder / "sent", CAPACITY)


def _mapped(path: Path, words: int) -> memoryview:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.fstat(descriptor).st_size < words * _WORD:
            os.ftruncate(descriptor, words * _WORD)
        return memoryview(mmap.mmap(descriptor, words * _WORD)).cast("q")
    finally:
        os.close(descriptor)
