"""A periodic rule: which job, when."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """When a job without arguments runs; None means every one. Times are UTC.

    `weekday` counts from Monday = 0.
    """

    job: str
    minute: int | None = None
    hour: int | None = None
    day: int | None = None
    weekday: int | None = None
