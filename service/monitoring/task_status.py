"""A job in the shape of a Celery task."""

from typing import Any

from service.access.caller import Caller
from service.monitoring import lookup
from service.monitoring.job_schemas import TaskState, TaskStatus
from service.monitoring.open_jobs import MOST_RUNNING
from service.monitoring.schemas import JobOut
from service.queue import JobState, queue_key
from service.queue.listing import active
from service.runtime import Runtime

_STATES: dict[JobState, TaskState] = {
    JobState.DEFERRED: "PENDING",
    JobState.QUEUED: "PENDING",
    JobState.RUNNING: "STARTED",
    JobState.RETRYING: "RETRY",
    JobState.SUCCEEDED: "SUCCESS",
    JobState.FAILED: "FAILURE",
    JobState.CANCELLED: "REVOKED",
}


async def task_status(runtime: Runtime, caller: Caller, job_id: str) -> TaskStatus | None:
    """Return how a job is, if it exists for the caller."""
    job = await lookup.find(runtime, caller, job_id)
    if job is None:
        return None
    state = JobState(job.state)
    args, named = _arguments(job.arguments)
    return TaskStatus(
        task_id=job.id,
        status=_STATES[state],
        result=_result(job, state),
        traceback=job.error.traceback if job.error else None,
        children=[],
        date_done=job.finished_at if state.terminal else None,
        task_name=job.name,
        args=args,
        named=named,
        worker=await _worker(runtime, job, state),
        retries=max(job.tries - 1, 0),
        eta=None if state.terminal else job.run_at,
        progress=_progress(job, state),
    )


def _result(job: JobOut, state: JobState) -> Any:
    if state is JobState.FAILED and job.error is not None:
        return f"{job.error.type}: {job.error.message}"
    return job.result if state is JobState.SUCCEEDED else None


def _arguments(shown: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return arguments by position, which have numbers for names, and by name."""
    args = [value for name, value in shown.items() if name.isdecimal()]
    return args, {name: value for name, value in shown.items() if not name.isdecimal()}


async def _worker(runtime: Runtime, job: JobOut, state: JobState) -> str | None:
    if state is JobState.RUNNING:
        running = await active(runtime.queue, [queue_key(job.queue)], MOST_RUNNING)
        return next((found.worker for found in running if found.view.job_id == job.id), None)
    return job.attempts[-1].worker if job.attempts and job.tries else None


def _progress(job: JobOut, state: JobState) -> int:
    if state is JobState.SUCCEEDED:
        return 100
    return job.progress.percent if job.progress else 0
