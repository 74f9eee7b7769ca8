"""Definitions of workflows, and how their runs are shown."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from service.schema import Reply, Schema

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
Seconds = Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)]


class RetryIn(Schema):
    """When a step that failed runs again, instead of what its job declares; times in seconds."""

    tries: int = Field(ge=1, le=1000)
    """Runs at most, the first one included."""
    delay: float = Field(1, ge=0, le=86_400)
    factor: float = Field(2, ge=1, le=100)
    cap: float = Field(3600, ge=0, le=604_800)
    jitter: float = Field(0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.cap < self.delay:
            raise ValueError("cap is the longest wait, so it is at least delay")
        return self


class CallIn(Schema):
    """A job with its arguments."""

    job: Name = Field(examples=["posts.publish_batch"])
    arguments: dict[str, Any] = Field(default_factory=dict)


class StepIn(Schema):
    """One step: a job, or a workflow of its own."""

    key: Key = Field(examples=["download"])
    """Names the step within its workflow."""
    job: Name | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Values and references: `{"$output": ["download", "path"]}` is what an earlier step returned,
    or a part of it, `{"$input": ["url"]}` a part of the workflow's input, and `{"$results": []}`
    the list of what the steps in `after` returned."""
    workflow: "WorkflowIn | None" = None
    """Instead of `job`; its `input` may hold references."""
    after: list[Key] = Field(default_factory=list)
    """Steps that must succeed first; without any it starts at once."""
    undo: CallIn | None = None
    """What undoes the step; its arguments may refer to the step's own output too."""
    queue: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,79}$")] | None = None
    lane: Literal["high", "normal", "low"] | None = None
    timeout: Seconds | None = None
    retry: RetryIn | None = None


class WorkflowIn(Schema):
    """A workflow to be run."""

    name: Name = Field(examples=["video"])
    """Runs of one name are compared to estimate how long one takes."""
    steps: list[StepIn]
    input: Any = None
    output: Any = None
    """A value with references: what the workflow returns. Left out: the output of its last step,
    or nothing if it ends in several."""
    undo_on_failure: bool = False
    """Whether completed steps are undone when the workflow fails or is cancelled."""


class UndoOut(Reply):
    """What became of undoing a step."""

    job: str
    job_id: str | None
    state: str | None
    """`running, succeeded, failed`; None as long as there was no reason."""
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None


class StepOut(Reply):
    """A step of a run."""

    key: str
    job: str | None
    job_id: str | None
    """The job of its present attempt, once it was released."""
    workflow_id: UUID | None
    """Of a step that is a workflow: its latest run."""
    after: list[str]
    state: str
    """`waiting, queued, running, retrying, succeeded, failed, cancelled` or `skipped`."""
    attempt: int
    """Grows each time the workflow is resumed."""
    tries: int
    """Runs of its job so far."""
    progress: int
    """0 to 100."""
    text: str | None
    error: str | None
    queue: str | None
    released_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    undo: UndoOut | None


class StepDetail(StepOut):
    """A step with what it was given, what came of it, and what it logged."""

    arguments: dict[str, Any]
    result: Any
    log: list[str]


class WorkflowOut(Reply):
    """A run of a workflow."""

    id: UUID
    name: str
    state: str
    """`pending, running, succeeded, failed, undoing, undone` or `cancelled`."""
    progress: int
    """0 to 100; it never falls."""
    cancelling: bool
    """It was cancelled, and waits for the end of jobs that run."""
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class WorkflowDetail(WorkflowOut):
    """A run with its steps."""

    parent_id: UUID | None
    """The workflow of which this one is a step."""
    input: Any
    output: Any
    current_steps: list[str]
    """Keys of the steps that run."""
    estimated_finish: datetime | None
    """From the median durations of the same steps in earlier runs of this name."""
    steps: list[StepOut]


class StepStatus(Reply):
    """A step as Celery shows a task."""

    step_number: int
    """From 1."""
    task_id: str | None
    """Its job's id, or that of the workflow that it is; null before it begins."""
    status: str
    """`PENDING, STARTED, RETRY, SUCCESS, FAILURE` or `REVOKED`: cancelled, or never to run."""
    name: str
    result: Any
    error: str | None


class WorkflowStatus(Reply):
    """A run as Celery shows tasks."""

    workflow_id: UUID
    overall_status: str
    """`PENDING, STARTED, SUCCESS, FAILURE` or `REVOKED`: cancelled, or undone."""
    progress: int
    """0 to 100."""
    steps: list[StepStatus]
    current_step: str | None
    """The first that runs, else the first that waits; null when all have ended."""
    estimated_completion: datetime | None
    error: str | None


class WorkflowList(Reply):
    """A page of runs, without those inside others."""

    items: list[WorkflowOut]
    next_cursor: str | None
