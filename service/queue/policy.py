"""What a job's declaration says about failing and waiting: retries, rate, concurrency."""

import math
from dataclasses import dataclass
from typing import Literal

ErrorTypes = tuple[type[BaseException], ...]
Busy = Literal["wait", "skip"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a job that raised runs again: exponential backoff, as far as its error allows.

    The n-th retry waits `delay · factor^(n-1)` seconds, at most `cap`, changed at random by up to
    the share `jitter` either way. Which errors retry is decided by the nearest base class of the
    error that is listed, whether in `permanent` or in `transient`; an error of no listed class is
    permanent. A run beyond its time limit raises TimeoutError.

    Args:
        tries: runs at most, the first one included.
        delay: seconds before the second run.
        factor: by which each wait is longer than the one before.
        cap: the longest wait in seconds, before jitter.
        jitter: from 0 (none) to 1.
        permanent: errors that end the job at once.
        transient: errors after which it runs again.

    Raises ValueError that names the field when the values contradict each other.
    """

    tries: int = 5
    delay: float = 1.0
    factor: float = 2.0
    cap: float = 3600.0
    jitter: float = 0.1
    permanent: ErrorTypes = ()
    transient: ErrorTypes = (Exception,)

    def __post_init__(self) -> None:
        _require(self.tries >= 1, f"tries is {self.tries}; the first run is one, so at least 1")
        _require(0 <= self.delay < math.inf, f"delay is {self.delay}; it is in seconds, from 0")
        _require(1 <= self.factor < math.inf, f"factor is {self.factor}; it is at least 1")
        _require(
            self.delay <= self.cap < math.inf,
            f"cap is {self.cap}; it is in seconds and at least delay, which is {self.delay}",
        )
        _require(0 <= self.jitter <= 1, f"jitter is {self.jitter}; it is a share from 0 to 1")
        if both := [kind.__name__ for kind in self.permanent if kind in self.transient]:
            raise ValueError(f"RetryPolicy: {', '.join(both)} is both in permanent and transient")

    def delay_before(self, run: int, error: BaseException | None, random: float) -> float | None:
        """Return the seconds until the next run, or None when there is none.

        Args:
            run: tries used so far, the one that failed included.
            error: what the run raised; its `retry_after`, in seconds, outranks the backoff and
                the cap. None: a failure without an exception, which is transient.
            random: from 0 to 1, chooses within the jitter.
        """
        if run >= self.tries or (error is not None and not self._is_transient(error)):
            return None
        asked = _retry_after(error)
        if asked is not None:
            return asked
        return self._backoff(run) * (1 + self.jitter * (2 * random - 1))

    def _is_transient(self, error: BaseException) -> bool:
        for kind in type(error).__mro__:
            if kind in self.permanent:
                return False
            if kind in self.transient:
                return True
        return False

    def _backoff(self, run: int) -> float:
        try:
            return min(self.cap, self.delay * self.factor ** (run - 1))
        except OverflowError:  # the power is beyond a float; so is the wait, if there is one
            return self.cap if self.delay else 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many starts of a job in a time.

    Args:
        limit: starts allowed.
        per: seconds in which they are allowed.
        key: name of the parameter whose values are limited each on its own; None: all together.

    Raises ValueError that names the field.
    """

    limit: int
    per: float
    key: str | None = None

    def __post_init__(self) -> None:
        _require_limit("Rate", self.limit)
        if not 0 < self.per < math.inf:
            raise ValueError(f"Rate: per is {self.per}; it is in seconds, more than 0")


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most so many runs of a job at a time.

    Args:
        limit: runs allowed at a time; 1 makes a singleton.
        key: name of the parameter whose values are limited each on its own; None: all together.
        busy: what a job does that finds no place: `wait` for one, or `skip` its run.

    Raises ValueError that names the field.
    """

    limit: int
    key: str | None = None
    busy: Busy = "wait"

    def __post_init__(self) -> None:
        _require_limit("Concurrency", self.limit)
        if self.busy not in ("wait", "skip"):
            raise ValueError(f"Concurrency: busy is {self.busy!r}; it is 'wait' or 'skip'")


def _retry_after(error: BaseException | None) -> float | None:
    """Return what the error asks for; what is no usable number of seconds asks for nothing."""
    asked = getattr(error, "retry_after", None)
    if isinstance(asked, (int, float)) and 0 <= asked < math.inf:
        return float(asked)
    return None


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as an assertion
    if not holds:
        raise ValueError(f"RetryPolicy: {otherwise}")


def _require_limit(kind: str, limit: int) -> None:
    if limit < 1:
        raise ValueError(f"{kind}: limit is {limit}; it is at least 1")
