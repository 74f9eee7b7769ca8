"""Runs of workflows as people see them."""

from collections.abc import Sequence
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.outbox import DurableJob
from service.errors import NotFound
from service.kit.clock import now
from service.workflows import progress_rules, queries, rules, schemas
from service.workflows.models import ACTIVE, StepState, Workflow, WorkflowStep

Found: TypeAlias = Row[WorkflowStep, DurableJob | None, UUID | None] | tuple[Any, Any, UUID | None]
"""A step, its job and its own latest run, or as much of them as is shown."""


async def brief(session: AsyncSession, caller: Caller, workflow_id: UUID) -> schemas.WorkflowOut:
    """Return a run in brief; raises NotFound."""
    (shown,) = await all_briefly(session, [await _found(session, caller, workflow_id)])
    return shown


async def _found(session: AsyncSession, caller: Caller, workflow_id: UUID) -> Workflow:
    workflow = await queries.workflow(session, caller, workflow_id)
    if workflow is None:
        raise NotFound("There is no such workflow")
    return workflow


async def all_briefly(
    session: AsyncSession, workflows: Sequence[Workflow]
) -> list[schemas.WorkflowOut]:
    """Return runs in brief."""
    tallies = await queries.tallies(session, [workflow.id for workflow in workflows])
    return [schemas.WorkflowOut(**_brief(w, tallies[w.id])) for w in workflows]


def _brief(workflow: Workflow, tally: Row[UUID, int, int]) -> dict[str, Any]:
    _, steps, told = tally
    return {
        "id": workflow.id,
        "name": workflow.name,
        "state": workflow.state,
        "progress": progress_rules.percent(told, steps),
        "cancelling": workflow.cancelling,
        "error": workflow.error,
        "created_at": workflow.created_at,
        "started_at": workflow.started_at,
        "finished_at": workflow.finished_at,
    }


async def in_full(
    session: AsyncSession, caller: Caller, workflow_id: UUID
) -> schemas.WorkflowDetail:
    """Return a run with its steps; raises NotFound."""
    workflow = await _found(session, caller, workflow_id)
    tally = (await queries.tallies(session, [workflow_id]))[workflow_id]
    steps = await queries.steps_in_brief(session, workflow_id)
    running = [found[0].key for found in steps if found[0].state == StepState.RUNNING]
    above = workflow.parent_step and await queries.parent_of(session, workflow.parent_step)
    estimate = None
    if workflow.state in ACTIVE:
        known = await queries.durations(session, workflow.name)
        ordered = _in_order([found[0] for found in steps])
        estimate = progress_rules.estimated_finish(ordered, known, now())
    return schemas.WorkflowDetail(
        **_brief(workflow, tally),
        parent_id=above,
        input=workflow.input,
        output=workflow.output,
        current_steps=running,
        estimated_finish=estimate,
        steps=[schemas.StepOut(**_step(found)) for found in steps],
    )


def _in_order(steps: Sequence[WorkflowStep]) -> list[WorkflowStep]:
    by_key = {step.key: step for step in steps}
    order, _ = rules.sort({step.key: step.after for step in steps})
    return [by_key[key] for key in order]


def step_in_full(found: Found) -> schemas.StepDetail:
    """Return a step with its values and its log."""
    step, job, _ = found
    return schemas.StepDetail(
        **_step(found),
        arguments=step.arguments,
        result=step.result,
        log=(job.log if job else None) or [],
    )


def _step(found: Found) -> dict[str, Any]:
    step, job, run = found
    state, told, text = step.state, step.progress, step.text
    started = step.started_at
    if state == StepState.RUNNING and job is not None:
        # While a job is under way, its row knows more than the step's.
        state, told = job.state, max(told, job.progress)
        text, started = job.progress_text or text, job.started_at
    released = step.job is not None and step.released_at is not None
    return {
        "key": step.key,
        "job": step.job,
        "job_id": rules.job_id("step", step.id, step.attempt) if released else None,
        "workflow_id": run,
        "after": step.after,
        "state": state,
        "attempt": step.attempt,
        "tries": job.tries if job else 0,
        "progress": 100 if step.state == StepState.SUCCEEDED else told,
        "text": text,
        "error": step.error,
        "queue": step.queue,
        "released_at": step.released_at,
        "started_at": started,
        "finished_at": step.finished_at,
        "undo": _undo(step) if step.undo else None,
    }


def _undo(step: WorkflowStep) -> schemas.UndoOut:
    begun = step.undo_state is not None
    return schemas.UndoOut(
        job=step.undo["job"],
        job_id=rules.job_id("undo", step.id, step.undo_attempt) if begun else None,
        state=step.undo_state,
        error=step.undo_error,
        started_at=step.undo_started_at,
        finished_at=step.undo_finished_at,
    )
