"""What follows from the end of steps: their successors start, or their workflow ends."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from service.db.session import UnitOfWork
from service.workflows import moving_queries as moving
from service.workflows import undoing
from service.workflows.models import StepState, WorkflowState
from service.workflows.moving_queries import StepEnd
from service.workflows.reference_rules import Scope, Unresolvable, needed, resolve
from service.workflows.releasing import release


async def advance(uow: UnitOfWork, ends: Sequence[StepEnd]) -> None:
    """End steps and do what follows; the outermost workflows are locked."""
    while ends:
        ended = await moving.end_steps(uow.session, ends)
        following: list[StepEnd] = []
        of = attrgetter("workflow_id")
        for workflow_id, group in groupby(sorted(ended, key=of), of):
            following += await _count(uow, workflow_id, list(group))
        ends = following


async def _count(
    uow: UnitOfWork, workflow_id: UUID, ended: Sequence[Row[Any]]
) -> Sequence[StepEnd]:
    """Count ended steps of one workflow; return the steps that end because of them."""
    session = uow.session
    lost = [step.id for step in ended if step.state != StepState.SUCCEEDED]
    skipped = await _skip(uow, workflow_id, lost) if lost else 0
    workflow = await moving.count_down(session, workflow_id, len(ended) + skipped)
    followers = [
        follower
        for step in ended
        if step.state == StepState.SUCCEEDED
        for follower in step.followers
    ]
    if followers:
        ready = await moving.count_followers(session, followers)
        if stuck := await release(uow, workflow_id, ready):
            return stuck
    if workflow.remaining == 0:
        return await finish(uow, workflow)
    if workflow.parent_step is not None:
        done = 100 * (workflow.total - workflow.remaining) // workflow.total
        await moving.raise_progress(session, workflow.parent_step, done)
    return []


async def _skip(uow: UnitOfWork, workflow_id: UUID, lost: Sequence[UUID]) -> int:
    """Skip what cannot run any more, or is about to be undone; return how many steps."""
    workflow = await moving.current(uow.session, workflow_id)
    if workflow.undo_on_failure:
        return await moving.end_waiting(uow.session, workflow_id, StepState.SKIPPED)
    return await moving.skip_behind(uow.session, lost)


async def finish(uow: UnitOfWork, workflow: Row[Any]) -> Sequence[StepEnd]:
    """End a workflow of which no step runs or waits; return the end of the step that it is."""
    unsuccessful = await moving.end_states(uow.session, workflow.id)
    if not unsuccessful:
        return await _succeed(uow, workflow)
    _, key, error = unsuccessful[0]
    error = None if workflow.cancelling else f"{key}: {error or 'did not succeed'}"
    state = WorkflowState.CANCELLED if workflow.cancelling else WorkflowState.FAILED
    if workflow.undo_on_failure:
        following = await undoing.begin(uow, workflow, error)
        if following is not None:
            return following
    return await undoing.close(uow, workflow, state, error)


async def _succeed(uow: UnitOfWork, workflow: Row[Any]) -> Sequence[StepEnd]:
    outcome, session = workflow.outcome, uow.session
    try:
        if outcome is not None:
            outputs = await moving.outputs(session, workflow.id, needed(outcome, ()))
            value = resolve(outcome, Scope(workflow.input, outputs).value)
        else:
            last = await moving.last_steps(session, workflow.id)
            outputs = await moving.outputs(session, workflow.id, last) if len(last) == 1 else {}
            value = next(iter(outputs.values()), None)
    except Unresolvable as problem:
        return await undoing.close(uow, workflow, WorkflowState.FAILED, f"output: {problem}")
    return await undoing.close(uow, workflow, WorkflowState.SUCCEEDED, None, value)
