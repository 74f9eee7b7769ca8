"""HTTP of queues: how they are; pause, resume, purge."""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from service.access.caller import Caller
from service.errors import InvalidInput, Problem
from service.monitoring import auditing, celery_views, queue_schemas, queue_views
from service.queue import pause, purge, resume
from service.runtime import Runtime
from service.web import ERRORS, JobsOperator, JobsReader, Opened

router = APIRouter(prefix="/v1/queues", tags=["queues"], responses=ERRORS)


@router.get("")
async def list_queues(caller: JobsReader, runtime: Opened) -> queue_schemas.QueueList:
    """List all queues: what waits, who is there, how fast it goes, what is wrong."""
    found = await queue_views.queues(runtime)
    server = await queue_views.server(runtime)
    return queue_schemas.QueueList.model_validate({"items": found, "server": server})


@router.get("/status")
async def show_status(caller: JobsReader, runtime: Opened) -> queue_schemas.QueueStatus:
    """Show all queues as Celery's tools do: for those who come from there."""
    return await celery_views.queue_status(runtime)


@router.get("/{name}")
async def show_queue(name: str, caller: JobsReader, runtime: Opened) -> queue_schemas.QueueOut:
    """Show one queue."""
    return queue_schemas.QueueOut.model_validate(await queue_views.queue(runtime, name))


@router.get("/{name}/scale")
async def show_scale(name: str, caller: JobsReader, runtime: Opened) -> queue_schemas.ScaleOut:
    """Tell an autoscaler, such as KEDA's metrics-api, how much there is to do."""
    return queue_schemas.ScaleOut(value=await queue_views.load(runtime, name))


@router.post("/{name}/pause")
async def pause_queue(name: str, caller: JobsOperator, runtime: Opened) -> queue_schemas.PausedOut:
    """Let no worker start a job of a queue; running ones run on."""
    return await _steer(runtime, caller, name, "pause")


@router.post("/{name}/resume")
async def resume_queue(name: str, caller: JobsOperator, runtime: Opened) -> queue_schemas.PausedOut:
    """Let the jobs of a paused queue start again."""
    return await _steer(runtime, caller, name, "resume")


async def _steer(
    runtime: Runtime, caller: Caller, name: str, verb: Literal["pause", "resume"]
) -> queue_schemas.PausedOut:
    key = await queue_views.known_key(runtime, name)
    await auditing.note(runtime, caller, f"queues.{verb}", f"queue:{name}")
    await (pause if verb == "pause" else resume)(runtime.queue, key)
    return queue_schemas.PausedOut(name=name, paused=verb == "pause")


@router.post("/{name}/purge")
async def purge_queue(
    name: str,
    caller: JobsOperator,
    runtime: Opened,
    body: queue_schemas.PurgeIn | None = None,
    *,
    yes: Annotated[bool, Query(description="Stands for `confirm`")] = False,
) -> queue_schemas.PurgedOut:
    """Remove every job that waits in a queue; jobs of rows are left to their rows."""
    wanted = body or queue_schemas.PurgeIn()
    key = await queue_views.known_key(runtime, name)
    if not yes and wanted.confirm != name:
        message = f"must be '{name}' (or ?yes=true) to purge this queue; nothing was removed"
        raise InvalidInput([Problem("confirm", message)])
    owners = wanted.cancel_owners
    await auditing.note(runtime, caller, "queues.purge", f"queue:{name}", cancel_owners=owners)
    resolve = runtime.owners(caller) if owners else None
    done = await purge(runtime.queue, key, cancel_owners=owners, resolve=resolve)
    return queue_schemas.PurgedOut(**asdict(done))
