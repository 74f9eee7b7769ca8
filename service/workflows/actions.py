"""Use cases of workflows. None commits, none awaits the network."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Executable, Row
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import Conflict, InvalidInput, NotFound
from service.kit.clock import now
from service.queue import HEADERS, declared
from service.queue.codec import readable
from service.queue.headers import inherited
from service.workflows import moving_queries as moving
from service.workflows import queries, releasing, rules, undo_queries, undoing
from service.workflows.advancing import advance
from service.workflows.models import ACTIVE, StepState, Workflow, WorkflowState
from service.workflows.moving_queries import StepEnd
from service.workflows.schemas import WorkflowIn


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a durable job ended: `state` is succeeded, failed or cancelled."""

    job_id: str
    state: str
    result: bytes | None = None
    """As `service.queue.codec` reads it."""
    error: str | None = None


async def start(uow: UnitOfWork, definition: WorkflowIn, owner_id: UUID) -> UUID:
    """Store a run of a workflow, and send its first steps; return its id.

    Args:
        uow: the caller's transaction: without its commit nothing has happened.
        definition: from `service.workflows.building`, or from JSON.
        owner_id: whose it is.

    Raises:
        InvalidInput: with every problem; nothing is stored.
    """
    if problems := rules.problems(definition, declared()):
        raise InvalidInput(problems)
    place = releasing.Place(owner_id, inherited(HEADERS.get()))
    workflow_id, ends = await releasing.insert(uow, definition, place, definition.input)
    await advance(uow, ends)
    return workflow_id


def is_step(job_id: str) -> bool:
    """Whether a durable job of this id belongs to a step."""
    return rules.parse_job_id(job_id) is not None


def begun(job_ids: Iterable[str]) -> Executable | None:
    """Return the UPDATE that notes the beginning of jobs; None if none of them is a step's."""
    parsed = map(rules.parse_job_id, job_ids)
    steps = [found[1] for found in parsed if found and found[0] == "step"]
    return moving.begun(steps) if steps else None


async def hold(uow: UnitOfWork, job_ids: Collection[str]) -> None:
    """Lock the workflows of these jobs, before the rows of the jobs are changed."""
    parsed = map(rules.parse_job_id, job_ids)
    await moving.lock(uow.session, [found[1] for found in parsed if found])


async def jobs_ended(uow: UnitOfWork, ends: Sequence[JobEnd]) -> None:
    """Record the ends of steps' jobs, and do what follows; `hold` has been called.

    An end that is known already, or is of an earlier attempt, changes nothing.
    """
    steps: list[StepEnd] = []
    for end in ends:
        parsed = rules.parse_job_id(end.job_id)
        if parsed is None:
            continue
        kind, step_id, attempt = parsed
        state = StepState(end.state)
        value = _value(end.result) if state is StepState.SUCCEEDED and kind == "step" else None
        step = StepEnd(step_id, attempt, state, value, end.error)
        if kind == "step":
            steps.append(step)
        else:
            await advance(uow, await undoing.ended(uow, step))
    await advance(uow, steps)


def _value(result: bytes | None) -> Any:
    return msgspec.json.decode(readable(result).outcome) if result else None


async def recover(uow: UnitOfWork, limit: int) -> int:
    """Record ends of jobs that their steps have not heard of; return how many.

    Such are those that no worker of ours ended: a stock one, a person, a purge.
    """
    lost = await moving.lost_ends(uow.session, limit)
    if not lost:
        return 0
    await hold(uow, [row.id for row in lost])
    await jobs_ended(uow, [JobEnd(row.id, row.state, row.result, row.error) for row in lost])
    return len(lost)


async def cancel(uow: UnitOfWork, caller: Caller, workflow_id: UUID) -> list[str]:
    """Cancel a run: what waits, at once; return the ids of jobs to be taken from the queue.

    Raises:
        NotFound: the caller has no such run.
        Conflict: it has ended, is being undone or is inside another one.
    """
    session = uow.session
    workflow = await _outermost(uow, caller, workflow_id)
    if workflow.state not in ACTIVE:
        raise Conflict(f"It cannot be cancelled: it is {workflow.state}")
    ids = await moving.begin_cancel(session, await moving.inside(session, workflow_id))
    for each in ids:
        waiting = await moving.end_waiting(session, each, StepState.CANCELLED)
        await moving.count_down(session, each, waiting)
    jobs = {
        rules.job_id("step", step_id, attempt): (step_id, attempt)
        for step_id, attempt in await moving.running_steps(session, ids)
    }
    closed = await moving.close_jobs(session, jobs)
    await advance(uow, [StepEnd(*jobs[job_id], StepState.CANCELLED) for job_id in sorted(closed)])
    return list(jobs)


async def resume(uow: UnitOfWork, caller: Caller, workflow_id: UUID) -> None:
    """Let a run go on from the steps that failed, were cancelled or skipped.

    Raises:
        NotFound: the caller has no such run.
        Conflict: it has not failed, was undone, or is inside another one.
    """
    workflow = await _outermost(uow, caller, workflow_id)
    if workflow.state not in (WorkflowState.FAILED, WorkflowState.CANCELLED):
        raise Conflict(f"Only a failed or cancelled workflow is resumed: it is {workflow.state}")
    inside = await moving.inside(uow.session, workflow_id)
    if await undo_queries.has_begun(uow.session, inside):
        raise Conflict("Steps of it were undone already: undo the rest, and start it anew")
    await advance(uow, await _reopen(uow, workflow_id))


async def _reopen(uow: UnitOfWork, workflow_id: UUID) -> list[StepEnd]:
    """Let a run and those inside it go on; return the steps that cannot start."""
    session = uow.session
    ready = await moving.to_release(session, await moving.reopen(session, workflow_id))
    anew, ends = [], []
    for step in ready:
        inner = await moving.latest_run(session, step.id) if step.nested is not None else None
        if inner is not None and await _can_go_on(uow, inner):
            ends += await _reopen(uow, inner)
        else:
            anew.append(step.id)
    return ends + await releasing.release(uow, workflow_id, anew)


async def _can_go_on(uow: UnitOfWork, workflow_id: UUID) -> bool:
    inner: Row[Any] = await moving.current(uow.session, workflow_id)
    return inner.state in (WorkflowState.FAILED, WorkflowState.CANCELLED)


async def undo(uow: UnitOfWork, caller: Caller, workflow_id: UUID) -> None:
    """Undo the completed steps of a run that has ended, the latest first.

    Raises:
        NotFound: the caller has no such run.
        Conflict: it has not ended, is undone, has nothing to undo, or is inside another one.
    """
    workflow = await _outermost(uow, caller, workflow_id)
    if workflow.state in (*ACTIVE, WorkflowState.UNDOING, WorkflowState.UNDONE):
        raise Conflict(f"Only a workflow that has ended is undone: it is {workflow.state}")
    current = await moving.current(uow.session, workflow_id)
    if await undoing.begin(uow, current, current.error) is None:
        raise Conflict("None of its completed steps says how it is undone")


async def forget(session: AsyncSession, age: timedelta) -> int:
    """Delete runs that ended so long ago; return how many."""
    return await queries.forget(session, now() - age)


async def _outermost(uow: UnitOfWork, caller: Caller, workflow_id: UUID) -> Workflow:
    """Return a run, locked."""
    workflow = await queries.locked(uow.session, caller, workflow_id)
    if workflow is None:
        raise NotFound("There is no such workflow")
    if workflow.parent_step is not None:
        raise Conflict(f"It is a step of workflow {workflow.root_id}: act on that one")
    return workflow
