"""Jobs: one search line for all of them, whatever their state."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from service.access.caller import Scope
from service.dashboard.formats import zone_of
from service.dashboard.jobs import rows as job_rows
from service.dashboard.jobs import search as job_search
from service.dashboard.jobs.search import STATES, job_path, path_of
from service.dashboard.pages import jobs_many
from service.dashboard.rendering import ZONE
from service.dashboard.view import JobsReader, View
from service.errors import InvalidInput
from service.monitoring import lookup
from service.monitoring.queues import queue_keys
from service.queue import declared
from service.queue.presence import queue_name

router = APIRouter(include_in_schema=False)
router.include_router(jobs_many.router)
LIMIT: Final = 50


class Tab(NamedTuple):
    """A quick filter."""

    title: str
    state: str | None
    acts: tuple[str, ...] = ()
    """What can be done to the jobs of this state."""


TABS: Final = (
    Tab("Ended", None, ("retry",)),
    Tab("Running", "running", ("cancel",)),
    Tab("Waiting", "queued", ("cancel",)),
    Tab("Deferred", "deferred", ("cancel",)),
    Tab("Tried again", "retrying"),
    Tab("Failed", "failed", ("retry",)),
    Tab("Dead", "dead", ("replay", "discard")),
    Tab("Succeeded", "succeeded"),
    Tab("Cancelled", "cancelled", ("retry",)),
)
ACTS: Final = {tab.state: tab.acts for tab in TABS}


@router.get("/jobs")
async def show_all(
    view: JobsReader, q: str = "", cursor: Annotated[str | None, Query()] = None
) -> Response:
    """Show what a search finds, or the job whose id it is."""
    zone = zone_of(view.request.cookies.get(ZONE))
    query, found, problem = job_search.Query(), job_rows.Rows([], None), ""
    try:
        query = job_search.parse(q)
        if (job_id := await _id_of(view, query)) is not None:
            return RedirectResponse(job_path(job_id), 303)
        query = job_rows.with_name(query)
        found = await job_rows.read(view, query, zone, LIMIT, cursor)
    except InvalidInput as error:
        problem = " ".join(p.message for p in error.problems)
    return await view.page(
        "jobs.html",
        422 if problem else 200,
        q=q,
        query=query,
        found=found,
        problem=problem,
        cursor=cursor,
        tabs=[(tab, path_of(replace(query, state=tab.state))) for tab in TABS],
        acts=ACTS[query.state] if view.caller.may(Scope.JOBS_OPERATE) else (),
        hints=list(_hints()),
        listens=urlencode({k: v for k, v in query.given().items() if k in {"queue", "name"}}),
        first_page=path_of(query),
    )


async def _id_of(view: View, query: job_search.Query) -> str | None:
    """Return the word that is all of a search, if it is the id of a job."""
    if len(query.words) != 1 or query.given() or query.arguments or query.words[0] in declared():
        return None
    job = await lookup.look(view.runtime, view.caller, query.words[0])
    return job.id if job else None


def _hints() -> Iterator[str]:
    """Yield what the search line completes: fields with the values that are known of them."""
    yield from (f"state:{state}" for state in STATES)
    yield from (f"queue:{queue_name(key)}" for key in queue_keys())
    yield from (f"name:{name}" for name in sorted(declared()))
    yield from ("args.", "actor:", "error:", "since:1h", "since:24h", "until:1h")
