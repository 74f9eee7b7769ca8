"""How a run ends: the closed set of outcomes."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What becomes of a job after a run, in the words of finish.lua."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Ended for good; whoever keeps the dead jobs has it, or nobody wants it."""
    DEAD = "dead"
    """Ended, and kept with its payload to be replayed."""
    CANCELLED = "cancelled"
    RETRIED = "retried"
    """Queued again; the try counts."""
    SNOOZED = "snoozed"
    """Queued again because the job asked for it; no try is used."""
    RELEASED = "released"
    """Given back unrun or interrupted, to be run elsewhere; no try is used."""


@dataclass(slots=True)
class Ending:
    """One outcome with what is written along with it.

    Attributes:
        at_ms: when it is visible again; for what is queued again.
        tries: runs with an outcome, this one included where it counts.
        keep_ms: how long the result stays, -1 for good, 0 for none.
        failure: the error of this try as JSON, kept for a job that retries or dies.
        event: for the stream of events; empty for none.
        linger_ms: how long the id stays taken afterwards, as arq wants of cron jobs.
        value: what the job returned, and `error` what it raised; for the ledger.
    """

    outcome: Outcome
    at_ms: int = 0
    tries: int = 0
    result: bytes = b""
    keep_ms: int = 0
    failure: bytes = b""
    event: bytes = b""
    linger_ms: int | str = ""
    value: object = None
    error: BaseException | None = None

    @property
    def plain(self) -> bool:
        """Whether it tells no more than that the job succeeded in its first try."""
        return (
            self.outcome is Outcome.SUCCEEDED
            and self.tries == 1
            and self.linger_ms == ""
            and bool(self.result)
            and self.event in (b"", self.result)
        )
