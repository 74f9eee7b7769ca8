"""A run of a workflow as Celery shows tasks."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.workflows import queries, schemas, showing
from service.workflows.models import StepState, WorkflowState

_RUNS: Mapping[str, str] = {
    WorkflowState.PENDING: "PENDING",
    WorkflowState.RUNNING: "STARTED",
    WorkflowState.SUCCEEDED: "SUCCESS",
    WorkflowState.FAILED: "FAILURE",
    WorkflowState.UNDOING: "REVOKED",
    WorkflowState.UNDONE: "REVOKED",
    WorkflowState.CANCELLED: "REVOKED",
}
_STEPS: Mapping[str, str] = {
    StepState.WAITING: "PENDING",
    "queued": "PENDING",
    StepState.RUNNING: "STARTED",
    "retrying": "RETRY",
    StepState.SUCCEEDED: "SUCCESS",
    StepState.FAILED: "FAILURE",
    StepState.CANCELLED: "REVOKED",
    StepState.SKIPPED: "REVOKED",
}


async def status(
    session: AsyncSession, caller: Caller, workflow_id: UUID
) -> schemas.WorkflowStatus:
    """Return how a run is; raises NotFound."""
    run = await showing.in_full(session, caller, workflow_id)
    found = await queries.steps(session, workflow_id)
    steps = [_step(n, showing.step_in_full(step)) for n, step in enumerate(found, 1)]
    return schemas.WorkflowStatus(
        workflow_id=run.id,
        overall_status=_RUNS[run.state],
        progress=run.progress,
        steps=steps,
        current_step=_current(run),
        estimated_completion=run.estimated_finish,
        error=run.error,
    )


def _step(number: int, step: schemas.StepDetail) -> schemas.StepStatus:
    task_id = step.job_id or (str(step.workflow_id) if step.workflow_id else None)
    return schemas.StepStatus(
        step_number=number,
        task_id=task_id,
        status=_STEPS[step.state],
        name=step.key,
        result=step.result,
        error=step.error,
    )


def _current(run: schemas.WorkflowDetail) -> str | None:
    waiting = (step.key for step in run.steps if step.state == StepState.WAITING)
    return next(iter(run.current_steps), None) or next(waiting, None)
