"""Whether it is worth asking for jobs: hunger, and how often it may be for nothing."""

import asyncio
import time
from collections.abc import Callable

_FIRST_GAP = 0.001
_GROWTH = 1.5
_LONGEST_GAP = 1.0
_MOST = 18.0
"""Futile claims after which the gap is the longest: 1.5^17 ms is about a second."""
_RELIEF = 5.0
"""Futile claims that one which found jobs makes up for."""


class Wakes:
    """Remembers whether there may be due jobs.

    A write to the queue wakes every idle worker of it, and all but one come too late. After a
    futile claim wake-ups are answered only after a gap, which grows by half with each further one
    up to a second, so that two hundred idle workers do not ask for each job two hundred times. A
    claim that finds jobs shortens the gap, and so does time. While many jobs are sent for later,
    the gap is a third of the time that this has lasted: a job's time is known before it comes.

    Args:
        ring: called when there may be something to do.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._futile = 0.0
        """Futile claims of late."""
        self._last_futile = 0.0
        self._later: asyncio.TimerHandle | None = None
        self._heard_since = False
        self.hungry = False

    def feed(self) -> None:
        """There may be due jobs, for another reason than a wake-up."""
        self.hungry = True
        self._ring()

    def hear(self) -> None:
        """Somebody wrote to the queue."""
        self._heard_since = True
        if self._later is not None:
            return
        wait = self._last_futile + self._gap() - time.monotonic()
        if wait <= 0:
            self.feed()
        else:
            self._later = self._loop.call_later(wait, self._now)

    def ate(self) -> None:
        """A claim is sent."""
        self._heard_since = False

    def digest(self, *, found: bool, more: bool) -> None:
        """A claim was answered: whether with jobs, and whether there may be more."""
        if found:
            self._futile = max(0.0, self._futile - _RELIEF)
        else:
            now = time.monotonic()
            rested = (now - self._last_futile) / _LONGEST_GAP
            self._futile = min(max(0.0, self._futile - rested) + 1, _MOST)
            self._last_futile = now
        self.hungry = more or (self._heard_since and self.hungry and found)
        if self._heard_since and not self.hungry:
            self.hear()

    def close(self) -> None:
        """Ring no more."""
        if self._later is not None:
            self._later.cancel()

    def _now(self) -> None:
        self._later = None
        self.feed()

    def _gap(self) -> float:
        """Return the seconds between a futile claim and the answer to the next wake-up."""
        return float(min(_FIRST_GAP * _GROWTH ** (self._futile - 1), _LONGEST_GAP))
