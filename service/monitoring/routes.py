"""HTTP of monitoring: jobs and the history, one job, health."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from service.errors import InvalidInput, NotFound, Problem
from service.kit.pagination import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor
from service.monitoring import history, lookup, open_jobs, schemas
from service.monitoring.history_queries import Search
from service.monitoring.open_jobs import OPEN_STATES
from service.monitoring.schemas import Line
from service.monitoring.steering import GONE
from service.web import ERRORS, JobsReader, Opened

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=ERRORS)
MAX_WAIT = 60
JobStates = Literal["succeeded", "failed", "cancelled", "retrying", "queued", "running", "deferred"]
Text = Annotated[Line | None, Query()]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items wanted")]


@router.get("")
async def list_jobs(  # noqa: PLR0913, PLR0917 - one parameter is one of the query
    caller: JobsReader,
    runtime: Opened,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    name: Text = None,
    state: Annotated[
        JobStates | None,
        Query(description="`queued`, `running`, `deferred`: jobs that have not ended; else runs"),
    ] = None,
    queue: Text = None,
    argument: Annotated[
        list[Line] | None, Query(description="key:value, such as number:13; several must all match")
    ] = None,
    actor: Annotated[Line | None, Query(description="Who asked for it")] = None,
    error: Annotated[
        Line | None, Query(description="Class of the error, or part of its text")
    ] = None,
    since: Annotated[
        AwareDatetime | None, Query(description="Of runs that ended then or later")
    ] = None,
    until: Annotated[AwareDatetime | None, Query(description="Of runs that ended before")] = None,
) -> schemas.RunList:
    """Search the runs that ended, newest first, or list the jobs that have not ended.

    A search looks at 5,000 runs at most, chosen by actor, name or queue, or as those that did not
    succeed; the other filters are asked of these. If they do not fill the page it is short, with a
    cursor that goes on behind them and `searched_to`, which says how far it came. Jobs that have
    not ended are found by name, queue and actor, the earliest due first.
    """
    arguments = history.read_arguments(argument or ())
    begin, end = history.read_instant("since", since), history.read_instant("until", until)
    wanted = Search(name, state, queue, arguments, actor, error, begin, end)
    if state in OPEN_STATES:
        _refuse_ends(wanted)
        return await open_jobs.page(runtime, caller, wanted, limit, cursor)
    page = Page(limit, decode_cursor(cursor) if cursor else None)
    async with runtime.unit_of_work() as uow:
        return await history.search(uow.session, caller, wanted, page)


def _refuse_ends(wanted: Search) -> None:
    """Raise InvalidInput for what only runs have that ended."""
    given = {
        "argument": wanted.arguments,
        "error": wanted.error,
        "since": wanted.since,
        "until": wanted.until,
    }
    why = f"goes with runs that ended; these are {wanted.state}"
    if problems := [Problem(field, why) for field, value in given.items() if value]:
        raise InvalidInput(problems)


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
        raise NotFound(GONE)
    return job
