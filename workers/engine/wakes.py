"""Whether it is worth asking for jobs: hunger, and how often it may be for nothing."""

import asyncio
import time
from collections.abc import Callable

_FUTILE_PER_SECOND = 1.0
_FUTILE_AT_ONCE = 20.0


class Wakes:
    """Remembers whether there may be due jobs.

    A write to the queue wakes every idle worker of it, and all but one come too late. Each such
    futile claim costs a token; a worker out of tokens answers wake-ups only as fast as they come
    back, so that two hundred idle workers do not ask for each job two hundred times.

    Args:
        ring: called when there may be something to do.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._tokens = _FUTILE_AT_ONCE
        self._counted = time.monotonic()
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
        if self._refilled() >= 1:
            self.feed()
        else:
            self._later = self._loop.call_later((1 - self._tokens) / _FUTILE_PER_SECOND, self._now)

    def ate(self) -> None:
        """A claim is sent."""
        self._heard_since = False

    def digest(self, *, found: bool, more: bool) -> None:
        """A claim was answered: whether with jobs, and whether there may be more."""
        if not found:
            self._tokens = self._refilled() - 1
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

    def _refilled(self) -> float:
        now = time.monotonic()
        grown = (now - self._counted) * _FUTILE_PER_SECOND
        self._tokens = min(_FUTILE_AT_ONCE, self._tokens + grown)
        self._counted = now
        return self._tokens
