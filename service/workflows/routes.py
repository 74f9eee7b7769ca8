"""HTTP of workflows."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from service.access import audit
from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import NotFound
from service.web import ERRORS, JobsOperator, JobsReader, OnceOnly, Opened, Paging, Uow
from service.workflows import actions, queries, schemas, showing, steering, task_status
from service.workflows.models import WorkflowState

router = APIRouter(prefix="/v1/workflows", tags=["workflows"], responses=ERRORS)


@router.post("", status_code=201, response_model=schemas.WorkflowOut)
async def start(
    body: schemas.WorkflowIn, caller: JobsOperator, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Run a workflow. A cycle, an unknown job and the like are refused, all problems at once."""
    workflow_id = await actions.start(uow, body, caller.user_id)
    await _note(uow, caller, "start", workflow_id)
    return await once.reply(await showing.brief(uow.session, caller, workflow_id))


@router.get("")
async def list_workflows(
    caller: JobsReader,
    page: Paging,
    uow: Uow,
    name: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
    state: WorkflowState | None = None,
) -> schemas.WorkflowList:
    """List runs of workflows, newest first."""
    rows = await queries.runs(uow.session, caller, page, name, state)
    items = await showing.all_briefly(uow.session, rows.items)
    return schemas.WorkflowList(items=items, next_cursor=rows.next_cursor)


@router.get("/{workflow_id}")
async def show(workflow_id: UUID, caller: JobsReader, uow: Uow) -> schemas.WorkflowDetail:
    """Show a run: its progress, every step, when it will have ended."""
    return await showing.in_full(uow.session, caller, workflow_id)


@router.get("/{workflow_id}/status")
async def show_status(workflow_id: UUID, caller: JobsReader, uow: Uow) -> schemas.WorkflowStatus:
    """Show a run as Celery shows tasks: for those who come from there."""
    return await task_status.status(uow.session, caller, workflow_id)


@router.get("/{workflow_id}/steps/{key}")
async def show_step(
    workflow_id: UUID, key: schemas.Key, caller: JobsReader, uow: Uow
) -> schemas.StepDetail:
    """Show a step with its arguments, its result and what it logged."""
    if await queries.workflow(uow.session, caller, workflow_id) is None:
        raise NotFound("There is no such workflow")
    found = await queries.steps(uow.session, workflow_id, key)
    if not found:
        raise NotFound("The workflow has no such step")
    return showing.step_in_full(found[0])


@router.post("/{workflow_id}/cancel", status_code=202)
async def cancel(
    workflow_id: UUID, caller: JobsOperator, runtime: Opened, uow: Uow
) -> schemas.WorkflowOut:
    """Cancel a run: what waits at once, what runs as soon as its worker has stopped it."""
    async with runtime.unit_of_work() as before:  # the queue takes part in no transaction
        await _note(before, caller, "cancel", workflow_id)
    await steering.cancel(runtime, caller, workflow_id)
    return await showing.brief(uow.session, caller, workflow_id)


@router.post("/{workflow_id}/resume", status_code=202)
async def resume(workflow_id: UUID, caller: JobsOperator, uow: Uow) -> schemas.WorkflowOut:
    """Let a failed or cancelled run go on from where it stopped; what succeeded is not repeated."""
    await actions.resume(uow, caller, workflow_id)
    await _note(uow, caller, "resume", workflow_id)
    return await showing.brief(uow.session, caller, workflow_id)


@router.post("/{workflow_id}/undo", status_code=202)
async def undo(workflow_id: UUID, caller: JobsOperator, uow: Uow) -> schemas.WorkflowOut:
    """Undo the completed steps of a run that has ended, the latest first."""
    await actions.undo(uow, caller, workflow_id)
    await _note(uow, caller, "undo", workflow_id)
    return await showing.brief(uow.session, caller, workflow_id)


async def _note(uow: UnitOfWork, caller: Caller, verb: str, workflow_id: UUID) -> None:
    await audit.note(uow.session, caller.actor, f"workflows.{verb}", str(workflow_id))
