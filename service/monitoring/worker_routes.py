"""HTTP of workers: who is there; ping, quiet, resume, shutdown."""

from collections.abc import Iterable

import msgspec
from fastapi import APIRouter

from service.access.caller import Caller
from service.errors import NotFound, Unavailable
from service.monitoring import auditing, celery_views, worker_schemas
from service.monitoring.visibility import sees
from service.queue import control, presence
from service.queue.control import Command
from service.queue.presence import WorkerView
from service.runtime import Runtime
from service.web import ERRORS, Admin, JobsOperator, JobsReader, Opened

router = APIRouter(prefix="/v1/workers", tags=["workers"], responses=ERRORS)
PATIENCE = 3.0
"""Seconds that a worker has to answer."""


@router.get("")
async def list_workers(caller: JobsReader, runtime: Opened) -> worker_schemas.WorkerList:
    """List the workers of the last day, but those that stopped by themselves."""
    return _listed(caller, await presence.workers(runtime.queue))


@router.get("/stats")
async def show_stats(caller: JobsReader, runtime: Opened) -> worker_schemas.WorkerStats:
    """Show all workers as Celery's tools do: for those who come from there."""
    return await celery_views.worker_stats(runtime)


@router.get("/{name}")
async def show_worker(name: str, caller: JobsReader, runtime: Opened) -> worker_schemas.WorkerList:
    """Show a worker: one item for each queue that its process serves."""
    if not (found := await presence.worker(runtime.queue, name)):
        raise NotFound(f"No worker '{name}' was seen in the last day")
    return _listed(caller, found)


def _listed(caller: Caller, found: Iterable[WorkerView]) -> worker_schemas.WorkerList:
    """Show workers, without the jobs that do not exist for the caller."""
    items = []
    for view in found:
        running = [job for job in view.running if sees(caller, job.actor, job.name)]
        items.append(msgspec.structs.replace(view, running=running))
    return worker_schemas.WorkerList.model_validate({"items": items})


@router.post("/{name}/ping")
async def ping_worker(name: str, caller: JobsOperator, runtime: Opened) -> worker_schemas.AnswerOut:
    """Ask a worker whether it listens."""
    return await _tell(runtime, caller, name, "ping")


@router.post("/{name}/quiet")
async def quiet_worker(
    name: str, caller: JobsOperator, runtime: Opened
) -> worker_schemas.AnswerOut:
    """Let a worker claim nothing more; its running jobs go on."""
    return await _tell(runtime, caller, name, "quiet")


@router.post("/{name}/resume")
async def resume_worker(
    name: str, caller: JobsOperator, runtime: Opened
) -> worker_schemas.AnswerOut:
    """Let a quiet worker claim again."""
    return await _tell(runtime, caller, name, "resume")


@router.post("/{name}/shutdown")
async def shut_down_worker(name: str, caller: Admin, runtime: Opened) -> worker_schemas.AnswerOut:
    """Stop the process of a worker: running jobs end first, as at SIGTERM."""
    return await _tell(runtime, caller, name, "shutdown")


async def _tell(
    runtime: Runtime, caller: Caller, name: str, command: Command
) -> worker_schemas.AnswerOut:
    alive = {worker.name for worker in await presence.alive(runtime.queue)}
    if name not in alive:
        raise NotFound(f"No worker '{name}' is alive")
    await auditing.note(runtime, caller, f"workers.{command}", f"worker:{name}")
    answer = await control.tell(runtime.queue, name, command, by=caller.actor, timeout=PATIENCE)
    if answer is None:
        raise Unavailable(f"'{name}' did not answer within {PATIENCE:g} s")
    return worker_schemas.AnswerOut.model_validate(answer)
