"""Room for running jobs, shared by the queues that one process serves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_SHARE = 10
"""Every so many grants the lowest hungry queue comes first, so that none starves."""
_CALM = 10.0
"""Seconds without need after which a slot of a range is given up again."""


class Guest(Protocol):
    """A queue that takes slots."""

    @property
    def hungry(self) -> bool:
        """Whether it may have due jobs that are not claimed."""
        ...

    def wake(self) -> None:
        """Look again whether there is room."""
        ...


@dataclass(eq=False)
class Slots:
    """So many jobs run at a time; a higher queue's come first.

    Args:
        least: slots always open.
        most: slots open while jobs wait.
    """

    least: int
    most: int

    def __post_init__(self) -> None:
        self.open = self.least
        self.used = 0
        self._guests: list[Guest] = []
        self._grants = 0
        self._calm_since = 0.0

    def join(self, guest: Guest) -> None:
        """Add a queue, the highest first."""
        self._guests.append(guest)

    def leave(self, guest: Guest) -> None:
        """Remove a queue."""
        self._guests.remove(guest)

    def room(self, guest: Guest, wanted: int) -> int:
        """Return how many jobs a queue may claim now, at most `wanted`."""
        free = min(self.open - self.used, wanted)
        if free <= 0:
            return 0
        if len(self._guests) > 1:
            hungry = [other for other in self._guests if other.hungry]
            first = hungry[-1 if self._grants % _SHARE == _SHARE - 1 else 0] if hungry else guest
            if first is not guest:
                first.wake()
                return 0
            self._grants += 1
        return free

    def take(self, count: int) -> None:
        """Reserve slots."""
        self.used += count

    def give_back(self, count: int) -> None:
        """Free slots, and tell whoever may need them."""
        self.used -= count
        for guest in self._guests:
            if guest.hungry:
                guest.wake()
                return

    def pass_on(self, guest: Guest) -> None:
        """Let the others look: this queue has nothing more to claim."""
        for other in self._guests:
            if other is not guest and other.hungry:
                other.wake()

    def adapt(self, now: float, clock: Callable[[], bool]) -> None:
        """Open one slot more while jobs wait for one; close one after a calm while.

        Args:
            now: seconds of a clock that only goes forward.
            clock: tells whether jobs wait.
        """
        if clock() and self.used >= self.open:
            self.open = min(self.open + 1, self.most)
            self._calm_since = now
        elif self.used >= self.open:
            self._calm_since = now
        elif now - self._calm_since > _CALM and self.open > self.least:
            self.open -= 1
