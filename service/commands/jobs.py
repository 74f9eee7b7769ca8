"""`almanac jobs`: jobs, waiting, running or ended."""

import asyncio
import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from service.commands.acting import on_runtime
from service.commands.history import brief, period, print_page
from service.commands.terminal import (
    Json,
    QueueName,
    moment,
    out,
    print_fields,
    print_json,
    print_rows,
)
from service.config import Settings
from service.kit.clock import now
from service.kit.pagination import MAX_LIMIT, Page
from service.monitoring import history, open_jobs, steering
from service.monitoring.auditing import note
from service.monitoring.history_queries import Search
from service.monitoring.schemas import JobOut, RunList
from service.operator import OPERATOR, enqueue, find_job, job_call, run_here
from service.runtime import Runtime

app = typer.Typer()
Id = Annotated[str, typer.Argument(metavar="ID", help="As `almanac jobs list` has it")]


class State(StrEnum):
    """States of jobs, and what Celery calls some of them."""

    QUEUED = "queued"
    RUNNING = "running"
    ACTIVE = "active"
    DEFERRED = "deferred"
    SCHEDULED = "scheduled"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


_CELERY = {State.ACTIVE: State.RUNNING, State.SCHEDULED: State.DEFERRED}
_COLUMNS = {
    State.RUNNING: ("started_at", "name", "attempt", "worker"),
    State.DEFERRED: ("run_at", "name", "attempt"),
    State.QUEUED: ("run_at", "name", "attempt"),
}
_ENDED = ("finished_at", "name", "attempt", "state")


@app.command("list")
def list_jobs(
    *,
    name: Annotated[str | None, typer.Option(help="Such as posts.sweep")] = None,
    state: Annotated[State | None, typer.Option(help="Without it: the latest runs")] = None,
    queue: QueueName = None,
    since: Annotated[str | None, typer.Option(help="Such as 7d, 12h or 30m; of ended runs")] = None,
    as_json: Json = False,
) -> None:
    """List jobs that wait or run now, or the latest runs in the history."""
    state = _CELERY.get(state, state) if state else None
    begin = now() - period(since) if since else None
    wanted = Search(name=name, state=state and state.value, queue=queue, since=begin)

    async def find(runtime: Runtime) -> RunList:
        if wanted.state in open_jobs.OPEN_STATES:
            return await open_jobs.page(runtime, OPERATOR, wanted, MAX_LIMIT, None)
        async with runtime.unit_of_work() as uow:
            return await history.search(uow.session, OPERATOR, wanted, Page(MAX_LIMIT))

    found = on_runtime(find)
    columns = _COLUMNS.get(state, _ENDED) if state else _ENDED
    detail = "error" if columns is _ENDED else "arguments"
    print_page(found.model_dump(mode="json"), columns, detail, as_json=as_json)
    if found.lost and not as_json:
        out.print(f"{found.lost} batches of runs are missing: nobody recorded them in time")


@app.command("show")
def show_job(job_id: Id, *, as_json: Json = False) -> None:
    """Show one job."""
    _show(job_id, 0, as_json=as_json)


@app.command("wait")
def wait_job(
    job_id: Id,
    *,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait")] = 60,
    as_json: Json = False,
) -> None:
    """Wait until a job has ended; exit 1 unless it succeeded."""
    state = _show(job_id, timeout, as_json=as_json)
    raise typer.Exit(state != "succeeded")


def _show(job_id: str, timeout: float, *, as_json: bool) -> str:
    job = asyncio.run(find_job(Settings(), job_id, timeout))
    if as_json:
        print_json(job.model_dump(mode="json"))
    else:
        _print(job)
    return job.state


def _print(job: JobOut) -> None:
    fields = job.model_dump(mode="json", exclude={"attempts", "log"})
    fields["arguments"], fields["error"] = brief(fields["arguments"]), brief(fields["error"])
    print_fields({name: value for name, value in fields.items() if value != ""})
    attempts = [run.model_dump(mode="json") for run in job.attempts]
    if attempts:
        columns = ("#try", "state", "worker", "started", "finished", "what")
        print_rows(columns, map(_attempt, attempts))
    if job.error and job.error.traceback:
        out.print(job.error.traceback, markup=False, highlight=False)
    for line in job.log:
        out.print(line, markup=False, highlight=False)


def _attempt(run: dict[str, Any]) -> tuple[object, ...]:
    begun, ended = moment(run["started_at"]), moment(run["finished_at"])
    return run["attempt"], run["state"], run["worker"], begun, ended, brief(run["error"])


@app.command("enqueue")
def enqueue_job(
    name: Annotated[str, typer.Argument(help="Such as posts.sweep; docs/jobs.md lists all")],
    *,
    arguments: Annotated[str, typer.Option("--args", help="A JSON object")] = "{}",
    sync: Annotated[bool, typer.Option("--sync", help="Run it here and print its result")] = False,
    as_json: Json = False,
) -> None:
    """Send a job to its queue, or run it in this process."""
    try:
        given = json.loads(arguments)
    except ValueError as error:
        raise typer.BadParameter(f"--args is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise typer.BadParameter('--args must be a JSON object such as {"batch_id": "…"}')
    call = job_call(name, given)
    if sync:
        print_json(asyncio.run(run_here(Settings(), call)))
        return
    job_id = asyncio.run(enqueue(Settings(), call))
    if as_json:
        print_json({"id": job_id})
    else:
        out.print(job_id)


@app.command("cancel")
def cancel_job(job_id: Id) -> None:
    """Cancel a job: one that waits ends at once, one that runs is stopped by its worker."""

    async def cancel(runtime: Runtime) -> None:
        await note(runtime, OPERATOR, "jobs.cancel", job_id)
        await steering.cancel(runtime, OPERATOR, job_id)

    on_runtime(cancel)
    out.print(f"{job_id} is being cancelled; see almanac jobs wait {job_id}", soft_wrap=True)


@app.command("retry")
def retry_job(job_id: Id) -> None:
    """Let a job run again that failed or was cancelled."""

    async def retry(runtime: Runtime) -> None:
        await note(runtime, OPERATOR, "jobs.retry", job_id)
        await steering.retry(runtime, OPERATOR, job_id)

    on_runtime(retry)
    out.print(f"{job_id} runs again; see almanac jobs wait {job_id}", soft_wrap=True)
