"""From definitions to rows, and from steps that may start to durable jobs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from service.db.session import UnitOfWork
from service.kit.clock import now
from service.kit.ids import uuid7
from service.queue import JobCall, declared
from service.queue.codec import MAX_PAYLOAD_BYTES
from service.queue.headers import LIMITS, STEP
from service.workflows import moving_queries as moving
from service.workflows import queries, rules
from service.workflows.models import StepState, WorkflowState
from service.workflows.moving_queries import StepEnd
from service.workflows.reference_rules import Scope, Unresolvable, needed, resolve
from service.workflows.schemas import CallIn, StepIn, WorkflowIn

ROOM = 8192
"""Bytes of a payload that are not arguments."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a workflow is inserted: whose it is, and inside which other."""

    owner_id: UUID
    headers: Mapping[str, str]
    root_id: UUID | None = None
    parent_step: UUID | None = None


async def insert(
    uow: UnitOfWork, definition: WorkflowIn, place: Place, value: Any
) -> tuple[UUID, list[StepEnd]]:
    """Store a workflow and release its first steps.

    Args:
        uow: stores the rows, and sends the jobs.
        definition: without problems.
        place: where it is.
        value: its input.

    Returns its id, and the steps that ended because they could not be released.
    """
    workflow_id = uuid7()
    steps = _rows(workflow_id, definition)
    row = {
        "id": workflow_id,
        "owner_id": place.owner_id,
        "root_id": place.root_id or workflow_id,
        "parent_step": place.parent_step,
        "name": definition.name,
        "state": WorkflowState.RUNNING if place.parent_step else WorkflowState.PENDING,
        "total": len(steps),
        "remaining": len(steps),
        "cancelling": False,
        "undo_on_failure": definition.undo_on_failure,
        "input": value,
        "outcome": definition.output,
        "headers": dict(place.headers),
    }
    await queries.add(uow.session, row, steps)
    first = [step["id"] for step in steps if step["state"] is StepState.RUNNING]
    return workflow_id, await release(uow, workflow_id, first)


def _rows(workflow_id: UUID, definition: WorkflowIn) -> list[dict[str, Any]]:
    ids = {step.key: uuid7() for step in definition.steps}
    followers: dict[str, list[UUID]] = {key: [] for key in ids}
    for step in definition.steps:
        for key in step.after:
            followers[key].append(ids[step.key])
    return [
        {
            "id": ids[step.key],
            "workflow_id": workflow_id,
            "key": step.key,
            "position": position,
            "after": step.after,
            "followers": followers[step.key],
            "missing": len(step.after),
            "state": StepState.WAITING if step.after else StepState.RUNNING,
            "released_at": None if step.after else now(),
            **_work(step),
        }
        for position, step in enumerate(definition.steps)
    ]


def _work(step: StepIn) -> dict[str, Any]:
    """Return what a step is to do, as its row has it."""
    limits = step.retry.model_dump() if step.retry else {}
    if step.timeout is not None:
        limits["timeout"] = step.timeout
    # A process that releases a step need not know its declaration: all that it needs is kept.
    job = declared()[step.job] if step.job else None
    return {
        "job": step.job,
        "nested": step.workflow.model_dump(mode="json") if step.workflow else None,
        "arguments": step.arguments,
        "queue": step.queue or (job.queue if job else None),
        "lane": step.lane or (job.lane if job else None),
        "limits": limits or None,
        "undo": _undo(step.undo) if step.undo else None,
    }


def _undo(call: CallIn) -> dict[str, Any]:
    job = declared()[call.job]
    return {**call.model_dump(mode="json"), "queue": job.queue, "lane": job.lane}


async def release(uow: UnitOfWork, workflow_id: UUID, ids: Collection[UUID]) -> list[StepEnd]:
    """Start steps whose predecessors have succeeded; return those that cannot start, as failed."""
    if not ids:
        return []
    steps = await moving.to_release(uow.session, ids)
    workflow = await moving.current(uow.session, workflow_id)
    outputs = await _outputs(uow, workflow_id, steps)
    ended: list[StepEnd] = []
    for step in steps:
        scope = Scope(workflow.input, outputs, step.after)
        try:
            if step.nested is not None:
                ended += await _begin_nested(uow, workflow, step, scope)
            else:
                arguments = resolved(step.job, step.arguments, scope)
                uow.enqueue(_call(workflow, step, arguments))
        except Unresolvable as error:
            ended.append(StepEnd(step.id, step.attempt, StepState.FAILED, error=str(error)))
    return ended


async def _outputs(uow: UnitOfWork, workflow_id: UUID, steps: Sequence[Row[Any]]) -> dict[str, Any]:
    keys: set[str] = set()
    for step in steps:
        given = step.nested["input"] if step.nested is not None else step.arguments
        keys |= needed(given, step.after)
    return await moving.outputs(uow.session, workflow_id, keys) if keys else {}


def resolved(name: str, arguments: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """Return a job's arguments with their references replaced; raise Unresolvable.

    Their types are checked here if this process knows the declaration, else before the run.
    """
    values: dict[str, Any] = resolve(dict(arguments), scope.value)
    job = declared().get(name)
    if job is not None and (problem := rules.argument_problem(job, values, final=True)):
        raise Unresolvable(problem)
    size = len(msgspec.json.encode(values))
    if size > MAX_PAYLOAD_BYTES - ROOM:
        raise Unresolvable(f"the arguments have {size:,} bytes; return ids instead of the data")
    return values


def _call(workflow: Row[Any], step: Row[Any], arguments: dict[str, Any]) -> JobCall:
    headers = {**workflow.headers, STEP: str(step.id)}
    if step.limits:
        headers[LIMITS] = msgspec.json.encode(step.limits).decode()
    return JobCall(
        step.job,
        step.queue,
        kwargs=arguments,
        job_id=rules.job_id("step", step.id, step.attempt),
        lane=step.lane,
        headers=headers,
    )


def undo_call(workflow: Row[Any], step: Row[Any], arguments: dict[str, Any]) -> JobCall:
    """Return the job that undoes a step."""
    return JobCall(
        step.undo["job"],
        step.undo["queue"],
        kwargs=arguments,
        job_id=rules.job_id("undo", step.id, step.undo_attempt),
        lane=step.undo["lane"],
        headers={**workflow.headers, STEP: str(step.id)},
    )


async def _begin_nested(
    uow: UnitOfWork, workflow: Row[Any], step: Row[Any], scope: Scope
) -> list[StepEnd]:
    definition = WorkflowIn.model_validate(step.nested)
    value = resolve(definition.input, scope.value)
    place = Place(workflow.owner_id, workflow.headers, workflow.root_id, step.id)
    _, ended = await insert(uow, definition, place, value)
    return ended
