"""Completed steps are undone one by one, the latest first; and how workflows end."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from service.db.session import UnitOfWork
from service.kit.clock import now
from service.webhooks import actions as webhooks
from service.workflows import moving_queries as moving
from service.workflows import undo_queries
from service.workflows.models import StepState, WorkflowState
from service.workflows.moving_queries import StepEnd
from service.workflows.reference_rules import Scope, Unresolvable, needed
from service.workflows.releasing import resolved, undo_call

_AS_STEPS = {
    WorkflowState.SUCCEEDED: StepState.SUCCEEDED,
    WorkflowState.CANCELLED: StepState.CANCELLED,
}


async def begin(uow: UnitOfWork, workflow: Row[Any], error: str | None) -> Sequence[StepEnd] | None:
    """Start to undo a workflow; return the end of the step that it is, if that ends.

    None: nothing of it can be undone.
    """
    if await undo_queries.next_step(uow.session, workflow.id) is None:
        return None
    await moving.close(uow.session, workflow.id, WorkflowState.UNDOING, error=error)
    return await _next(uow, workflow)


async def ended(uow: UnitOfWork, end: StepEnd) -> Sequence[StepEnd]:
    """Record the end of an undo and go on with the next; returns as `begin`."""
    step = await undo_queries.end(uow.session, end)
    if step is None:
        return []
    workflow = await undo_queries.being_undone(uow.session, step.workflow_id)
    if end.state == StepState.SUCCEEDED:
        return await _next(uow, workflow)
    return await _fail(uow, workflow, step.key, end.error)


async def _next(uow: UnitOfWork, workflow: Row[Any]) -> Sequence[StepEnd]:
    """Undo the step that completed last of those that remain."""
    session = uow.session
    chosen = await undo_queries.next_step(session, workflow.id)
    if chosen is None:
        await undo_queries.mark_inside(session, await moving.inside(session, workflow.id))
        return await close(uow, workflow, WorkflowState.UNDONE, workflow.error)
    step = await undo_queries.start(session, chosen)
    own = await moving.current(session, step.workflow_id)
    arguments = step.undo["arguments"]
    try:
        outputs = await moving.outputs(session, own.id, needed(arguments, step.after))
        values = resolved(step.undo["job"], arguments, Scope(own.input, outputs, step.after))
    except Unresolvable as problem:
        end = StepEnd(step.id, step.undo_attempt, StepState.FAILED, error=str(problem))
        await undo_queries.end(session, end)
        return await _fail(uow, workflow, step.key, end.error)
    uow.enqueue(undo_call(own, step, values))
    return []


async def _fail(
    uow: UnitOfWork, workflow: Row[Any], key: str, error: str | None
) -> Sequence[StepEnd]:
    """Stop undoing: what is left is for a person to look at, who may ask for it again."""
    text = f"undo of {key}: {error or 'did not succeed'}"
    return await close(uow, workflow, WorkflowState.FAILED, text)


async def close(
    uow: UnitOfWork,
    workflow: Row[Any],
    state: WorkflowState,
    error: str | None,
    output: Any = None,
) -> Sequence[StepEnd]:
    """End a workflow; return the end of the step that it is, if it is one."""
    await moving.close(uow.session, workflow.id, state, output=output, error=error)
    if workflow.parent_step is None:
        await _announce(uow, workflow, state, error)
        return []
    attempt = await undo_queries.attempt_of(uow.session, workflow.parent_step)
    end = _AS_STEPS.get(state, StepState.FAILED)
    return [StepEnd(workflow.parent_step, attempt, end, output, error)]


async def _announce(
    uow: UnitOfWork, workflow: Row[Any], state: WorkflowState, error: str | None
) -> None:
    """Tell webhooks of the end of an outermost workflow."""
    moment = now()
    data = {
        "id": workflow.id,
        "name": workflow.name,
        "state": state.value,
        "error": error,
        "created_at": workflow.created_at,
        "finished_at": moment,
    }
    event_id = f"{workflow.id}/{moment:%Y%m%dT%H%M%S%f}"  # a resumed workflow ends more than once
    kind = f"workflow.{state.value}"
    event = webhooks.Event(event_id, kind, workflow.name, "", moment, data, workflow.owner_id)
    await webhooks.announce(uow, event)
