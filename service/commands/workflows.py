"""`almanac workflows`: runs of jobs with dependencies."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from service.access import audit
from service.commands.acting import on_runtime
from service.commands.history import print_page
from service.commands.terminal import Json, bar, moment, out, print_json, span, table_of
from service.kit.clock import now
from service.kit.pagination import MAX_LIMIT, Page
from service.operator import OPERATOR
from service.runtime import Runtime
from service.workflows import actions, queries, schemas, showing, steering
from service.workflows.models import ACTIVE, WorkflowState

app = typer.Typer()
Id = Annotated[UUID, typer.Argument(metavar="ID")]
LOOK = 0.5
"""Seconds between two looks at a run that is watched."""
SIGNS = {
    "waiting": "·",
    "queued": "…",
    "running": "▶",
    "retrying": "↻",
    "succeeded": "✓",
    "failed": "✗",
    "cancelled": "∅",
    "skipped": "-",
}


@app.command("list")
def list_workflows(
    *,
    name: Annotated[str | None, typer.Option(help="Of runs")] = None,
    state: Annotated[WorkflowState | None, typer.Option(help="Of runs")] = None,
    as_json: Json = False,
) -> None:
    """List runs, newest first."""

    async def find(runtime: Runtime) -> schemas.WorkflowList:
        async with runtime.unit_of_work() as uow:
            rows = await queries.runs(uow.session, OPERATOR, Page(MAX_LIMIT), name, state)
            items = await showing.all_briefly(uow.session, rows.items)
            return schemas.WorkflowList(items=items, next_cursor=rows.next_cursor)

    found = on_runtime(find).model_dump(mode="json")
    columns = ("created_at", "finished_at", "name", "state", "progress")
    print_page(found, columns, "error", as_json=as_json)


@app.command("show")
def show_workflow(
    workflow_id: Id,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Until it has ended")] = False,
    as_json: Json = False,
) -> None:
    """Show a run with its steps; with --watch as it goes on, and exit 1 unless it succeeds."""
    if watch and not as_json:
        run = on_runtime(lambda runtime: _watch(runtime, workflow_id))
        raise typer.Exit(run.state != "succeeded")
    run = on_runtime(lambda runtime: _find(runtime, workflow_id))
    if as_json:
        print_json(run.model_dump(mode="json"))
    else:
        out.print(drawn(run))


@app.command("cancel")
def cancel_workflow(workflow_id: Id) -> None:
    """Cancel a run: what waits at once, what runs as soon as its worker has stopped it."""

    async def cancel(runtime: Runtime) -> schemas.WorkflowDetail:
        async with runtime.unit_of_work() as uow:
            await audit.note(uow.session, OPERATOR.actor, "workflows.cancel", str(workflow_id))
        await steering.cancel(runtime, OPERATOR, workflow_id)
        return await _find(runtime, workflow_id)

    out.print(drawn(on_runtime(cancel)))


@app.command("resume")
def resume_workflow(workflow_id: Id) -> None:
    """Let a failed or cancelled run go on from where it stopped; what succeeded stays."""

    async def resume(runtime: Runtime) -> schemas.WorkflowDetail:
        async with runtime.unit_of_work() as uow:
            await audit.note(uow.session, OPERATOR.actor, "workflows.resume", str(workflow_id))
            await actions.resume(uow, OPERATOR, workflow_id)
        return await _find(runtime, workflow_id)

    out.print(drawn(on_runtime(resume)))


async def _find(runtime: Runtime, workflow_id: UUID) -> schemas.WorkflowDetail:
    async with runtime.unit_of_work() as uow:
        return await showing.in_full(uow.session, OPERATOR, workflow_id)


async def _watch(runtime: Runtime, workflow_id: UUID) -> schemas.WorkflowDetail:
    run = await _find(runtime, workflow_id)
    with Live(drawn(run), console=out, auto_refresh=False) as live:
        while run.state in ACTIVE:
            await asyncio.sleep(LOOK)
            run = await _find(runtime, workflow_id)
            live.update(drawn(run), refresh=True)
    return run


def drawn(run: schemas.WorkflowDetail) -> RenderableType:
    """Return a run as people see it."""
    head = f"{run.name}  {run.state}  {bar(run.progress)} {run.progress} %"
    lines = [Text(head), Text(f"started {moment(run.started_at or run.created_at)} UTC")]
    if run.estimated_finish:
        left = span(max(0.0, (run.estimated_finish - now()).total_seconds()))
        lines.append(Text(f"will have ended in about {left}"))
    if run.error:
        lines.append(Text(run.error))
    steps = table_of(
        ("", "step", "job", "after", "state", "progress", "took", "#tries", "says"),
        map(_cells, run.steps),
    )
    return Group(*lines, steps)


def _cells(step: schemas.StepOut) -> tuple[object, ...]:
    took = None
    if step.started_at:
        took = span(((step.finished_at or now()) - step.started_at).total_seconds())
    return (
        SIGNS.get(step.state, "?"),
        step.key,
        step.job or "(workflow)",
        ", ".join(step.after),
        step.state,
        bar(step.progress, 10),
        took,
        step.tries,
        step.error or step.text,
    )
