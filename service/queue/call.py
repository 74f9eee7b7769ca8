"""One job to be sent: what to call, when, and what it must not meet."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

Lane = Literal["high", "normal", "low"]
LANES: tuple[Lane, ...] = get_args(Lane)


class JobCall(msgspec.Struct, frozen=True):
    """One job to be sent: a function by name with its arguments.

    `job_id` makes it unique, else it gets a random one; `run_at` (aware) is when it may start, else
    at once; `lane` is its priority within the queue; `headers` travel beside the arguments.
    `unique_for`, `debounce` and `key` are set by `unique` and `debounced`. Raises ValueError for a
    naive `run_at`, an unknown lane and for periods that contradict each other.
    """

    name: str
    queue: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}
    job_id: str | None = None
    run_at: datetime | None = None
    headers: Mapping[str, str] = {}
    lane: Lane = "normal"
    unique_for: float | None = None
    debounce: float | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if self.run_at is not None and self.run_at.tzinfo is None:
            raise ValueError(f"run_at {self.run_at} of job {self.name} has no time zone")
        if self.lane not in LANES:
            raise ValueError(f"job {self.name}: lane is {self.lane!r}; it is one of {LANES}")
        if self.unique_for is not None or self.debounce is not None:
            self._check_period()

    def deferred(self, until: datetime | None = None, job_id: str | None = None) -> "JobCall":
        """Return the same call with another time to start and, where given, another id."""
        return msgspec.structs.replace(self, run_at=until, job_id=job_id or self.job_id)

    def in_lane(self, lane: Lane) -> "JobCall":
        """Return the same call in another lane than the declared one."""
        return msgspec.structs.replace(self, lane=lane)

    def unique(self, for_seconds: float, key: str | None = None) -> "JobCall":
        """Return the same call, refused if one of this key was queued in the last seconds.

        The refusal outlasts the end of the earlier job, and ids do not matter.

        Args:
            for_seconds: how long after it was queued the first call refuses others.
            key: what counts as the same; by default the arguments. A sensitive job needs one, since
                a digest of its arguments would tell of them.
        """
        return msgspec.structs.replace(self, unique_for=for_seconds, key=key)

    def debounced(self, seconds: float, key: str | None = None) -> "JobCall":
        """Return the same call, to run so many seconds after the last call of its key.

        A job of this key that still waits for its first run is moved and gets the new arguments
        instead of a second job; one that has begun is left alone and a new one is queued.

        Args:
            seconds: from the last call to the run.
            key: what counts as the same; by default all calls of the job.
        """
        return msgspec.structs.replace(self, debounce=seconds, key=key)

    def _check_period(self) -> None:
        if self.unique_for is not None and self.debounce is not None:
            raise ValueError(f"job {self.name} is either unique or debounced, not both")
        if self.debounce is not None and self.run_at is not None:
            raise ValueError(f"job {self.name} is debounced: the last call says when, not run_at")
        seconds = self.unique_for if self.unique_for is not None else self.debounce
        if seconds is None or not 0.001 <= seconds < math.inf:
            raise ValueError(f"job {self.name}: {seconds} is no period; it is at least 0.001 s")
