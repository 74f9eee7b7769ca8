"""Tables of workflows."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, JSON, ForeignKey, Index, Text, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Row

# json, not jsonb: what jobs return may hold the character U+0000, which jsonb refuses.
Json = JSON(none_as_null=True)


class WorkflowState(StrEnum):
    """Where a workflow is."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"
    CANCELLED = "cancelled"


class StepState(StrEnum):
    """Where a step is."""

    WAITING = "waiting"
    RUNNING = "running"
    """Its job is in the queue or runs, or its own workflow does."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    """It will not run, because one that it waits for failed."""


ACTIVE = (WorkflowState.PENDING, WorkflowState.RUNNING)
UNFINISHED = (StepState.FAILED, StepState.CANCELLED, StepState.SKIPPED)
"""Ends of a step after which a resumed workflow goes on with it."""


class Workflow(Row):
    """One run of a workflow."""

    __tablename__ = "workflows"
    __table_args__ = (
        Index("ix_workflows_name_id", "name", "id"),
        Index("ix_workflows_parent_step", "parent_step"),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    root_id: Mapped[UUID] = mapped_column(index=True)
    """The outermost workflow, its own id if it is that: its row is the lock of all inside."""
    parent_step: Mapped[UUID | None]
    """The step of another workflow that this one is."""
    name: Mapped[str]
    state: Mapped[str] = mapped_column(default=WorkflowState.PENDING)
    total: Mapped[int]
    """Steps, and how many of them have not ended:"""
    remaining: Mapped[int]
    cancelling: Mapped[bool] = mapped_column(default=False)
    """Somebody has cancelled it; steps that ran at that moment may still run."""
    undo_on_failure: Mapped[bool]
    input: Mapped[Any] = mapped_column(Json, nullable=True)
    outcome: Mapped[Any] = mapped_column(Json, nullable=True)
    """References of which the output is made."""
    output: Mapped[Any] = mapped_column(Json, nullable=True)
    error: Mapped[str | None]
    headers: Mapped[dict[str, Any]] = mapped_column(Json)
    """Trace, actor and the like, for every job of it."""
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class WorkflowStep(Base):
    """One job of a workflow, or one workflow inside it."""

    __tablename__ = "workflow_steps"
    __table_args__ = (
        UniqueConstraint("workflow_id", "key"),
        Index(
            "ix_workflow_steps_busy",
            "id",
            postgresql_where=text("state = 'running' OR undo_state = 'running'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workflow_id: Mapped[UUID] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"))
    key: Mapped[str]
    position: Mapped[int]
    job: Mapped[str | None]
    """Name of the job; None for a step that is a workflow, which is then in:"""
    nested: Mapped[Any] = mapped_column(Json, nullable=True)
    arguments: Mapped[dict[str, Any]] = mapped_column(Json)
    """With references to be resolved when the step is released."""
    queue: Mapped[str | None]
    lane: Mapped[str | None]
    limits: Mapped[Any] = mapped_column(Json, nullable=True)
    """What it states instead of the declared time limit and retry policy."""
    after: Mapped[list[str]] = mapped_column(ARRAY(Text))
    followers: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    missing: Mapped[int]
    """Steps of `after` that have not succeeded yet."""
    state: Mapped[str] = mapped_column(default=StepState.WAITING)
    attempt: Mapped[int] = mapped_column(default=1)
    """Part of the job's id, so that none is used twice; grows when the step is resumed."""
    progress: Mapped[int] = mapped_column(default=0)
    """Percent that the job has told of itself; it never falls."""
    text: Mapped[str | None]
    result: Mapped[Any] = mapped_column(Json, nullable=True)
    error: Mapped[str | None]
    released_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    undo: Mapped[Any] = mapped_column(Json, nullable=True)
    """The job that undoes it, with its arguments."""
    undo_state: Mapped[str | None]
    undo_attempt: Mapped[int] = mapped_column(default=0)
    undo_error: Mapped[str | None]
    undo_started_at: Mapped[datetime | None]
    undo_finished_at: Mapped[datetime | None]
