"""One claimed job on its way through this worker."""

import asyncio
import hashlib
import math
import time
from contextvars import ContextVar
from enum import StrEnum

from arq.cron import CronJob
from arq.worker import Function

from service.queue.codec import Record
from service.queue.declaration import JobType
from workers.engine.broker import Held, Leased
from workers.engine.ledger import RowClaim
from workers.engine.limits import Want


class Stop(StrEnum):
    """Why a run is stopped by this worker."""

    SOFT_LIMIT = "soft limit"
    HARD_LIMIT = "hard limit"
    CANCELLED = "cancelled"
    LOST = "lost"
    """The lease is another worker's: whatever comes of the run is not written."""
    RELEASED = "released"


class Running:
    """A claimed job: what the claim said, what was decoded, and how far it is."""

    __slots__ = (
        "args", "body", "crashes", "ended", "ended_ms", "function", "given_up", "hard_at", "job",
        "job_id", "job_try", "kind", "kwargs", "mark", "payload", "record", "renewable_until",
        "row", "score", "sha", "soft_at", "started_ms", "stop", "task", "token", "want",
    )  # fmt: skip

    def __init__(self, leased: Leased) -> None:
        self.job_id = leased.job_id
        self.score = leased.score
        self.payload = leased.payload
        self.job_try = leased.tries + 1
        self.mark = leased.mark
        self.crashes = leased.crashes
        self.kind = leased.kind
        self.token = leased.token
        self.sha = ""
        self.record: Record | None = None
        self.args: tuple[object, ...] = ()
        self.kwargs: dict[str, object] = {}
        self.function: Function | CronJob | None = None
        self.job: JobType[..., object] | None = None
        self.want: Want | None = None
        self.row: RowClaim | None = None
        """Its claim on the row of a durable job."""
        self.task: asyncio.Task[None] | None = None
        self.started_ms = 0
        self.ended_ms = 0.0
        """When its code ended; known where there is a meter."""
        self.body = False
        """Whether the job's own code runs."""
        self.ended = False
        self.given_up = False
        self.stop: Stop | None = None
        self.soft_at = math.inf
        """Monotonic time of its soft limit; likewise `hard_at`."""
        self.hard_at = math.inf
        self.renewable_until = math.inf
        """Monotonic time until which its lease is renewed."""

    @property
    def name(self) -> str:
        """The function's name, as far as it is known."""
        return self.record.function if self.record else "<unknown>"

    @property
    def held(self) -> Held:
        """The lease, with the digest by which it can be taken up again."""
        if not self.sha and self.payload is not None:
            self.sha = hashlib.sha1(self.payload, usedforsecurity=False).hexdigest()
        return Held(self.job_id, self.token, self.sha)

    @property
    def renewable(self) -> bool:
        """Whether its lease is still to be renewed."""
        return time.monotonic() < self.renewable_until

    def interrupt(self, why: Stop) -> None:
        """Cancel the job's code, or keep it from starting; the first reason stays."""
        if self.ended or self.stop is why or self.stop not in (None, Stop.SOFT_LIMIT):
            return
        self.stop = why
        if self.body and self.task is not None:
            self.task.cancel(why.value)


CURRENT: ContextVar[Running | None] = ContextVar("running", default=None)
"""The job that runs in this context."""
