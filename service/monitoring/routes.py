"""HTTP of monitoring: the history, one job, health."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from service.errors import NotFound
from service.monitoring import history, lookup, rows, schemas
from service.monitoring.history_queries import Search
from service.monitoring.schemas import Line
from service.posts import actions as posts
from service.queue import cancel
from service.web import ERRORS, JobsOperator, JobsReader, Opened, Paging, Uow

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=ERRORS)
health = APIRouter(tags=["health"])
MAX_WAIT = 60
RunState = Literal["succeeded", "failed", "cancelled", "retrying"]
Text = Annotated[Line | None, Query()]


@router.get("")
async def list_runs(  # noqa: PLR0913, PLR0917 - one parameter is one of the query
    caller: JobsReader,
    uow: Uow,
    page: Paging,
    name: Text = None,
    state: Annotated[
        Literal["succeeded", "failed", "cancelled", "retrying"] | None, Query()
    ] = None,
    queue: Text = None,
    argument: Annotated[
        list[Line] | None, Query(description="key:value, such as number:13; several must all match")
    ] = None,
    actor: Text = None,
    error: Annotated[
        Line | None, Query(description="Class of the error, or part of its text")
    ] = None,
    since: Annotated[
        AwareDatetime | None, Query(description="Of runs that ended then or later")
    ] = None,
    until: Annotated[AwareDatetime | None, Query(description="Of runs that ended before")] = None,
) -> schemas.RunList:
    """Search the history of runs, newest first."""
    arguments = history.read_arguments(argument or ())
    begin, end = history.read_instant("since", since), history.read_instant("until", until)
    wanted = Search(name, state, queue, arguments, actor, error, begin, end)
    return await history.search(uow.session, wanted, page)


@router.get("/{job_id}")
async def show_job(
    job_id: str,
    caller: JobsReader,
    runtime: Opened,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT, description="Seconds to wait for its end")] = 0,
) -> schemas.JobOut:
    """Show a job; with `wait`, reply as soon as it has ended or the time is over."""
    job = await lookup.find_ended(runtime, caller, job_id, wait)
    if job is None:
        raise NotFound("There is no such job, or its result has expired")
    return job


@router.post("/{job_id}/cancel", status_code=202)
async def cancel_job(
    job_id: str, caller: JobsOperator, runtime: Opened, uow: Uow
) -> schemas.CancelOut:
    """Cancel a job; one that belongs to a delivery cancels the delivery."""
    if posts.is_publish_job(job_id):
        desk = posts.Desk(uow, caller, runtime.platforms, runtime.settings.enqueue_horizon)
        await posts.cancel_publish_job(desk, job_id)
        return schemas.CancelOut(id=job_id, cancelling=True)
    row = await rows.find(runtime, job_id)
    cancelled = (
        await rows.cancel(runtime, row)
        if row is not None
        else await cancel(runtime.queue, job_id, resolve=runtime.owners(caller))
    )
    if not cancelled:
        raise NotFound("There is no such job that waits or runs")
    return schemas.CancelOut(id=job_id, cancelling=True)


@health.get("/livez")
async def live() -> dict[str, str]:
    """Whether the process answers; asks no server."""
    return {"status": "ok"}


@health.get("/readyz", responses={503: ERRORS[503]})
async def ready(runtime: Opened) -> JSONResponse:
    """Whether PostgreSQL, its schema and Redis are there."""
    checks = await lookup.readiness(runtime)
    healthy = all(value == "ok" for value in checks.values())
    status = "ok" if healthy else "unavailable"
    return JSONResponse({"status": status, **checks}, 200 if healthy else 503)
