"""Requests and replies of monitoring."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from service.schema import Reply, Schema

Line = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]
"""What PostgreSQL takes as text."""


class JobError(Reply):
    """Why a job failed."""

    type: str
    message: str
    traceback: str | None


class AttemptOut(Reply):
    """One run of a job."""

    attempt: int
    """Counts the runs; 0 for a job that never ran."""
    state: str
    """`succeeded, failed, cancelled`, or `retrying`: it failed and was tried again."""
    worker: str | None
    """Host and process; null for a job that never ran."""
    started_at: datetime
    finished_at: datetime
    error: JobError | None


class ProgressOut(Reply):
    """How far a job says that it is."""

    percent: int
    """0 to 100; it never falls."""
    text: str | None


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
    actor: str | None = None
    """Who asked for it: a user, `schedule:` or `cli:` with a name, or nobody in particular."""
    progress: ProgressOut | None = None
    """Of a durable job that tells; others have no row to keep it in."""
    log: list[str] = Field(default_factory=list)
    """The last lines that a durable job logged, at most 200."""
    path: str | None = None
    """Who ran a durable job: `queue` for a worker, `inline` for the maintenance process."""
    attempts: list[AttemptOut] = Field(default_factory=list)
    """Its recorded runs, oldest first; the last of them may be a second behind."""


class RunOut(Reply):
    """One run in the history, or a job that has not ended."""

    id: str
    """Of its job: `GET /v1/jobs/{id}` shows all runs of it, with tracebacks."""
    attempt: int
    """Counts the runs; 0 for a job that has not run."""
    name: str
    queue: str
    state: str
    """`succeeded, failed, cancelled` or `retrying`; of a job that has not ended `queued, running`
    or `deferred`."""
    arguments: Any
    worker: str | None
    actor: str | None
    trace: str | None
    run_at: datetime | None = None
    """When a job may start that has not."""
    enqueued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    error: JobError | None
    progress: ProgressOut | None = None


class RunList(Reply):
    """Runs, newest first; jobs that have not ended by the time when they may start."""

    items: list[RunOut]
    next_cursor: str | None
    """Null at the end; a page may have less than `limit` items, or none, before it."""
    searched_to: datetime | None = None
    """Where a search stopped that had looked at 5,000 runs: the cursor goes on from there."""
    lost: int
    """Batches of runs, ever, that are missing because nobody recorded them in time."""


class DeadOut(Reply):
    """A dead job."""

    id: str
    name: str
    queue: str
    arguments: Any
    tries: int
    died_at: datetime
    error: JobError | None
    """Of its last try."""
    kept: str
    """Where: `row` for a durable job, `postgresql` or `redis` for others."""
    actor: str | None
    """Who asked for it."""


class DeadList(Reply):
    """Dead jobs, the latest first."""

    items: list[DeadOut]
    next_cursor: str | None


class DeadSelection(Schema):
    """Which dead jobs are meant: those that match all that is given."""

    ids: list[Line] | None = Field(None, max_length=1000)
    name: Line | None = None
    queue: Line | None = None
    error: Line | None = None
    """Class of the last error, with or without its module."""
    all: bool = False
    """Must be true to mean all dead jobs, and then nothing else may be given."""


class RefusedOut(Reply):
    """A job that was left as it is."""

    id: str
    reason: str


class ReplayedOut(Reply):
    """What became of dead jobs that were to run again."""

    replayed: int
    left: int
    """Still dead: queued under the same id, expired, or refused by what they belong to."""
    refused: list[RefusedOut] = Field(default_factory=list)
    """Those of `left` whose function is gone, the first 100."""


class DiscardedOut(Reply):
    """What became of dead jobs that were to be forgotten."""

    discarded: int


class CancelOut(Reply):
    """A job that is being cancelled."""

    id: str
    cancelling: bool
