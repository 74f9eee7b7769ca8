"""HTTP of steering jobs: ask for one, cancel, let run again; and jobs as Celery shows tasks."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from service.access import audit
from service.errors import InvalidInput, NotFound, Problem
from service.monitoring import auditing, job_schemas, schemas, sending, steering, task_status
from service.monitoring.history_queries import Search
from service.monitoring.queues import queue_keys
from service.web import ERRORS, JobsOperator, JobsReader, OnceOnly, Opened, Uow

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=ERRORS)


@router.post("", status_code=202, response_model=job_schemas.JobSent)
async def send_job(
    body: job_schemas.JobIn, caller: JobsOperator, runtime: Opened, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Ask for a declared job; `Location` tells where its end is found.

    Jobs that act on rows, such as `posts.publish`, are not asked for: ask for what they belong to.
    """
    sent = await sending.send(runtime, uow, body)
    await audit.note(uow.session, caller.actor, "jobs.enqueue", sent.id, name=sent.name)
    reply = await once.reply(sent, 202)
    reply.headers["Location"] = f"/v1/jobs/{sent.id}"
    return reply


@router.post("/cancel")
async def cancel_jobs(
    selection: job_schemas.CancelSelection, caller: JobsOperator, runtime: Opened
) -> job_schemas.CancelledOut:
    """Cancel the jobs that match, of those that wait or run."""
    wanted = Search(name=selection.name, state=selection.state, queue=selection.queue)
    if selection.all == (wanted != Search()):
        message = "say which jobs by name, queue or state; or only all: true"
        raise InvalidInput([Problem("all", message)])
    queue_keys(wanted.queue)
    told = selection.model_dump(exclude_defaults=True)
    await auditing.note(runtime, caller, "jobs.cancel", "jobs", **told)
    done = await steering.cancel_all(runtime, caller, wanted)
    return job_schemas.CancelledOut.model_validate(done)


@router.post("/{job_id}/cancel", status_code=202)
async def cancel_job(job_id: str, caller: JobsOperator, runtime: Opened) -> schemas.CancelOut:
    """Cancel a job; one that belongs to a delivery cancels the delivery."""
    await auditing.note(runtime, caller, "jobs.cancel", job_id)
    await steering.cancel(runtime, caller, job_id)
    return schemas.CancelOut(id=job_id, cancelling=True)


@router.post("/{job_id}/retry", status_code=202)
async def retry_job(job_id: str, caller: JobsOperator, runtime: Opened) -> job_schemas.RetryOut:
    """Let a job that failed or was cancelled run again, as if it had never run."""
    await auditing.note(runtime, caller, "jobs.retry", job_id)
    await steering.retry(runtime, caller, job_id)
    return job_schemas.RetryOut(id=job_id, retrying=True)


@router.get("/{job_id}/status")
async def show_status(job_id: str, caller: JobsReader, runtime: Opened) -> job_schemas.TaskStatus:
    """Show a job as a Celery task: for those who come from there."""
    found = await task_status.task_status(runtime, caller, job_id)
    if found is None:
        raise NotFound(steering.GONE)
    return found
