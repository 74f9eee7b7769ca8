"""When a supervisor adds a process and when it ends one."""

from dataclasses import dataclass


@dataclass(slots=True)
class Scaling:
    """Follows the backlog between two bounds, one process at a time.

    Args:
        minimum: processes that always run.
        maximum: processes that ever run.
        grow_after: seconds for which ready jobs must wait unclaimed.
        shrink_after: seconds for which none must have waited.
    """

    minimum: int
    maximum: int
    grow_after: float
    shrink_after: float
    _busy_since: float | None = None
    _quiet_since: float | None = None

    def decide(self, now: float, ready: int, running: int) -> int:
        """Return the change: 1, 0 or -1 processes. After a change the wait begins anew.

        Args:
            now: seconds of a clock that only goes forward.
            ready: jobs that are due and claimed by nobody.
            running: processes that run and were not told to end.
        """
        if ready:
            self._quiet_since = None
            self._busy_since = now if self._busy_since is None else self._busy_since
            if running < self.maximum and now - self._busy_since >= self.grow_after:
                self._busy_since = now
                return 1
            return 0
        self._busy_since = None
        self._quiet_since = now if self._quiet_since is None else self._quiet_since
        if running > self.minimum and now - self._quiet_since >= self.shrink_after:
            self._quiet_since = now
            return -1
        return 0
