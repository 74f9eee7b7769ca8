"""How far a workflow is, and when it will have ended."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol


class Step(Protocol):
    """What is asked of a step, in an order in which they can run."""

    @property
    def key(self) -> str:
        """Its name."""
        ...

    @property
    def after(self) -> Sequence[str]:
        """What it comes after."""
        ...

    @property
    def state(self) -> str:
        """Where it is."""
        ...

    @property
    def released_at(self) -> datetime | None:
        """When its predecessors had ended."""
        ...


def percent(told: int, steps: int) -> int:
    """Return progress from 0 to 100, which is 100 only at the end.

    Args:
        told: the sum of what the steps tell, 100 for each that has succeeded.
        steps: how many there are.
    """
    return told // steps if steps else 0


def estimated_finish(
    steps: Sequence[Step], durations: Mapping[str, float], now: datetime
) -> datetime | None:
    """Return when the last step will have ended if each takes as long as it usually did.

    Args:
        steps: those that a step comes after stand before it.
        durations: seconds from a step's release to its end, by key.
        now: nothing ends earlier.

    Returns None when a step is not known from earlier runs, or will not run.
    """
    ends: dict[str, datetime] = {}
    for step in steps:
        if step.state == "succeeded":
            ends[step.key] = now
            continue
        if step.key not in durations or step.state not in ("waiting", "running"):
            return None
        released = step.released_at if step.state == "running" else None
        start = released or max((ends[key] for key in step.after), default=now)
        ends[step.key] = max(now, start + timedelta(seconds=durations[step.key]))
    return max(ends.values(), default=None)
