"""What must outlive Redis is handed to a ledger before Redis forgets it."""

import traceback
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from service.queue import JobState, JobType


@dataclass(frozen=True, slots=True)
class Finished:
    """A job's end.

    `arguments` are by name; `dead` says that Redis will keep the job to be replayed, unless the
    ledger does.
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

    @property
    def traceback(self) -> str | None:
        """The error's traceback as text."""
        return "".join(traceback.format_exception(self.error)) if self.error else None


LEDGER = "almanac.ledger"
"""Where a worker's context holds its ledger."""


class Ledger(Protocol):
    """Keeps ends of jobs; `on_startup` may put it into the context under `LEDGER`."""

    async def record(self, end: Finished) -> bool:
        """Keep this end; return whether it keeps a dead job too, so that Redis need not.

        An error it raises is logged, and the outcome is written to Redis all the same.
        """
        ...
