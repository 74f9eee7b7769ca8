"""What must outlive Redis is handed to a ledger before Redis forgets it."""

import traceback
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from service.queue import JobState, JobType
from workers.engine.ending import Outcome
from workers.engine.limits import Wait


@dataclass(frozen=True, slots=True)
class Finished:
    """A job's end.

    `arguments` are by name. `dead` says that Redis will keep the job to be replayed, unless the
    ledger does: its `payload`, the JSON of its last `failure`, and those of earlier tries, which
    Redis has in `{queue}:attempts:{job_id}`.
    """

    job_id: str
    name: str
    job: JobType[..., Any] | None
    arguments: dict[str, Any]
    state: JobState
    tries: int
    enqueued_at: datetime
    started_at: datetime
    finished_at: datetime
    result: object = None
    error: BaseException | None = None
    dead: bool = False
    payload: bytes = b""
    failure: bytes = b""

    @property
    def traceback(self) -> str | None:
        """The error's traceback as text."""
        return "".join(traceback.format_exception(self.error)) if self.error else None


@dataclass(frozen=True, slots=True)
class RowClaim:
    """A durable job that is to start: it is claimed in its row as well.

    Attributes:
        version: of the row, as the job's header says.
        token: of this claim; what is written later must carry it.
        crashed: whether an earlier claim of Redis ended without an outcome, so that whoever the row
            names is dead.
    """

    job_id: str
    version: str
    token: str
    crashed: bool


@dataclass(frozen=True, slots=True)
class Begun:
    """The row is claimed; it has seen so many tries."""

    tries: int


@dataclass(frozen=True, slots=True)
class Over:
    """The row needs no run: it has ended, or another version of it counts."""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What becomes of a durable job after a run.

    Attributes:
        due_at: when it is to run again, for what does.
        tries: used so far.
        result: the stored result, as `service.queue.codec` reads it; empty for none.
        error: why it failed, or will be tried again.
    """

    claim: RowClaim
    outcome: Outcome
    due_at: datetime | None
    tries: int
    result: bytes
    error: str | None


LEDGER = "almanac.ledger"
"""Where a worker's context holds its ledger."""


class Ledger(Protocol):
    """Keeps ends of jobs; `on_startup` may put it into the context under `LEDGER`."""

    async def record(self, end: Finished) -> bool:
        """Keep this end; return whether it keeps a dead job too, so that Redis need not.

        An error it raises is logged, and the outcome is written to Redis all the same.
        """
        ...


class RowLedger(Ledger, Protocol):
    """A ledger that has the rows of durable jobs: those whose header names a version."""

    async def begin(self, claim: RowClaim) -> Begun | Wait | Over:
        """Claim the row before the job's code runs. While it raises, the job is not started."""
        ...

    async def settle(self, outcome: RowOutcome) -> bool:
        """Write an outcome into the row; return whether the row was still this claim's.

        While it raises, it is asked again, and Redis is told nothing.
        """
        ...
