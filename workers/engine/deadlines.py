"""Time limits of running jobs: one timer for all, since most jobs end before it comes."""

import asyncio
import time
from collections.abc import Callable, Sequence

from workers.engine.running import Running, Stop

AFTER_LIMIT = 5.0
"""Seconds that a job gets after its hard limit; then its lease ends and its slot is free."""
_TICK = 0.05
"""Seconds between two looks: by so much a job may overrun its limit."""


class Deadlines:
    """Stops jobs at their limits.

    Args:
        running: what is held now.
        give_up: called with a job that still runs `AFTER_LIMIT` beyond its hard limit.
    """

    def __init__(
        self, running: Callable[[], Sequence[Running]], give_up: Callable[[Running], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._running = running
        self._give_up = give_up
        self._timer: asyncio.TimerHandle | None = None

    def arm(self, run: Running, timeout: float) -> None:
        """Set the limits of a job that starts now; `timeout` is the hard one, in seconds."""
        now = time.monotonic()
        if run.job is not None and run.job.soft_timeout is not None:
            run.soft_at = now + run.job.soft_timeout
        run.hard_at = now + timeout
        run.renewable_until = run.hard_at + AFTER_LIMIT
        if self._timer is None:
            self._timer = self._loop.call_later(_TICK, self._look)

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now = time.monotonic()
        runs = self._running()
        for run in runs:
            if now >= run.hard_at + AFTER_LIMIT:
                self._give_up(run)
            elif now >= run.hard_at:
                run.interrupt(Stop.HARD_LIMIT)
            elif now >= run.soft_at:
                run.interrupt(Stop.SOFT_LIMIT)
        self._timer = self._loop.call_later(_TICK, self._look) if runs else None
