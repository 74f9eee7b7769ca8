"""Replies of monitoring."""

from datetime import datetime
from typing import Any

from service.schema import Reply


class JobError(Reply):
    """Why a job failed."""

    type: str
    message: str
    traceback: str | None


class JobOut(Reply):
    """One job, waiting, running or finished."""

    id: str
    name: str
    queue: str
    state: str
    """`deferred, queued, running, retrying, succeeded, failed` or `cancelled`."""
    arguments: Any
    tries: int
    run_at: datetime | None
    enqueued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    result: Any
    error: JobError | None
    path: str | None = None
    """Who ran a durable job: `queue` for a worker, `inline` for the maintenance process."""


class CancelOut(Reply):
    """A job that is being cancelled."""

    id: str
    cancelling: bool
