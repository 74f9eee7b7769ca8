"""Queues: what waits, who serves it, and the three ways to steer it."""

from typing import Literal
from urllib.parse import quote

from fastapi import APIRouter, Response

from service.access.caller import Scope
from service.dashboard.formats import number, zone_of
from service.dashboard.operations import charts, system, wording
from service.dashboard.operations.processes import processes
from service.dashboard.rendering import ZONE
from service.dashboard.view import JobsOperator, JobsReader, View
from service.errors import AlmanacError
from service.kit.clock import now
from service.monitoring import minutes, queue_routes, queue_views, routes, worker_routes
from service.monitoring.minutes import RANGES
from service.monitoring.queue_schemas import PurgedOut, PurgeIn
from service.queue.backlog import backlogs
from service.queue.foreseeing import foresee

router = APIRouter(include_in_schema=False)
OLDEST = 10
"""Waiting jobs that the page of a queue shows."""


@router.get("/queues")
async def show_all(view: JobsReader) -> Response:
    """Show all queues."""
    found = await queue_routes.list_queues(view.caller, view.runtime)
    used, empty = wording.by_need(found.items)
    return await view.page(
        "queues.html",
        queues=used,
        empty=empty,
        server=found.server,
        words=wording.of_queue,
        may_operate=view.caller.may(Scope.JOBS_OPERATE),
    )


@router.get("/queues/{name}")
async def show(view: JobsReader, name: str) -> Response:
    """Show one queue: its numbers, who serves it, what has waited longest."""
    caller, runtime = view.caller, view.runtime
    queue = await queue_routes.show_queue(name, caller, runtime)
    key = await queue_views.known_key(runtime, name)
    listed = await worker_routes.list_workers(caller, runtime)
    waiting = await routes.list_jobs(caller, runtime, OLDEST, state="queued", queue=name)
    async with runtime.database.session() as session:
        series = await minutes.series(session, RANGES["1h"], now(), name)
    zone = zone_of(view.request.cookies.get(ZONE))
    serving = [worker for worker in listed.items if worker.queue == name]
    return await view.page(
        "queue.html",
        queue=queue,
        how=wording.of_queue(queue),
        processes=processes(serving, await backlogs(runtime.queue, [key])),
        waiting=waiting.items,
        charts=charts.charts(series, "1h", zone) if any(series.counts) else (),
        may_operate=caller.may(Scope.JOBS_OPERATE),
    )


@router.post("/queues/{name}/pause")
async def pause(view: JobsOperator, name: str) -> Response:
    """Let no worker start a job of a queue."""
    return await _steer(view, name, "pause")


@router.post("/queues/{name}/resume")
async def resume(view: JobsOperator, name: str) -> Response:
    """Let the jobs of a paused queue start again."""
    return await _steer(view, name, "resume")


async def _steer(view: View, name: str, verb: Literal["pause", "resume"]) -> Response:
    back = view.back(page_of(name))
    act = queue_routes.pause_queue if verb == "pause" else queue_routes.resume_queue
    try:
        await act(name, view.caller, view.runtime)
    except AlmanacError as error:
        return view.refused("/queues", error)
    system.forget()
    if verb == "pause":
        return view.go(back, f"{name} is paused: running jobs run on, no other starts")
    return view.go(back, f"{name} is resumed: its jobs start again")


@router.get("/queues/{name}/purge")
async def ask(view: JobsOperator, name: str) -> Response:
    """Say what a purge would come to, and ask whether it is meant."""
    key = await queue_views.known_key(view.runtime, name)
    found = await foresee(view.runtime.queue, key)
    return await view.page("queue_purge.html", name=name, found=found, count=wording.count)


@router.post("/queues/{name}/purge")
async def purge(view: JobsOperator, name: str) -> Response:
    """Remove what waits in a queue; unless that was confirmed, ask first."""
    if view.form.get("confirmed") != "yes":
        return await ask(view, name)
    body = PurgeIn(confirm=name, cancel_owners=view.form.get("cancel_owners") == "yes")
    try:
        done = await queue_routes.purge_queue(name, view.caller, view.runtime, body)
    except AlmanacError as error:
        return view.refused("/queues", error)
    system.forget()
    return view.go(page_of(name), _purged(name, done))


def _purged(name: str, done: PurgedOut) -> str:
    text = f"{wording.count(done.removed, 'job')} removed from {name}"
    if done.kept_owned:
        text += f"; {number(done.kept_owned)} that belong to a row stay"
    if done.running_left:
        text += f"; {number(done.running_left)} that run are left alone"
    return text


def page_of(name: str) -> str:
    """Return where the page of a queue is."""
    return f"/queues/{quote(name, safe='')}"
