"""Requests and replies of steering jobs, and a job in the shape of a Celery task."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from service.monitoring.schemas import Line
from service.queue import Lane
from service.schema import Reply, Schema

OpenState = Literal["queued", "running", "deferred"]
JobId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
YEAR = 31_536_000


class JobIn(Schema):
    """A job that is asked for."""

    name: Line = Field(examples=["posts.sweep"])
    arguments: dict[str, Any] = Field(default_factory=dict)
    """By name, of the types that `docs/jobs.md` states."""
    lane: Lane | None = None
    """Its priority in its queue; left out: the declared one."""
    run_at: AwareDatetime | None = None
    """When it may start; left out: at once."""
    delay: float | None = Field(None, ge=0, le=YEAR, allow_inf_nan=False)
    """Seconds until it may start, instead of `run_at`."""
    id: JobId | None = None
    """An id of your own, that no job has had; left out: a random one."""

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.run_at is not None and self.delay is not None:
            raise ValueError("give either run_at or delay")
        return self


class JobSent(Reply):
    """A job that was taken on."""

    id: str
    name: str
    queue: str
    state: str
    """`queued` or `deferred`."""
    run_at: datetime | None


class RetryOut(Reply):
    """A job that runs again."""

    id: str
    retrying: bool


class CancelSelection(Schema):
    """Which jobs are meant, of those that have not ended: those that match all that is given."""

    name: Line | None = None
    queue: Line | None = None
    state: OpenState | None = None
    all: bool = False
    """Must be true to mean all of them, and then nothing else may be given."""


class CancelledOut(Reply):
    """What became of jobs that were to be cancelled."""

    cancelled: int
    left: int
    """They ended meanwhile, or what they belong to refuses."""
    more: bool
    """There may be more: one call cancels 1,000 at most. Ask again."""


TaskState = Literal["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]


class TaskStatus(Reply):
    """A job in the shape of a Celery task."""

    task_id: str
    status: TaskState
    """`PENDING` is a job that waits; an unknown one is 404. What it returns does not change it."""
    result: Any
    """What it returned; of a failed one the error's class and text."""
    traceback: str | None
    children: list[str]
    """Always empty: a job that others follow is a step of a workflow."""
    date_done: datetime | None
    task_name: str
    args: list[Any]
    """Arguments by position, where its sender gave them so."""
    named: dict[str, Any] = Field(serialization_alias="kwargs")
    worker: str | None
    """Host and process of the run that is under way or was the last."""
    retries: int
    """Runs after the first."""
    eta: datetime | None
    """When it may start, or start again."""
    progress: int
    """Percent."""
