"""Workers: who is there, what each does, and the ways to tell it something."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal
from urllib.parse import quote

from fastapi import APIRouter, Response

from service.access.caller import Caller, Scope
from service.dashboard.formats import duration
from service.dashboard.operations.processes import Process, processes
from service.dashboard.operations.wording import count
from service.dashboard.rendering import is_fragment
from service.dashboard.view import Admin, JobsOperator, JobsReader, View
from service.errors import AlmanacError
from service.monitoring import health_routes, worker_routes
from service.monitoring.queues import queue_keys
from service.monitoring.worker_schemas import AnswerOut, WorkerList
from service.queue.backlog import backlogs, living
from service.runtime import Runtime

router = APIRouter(include_in_schema=False)
Verb = Literal["ping", "quiet", "resume", "shutdown"]
TELL: Mapping[Verb, Callable[[str, Caller, Runtime], Awaitable[AnswerOut]]] = {
    "ping": worker_routes.ping_worker,
    "quiet": worker_routes.quiet_worker,
    "resume": worker_routes.resume_worker,
    "shutdown": worker_routes.shut_down_worker,
}
SAID = {
    "pong": "answers",
    "quiet": "takes no new jobs",
    "running": "takes jobs",
    "stopping": "stops as soon as its jobs have ended",
}


@router.get("/workers")
async def show_all(view: JobsReader) -> Response:
    """Show all processes that run jobs, and the state of what they stand on."""
    found = await _processes(view, await worker_routes.list_workers(view.caller, view.runtime))
    # It writes to the disk and asks every server: not again at each event.
    live = is_fragment(view.request)
    health = None if live else await health_routes.look(view.caller, view.runtime)
    return await view.page("workers.html", processes=found, health=health)


@router.get("/workers/{name}")
async def show(view: JobsReader, name: str) -> Response:
    """Show one process: its queues, what it runs, what it can run."""
    (process,) = await _processes(
        view, await worker_routes.show_worker(name, view.caller, view.runtime)
    )
    return await view.page(
        "worker.html",
        process=process,
        may_operate=view.caller.may(Scope.JOBS_OPERATE),
        path=page_of(name),
    )


async def _processes(view: View, listed: WorkerList) -> list[Process]:
    client = view.runtime.queue
    keys = sorted({*queue_keys(), *await living(client)})
    return processes(listed.items, await backlogs(client, keys))


@router.post("/workers/{name}/ping")
async def ping(view: JobsOperator, name: str) -> Response:
    """Ask whether it listens."""
    return await _tell(view, name, "ping")


@router.post("/workers/{name}/quiet")
async def quiet(view: JobsOperator, name: str) -> Response:
    """Let it claim nothing more."""
    return await _tell(view, name, "quiet")


@router.post("/workers/{name}/resume")
async def resume(view: JobsOperator, name: str) -> Response:
    """Let it claim again."""
    return await _tell(view, name, "resume")


@router.get("/workers/{name}/shutdown")
async def ask(view: Admin, name: str) -> Response:
    """Say what stopping it means, and ask whether that is meant."""
    (process,) = await _processes(
        view, await worker_routes.show_worker(name, view.caller, view.runtime)
    )
    return await view.page("worker_shutdown.html", process=process, path=page_of(name), count=count)


@router.post("/workers/{name}/shutdown")
async def shut_down(view: Admin, name: str) -> Response:
    """Stop its process; unless that was confirmed, ask first."""
    if view.form.get("confirmed") != "yes":
        return await ask(view, name)
    return await _tell(view, name, "shutdown")


async def _tell(view: View, name: str, verb: Verb) -> Response:
    back = "/workers" if verb == "shutdown" else view.back(page_of(name))
    try:
        answer = await TELL[verb](name, view.caller, view.runtime)
    except AlmanacError as error:
        return view.refused("/workers", error)
    text = f"{name} {SAID[answer.said]}; it runs {count(answer.busy, 'job')}"
    lag = duration(answer.loop_lag_ms / 1000)
    return view.go(back, f"{text}, and its event loop is late by {lag} at the most")


def page_of(name: str) -> str:
    """Return where the page of a worker is."""
    return f"/workers/{quote(name, safe='')}"
