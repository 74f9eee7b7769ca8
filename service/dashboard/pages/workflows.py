"""Workflows: jobs that depend on each other, as a graph that is followed and steered."""

import json
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Scope
from service.dashboard.view import JobsOperator, JobsReader, View
from service.dashboard.workflows import views
from service.errors import Conflict, NotFound
from service.kit.clock import now
from service.kit.pagination import Page, decode_cursor
from service.workflows import queries, routes, schemas, undo_queries
from service.workflows.models import ACTIVE, UNFINISHED, StepState, Workflow, WorkflowState

router = APIRouter(include_in_schema=False)
PAGE = 25
STEPS = 100
"""Steps of a list on one page."""
FAILED = 5
"""Failed steps whose errors are shown above all."""
BRIEF = 200
"""Characters of an output in a list."""
ENDED = (StepState.SUCCEEDED, *UNFINISHED)
UNDONE = 20
"""Steps to be undone that are listed."""
Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]
Key = Annotated[str, Path(max_length=80, pattern=r"^[^\x00]*$")]


@router.get("/workflows")
async def show_all(
    view: JobsReader, name: Text = "", state: Text = "", cursor: Text = ""
) -> Response:
    """Show runs of workflows, newest first."""
    page = Page(PAGE, decode_cursor(cursor) if cursor else None)
    chosen = WorkflowState(state) if state in set(WorkflowState) else None
    async with view.runtime.unit_of_work() as uow:
        found = await routes.list_workflows(view.caller, page, uow, name.strip() or None, chosen)
        running = [run for run in found.items if run.state in ACTIVE]
        current = await queries.current(uow.session, [run.id for run in running])
        usual = await queries.usual_seconds(uow.session, {run.name for run in running})
    return await view.page(
        "workflows.html",
        runs=found.items,
        next_cursor=found.next_cursor,
        current_steps=current,
        usual=usual,
        states=[each.value for each in WorkflowState],
        name=name,
        state=chosen.value if chosen else "",
        at=now(),
    )


@router.get("/workflows/{workflow_id}")
async def show_one(
    view: JobsReader, workflow_id: UUID, group: Text = "", state: Text = "", start: int = 0
) -> Response:
    """Show a run: its graph and its steps, or those of one group."""
    async with view.runtime.unit_of_work() as uow:
        run = await routes.show(workflow_id, view.caller, uow)
        workflow = await _row(view, uow.session, workflow_id)
        shown = views.shown(run)
        opened = shown.group(group)
        steps = [] if opened is None else list(opened.steps)
        if state:
            steps = [step for step in steps if views.state_of(step) == state]
        listed = steps[max(start, 0) : max(start, 0) + STEPS] if opened else _singles(shown)
        keys = [step.key for step in listed]
        outputs = await queries.outputs_in_brief(uow.session, workflow_id, keys, BRIEF)
        remaining = await undo_queries.left(uow.session, workflow_id, 1)
    return await view.page(
        "workflow.html",
        shown=shown,
        run=run,
        root_id=workflow.root_id,
        summary=views.summary(run),
        failed=shown.failed[:FAILED],
        more_failed=len(shown.failed) - FAILED,
        opened=opened,
        listed=listed,
        total=len(steps),
        state=state,
        start=max(start, 0),
        page_size=STEPS,
        outputs=outputs,
        brief=BRIEF,
        state_of=views.state_of,
        may=_allowed(view, run, remaining),
        input=_written(run.input),
        output=_written(run.output),
    )


@router.get("/workflows/{workflow_id}/steps/{key}")
async def show_step(view: JobsReader, workflow_id: UUID, key: Key) -> Response:
    """Show a step with its arguments, its output and what it logged."""
    async with view.runtime.unit_of_work() as uow:
        step = await routes.show_step(workflow_id, key, view.caller, uow)
        workflow = await _row(view, uow.session, workflow_id)
    return await view.page(
        "workflow_step.html",
        step=step,
        step_state=views.state_of(step),
        workflow_id=workflow_id,
        workflow_name=workflow.name,
        arguments=_written(step.arguments),
        result=_written(step.result),
    )


@router.post("/workflows/{workflow_id}/resume")
async def resume(view: JobsOperator, workflow_id: UUID) -> Response:
    """Let a run go on from where it stopped."""
    back = f"/workflows/{workflow_id}"
    try:
        async with view.runtime.unit_of_work() as uow:
            await routes.resume(workflow_id, view.caller, uow)
    except (Conflict, NotFound) as error:
        return view.refused(back, error)
    return view.go(back, "It goes on with the steps that had not succeeded")


@router.get("/workflows/{workflow_id}/cancel")
async def ask_cancel(view: JobsOperator, workflow_id: UUID) -> Response:
    """Say what cancelling would do."""
    async with view.runtime.unit_of_work() as uow:
        run = await routes.show(workflow_id, view.caller, uow)
        workflow = await _row(view, uow.session, workflow_id)
    states = [step.state for step in run.steps]
    return await view.page(
        "workflow_cancel.html",
        run=run,
        undoes=workflow.undo_on_failure,
        waiting=states.count(StepState.WAITING),
        succeeded=states.count(StepState.SUCCEEDED),
        under_way=len(states) - sum(map(states.count, ENDED)) - states.count(StepState.WAITING),
    )


@router.post("/workflows/{workflow_id}/cancel")
async def cancel(view: JobsOperator, workflow_id: UUID) -> Response:
    """Cancel a run, once that is confirmed."""
    if view.form.get("confirmed") != "yes":
        return await ask_cancel(view, workflow_id)
    back = f"/workflows/{workflow_id}"
    try:
        async with view.runtime.unit_of_work() as uow:
            await routes.cancel(workflow_id, view.caller, view.runtime, uow)
    except (Conflict, NotFound) as error:
        return view.refused(back, error)
    return view.go(back, "It is cancelled: what waited does not start, what runs is being stopped")


@router.get("/workflows/{workflow_id}/undo")
async def ask_undo(view: JobsOperator, workflow_id: UUID) -> Response:
    """Say what would be undone."""
    async with view.runtime.unit_of_work() as uow:
        run = await routes.show(workflow_id, view.caller, uow)
        steps = await undo_queries.left(uow.session, workflow_id, UNDONE)
    total = steps[0].total if steps else 0
    return await view.page("workflow_undo.html", run=run, steps=steps, total=total)


@router.post("/workflows/{workflow_id}/undo")
async def undo(view: JobsOperator, workflow_id: UUID) -> Response:
    """Undo the completed steps of a run, once that is confirmed."""
    if view.form.get("confirmed") != "yes":
        return await ask_undo(view, workflow_id)
    back = f"/workflows/{workflow_id}"
    try:
        async with view.runtime.unit_of_work() as uow:
            await routes.undo(workflow_id, view.caller, uow)
    except (Conflict, NotFound) as error:
        return view.refused(back, error)
    return view.go(back, "Its completed steps are being undone, the latest first")


async def _row(view: View, session: AsyncSession, workflow_id: UUID) -> Workflow:
    found = await queries.workflow(session, view.caller, workflow_id)
    if found is None:
        raise NotFound("There is no such workflow")
    return found


def _singles(shown: views.Shown) -> list[schemas.StepOut]:
    """Return the steps that stand for themselves in the list."""
    return [node.steps[0] for node in shown.nodes.values() if not node.is_group]


def _allowed(view: View, run: schemas.WorkflowDetail, to_undo: Sequence[object]) -> set[str]:
    """Return which of cancel, resume and undo the caller can ask for now."""
    operates = view.caller.may(Scope.JOBS_OPERATE)
    if not operates or run.parent_id is not None:
        return set()
    allowed = set()
    if run.state in ACTIVE and not run.cancelling:
        allowed.add("cancel")
    stuck = any(step.undo and step.undo.state in {"running", "failed"} for step in run.steps)
    if run.state in (WorkflowState.FAILED, WorkflowState.CANCELLED) and not stuck:
        allowed.add("resume")
    if run.state not in (*ACTIVE, WorkflowState.UNDOING, WorkflowState.UNDONE) and to_undo:
        allowed.add("undo")
    return allowed


def _written(value: object) -> str:
    """Return a value of JSON as a person reads it; empty for none."""
    return "" if value in (None, {}) else json.dumps(value, indent=2, ensure_ascii=False)
