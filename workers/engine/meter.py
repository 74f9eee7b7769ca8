"""What measures a worker: told of each end, and what to look at meanwhile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from workers.engine.ending import Ending
from workers.engine.running import Running


@dataclass(frozen=True, slots=True)
class Vitals:
    """How a worker is, at one instant.

    Attributes:
        queue: its key.
        running: jobs that it holds.
        slots: jobs that it may run at a time, as of now.
        lag: the longest that its event loop was late lately, in seconds.
        round_trips: calls to Redis that were answered, ever.
        lease_losses: runs whose outcome nobody took, ever.
    """

    queue: str
    running: int
    slots: int
    lag: float
    round_trips: int
    lease_losses: int


METER = "almanac.meter"
"""Where a worker's context holds its meter."""


class Meter(Protocol):
    """Measures a worker; `on_startup` may put one into the context under `METER`."""

    def watch(self, vitals: Callable[[], Vitals]) -> Callable[[], None]:
        """Take note of a worker; return what makes it forgotten.

        Args:
            vitals: tells how it is; may be called from another thread.
        """
        ...

    def ended(self, queue: str, run: Running, end: Ending) -> None:
        """Count an outcome that Redis has taken; called for each, so it must be quick."""
        ...


def watch(ctx: Mapping[Any, Any], vitals: Callable[[], Vitals]) -> Callable[[], None]:
    """Have a context's meter, if there is one, take note of a worker; return what ends that."""
    meter: Meter | None = ctx.get(METER)
    return meter.watch(vitals) if meter is not None else lambda: None
