"""SQL that undoes completed steps. The lock of the outermost workflow is held meanwhile."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.workflows.models import StepState, Workflow, WorkflowState, WorkflowStep
from service.workflows.moving_queries import StepEnd, inside
from service.workflows.queries import one_of


async def next_step(session: AsyncSession, workflow_id: UUID) -> UUID | None:
    """Return the step that completed last, in this workflow or inside it, and can be undone."""
    s = WorkflowStep
    chosen = select(s.id).where(*_left(await inside(session, workflow_id)))
    last = chosen.order_by(s.finished_at.desc(), s.position.desc()).limit(1)
    return await session.scalar(last)


async def left(session: AsyncSession, workflow_id: UUID, limit: int) -> Sequence[Row[Any]]:
    """Return the steps that would be undone, the first to be undone first.

    A row has `key, job, workflow` (the name of the one that it is in), and `total`, how many there
    are without the limit.
    """
    s, w = WorkflowStep, Workflow
    chosen = (
        select(s.key, s.undo["job"].as_string().label("job"), w.name.label("workflow"))
        .add_columns(func.count().over().label("total"))
        .join(w, w.id == s.workflow_id)
        .where(*_left(await inside(session, workflow_id)))
    )
    last = chosen.order_by(s.finished_at.desc(), s.position.desc()).limit(limit)
    return (await session.execute(last)).all()


def _left(ids: Collection[UUID]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of steps of these workflows that can be undone."""
    s = WorkflowStep
    return (
        one_of(s.workflow_id, ids),
        s.state == StepState.SUCCEEDED,
        s.undo.is_not(None),
        or_(s.undo_state.is_(None), s.undo_state == StepState.FAILED),
    )


async def start(session: AsyncSession, step_id: UUID) -> Row[Any]:
    """Begin to undo a step; return it."""
    s = WorkflowStep
    found = await session.execute(
        update(s)
        .where(s.id == step_id)
        .values(
            undo_state=StepState.RUNNING,
            undo_attempt=s.undo_attempt + 1,
            undo_error=None,
            undo_started_at=func.now(),
            undo_finished_at=None,
        )
        .returning(*s.__table__.columns)
    )
    return found.one()


async def end(session: AsyncSession, end: StepEnd) -> Row[UUID, str] | None:
    """Record the end of an undo that runs in this attempt; return its step: workflow_id, key."""
    s = WorkflowStep
    running = s.undo_state == StepState.RUNNING
    found = await session.execute(
        update(s)
        .where(s.id == end.step_id, s.undo_attempt == end.attempt, running)
        .values(undo_state=end.state, undo_error=end.error, undo_finished_at=func.now())
        .returning(s.workflow_id, s.key)
    )
    return found.one_or_none()


async def being_undone(session: AsyncSession, workflow_id: UUID) -> Row[Any]:
    """Return the workflow that is being undone: this one, or one that it is inside of."""
    w, s = Workflow, WorkflowStep
    line = select(w.id, w.parent_step, w.state).where(w.id == workflow_id)
    above = line.cte("above", recursive=True)
    higher = (
        select(w.id, w.parent_step, w.state)
        .join(s, s.workflow_id == w.id)
        .join(above, above.c.parent_step == s.id)
    )
    above = above.union_all(higher)
    chosen = select(above.c.id).where(above.c.state == WorkflowState.UNDOING)
    found = select(*w.__table__.columns).where(w.id.in_(chosen))
    return (await session.execute(found)).one()


async def mark_inside(session: AsyncSession, ids: Collection[UUID]) -> None:
    """Let the workflows inside one that is undone say so as well."""
    w = Workflow
    ended = (WorkflowState.SUCCEEDED, WorkflowState.FAILED, WorkflowState.CANCELLED)
    marking = update(w).where(one_of(w.id, ids), w.state.in_(ended))
    await session.execute(marking.values(state=WorkflowState.UNDONE))


async def has_begun(session: AsyncSession, ids: Collection[UUID]) -> bool:
    """Tell whether undoing one of these workflows was begun and not finished."""
    s = WorkflowStep
    stuck = s.undo_state.in_((StepState.RUNNING, StepState.FAILED))
    found = select(s.id).where(one_of(s.workflow_id, ids), stuck).limit(1)
    return await session.scalar(found) is not None


async def attempt_of(session: AsyncSession, step_id: UUID) -> int:
    """Return the present attempt of a step."""
    found = select(WorkflowStep.attempt).where(WorkflowStep.id == step_id)
    return (await session.scalars(found)).one()
