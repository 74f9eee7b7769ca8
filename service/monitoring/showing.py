"""Jobs as people see them, from wherever they are told of."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from service.db.outbox import DurableJob
from service.kit.clock import now
from service.monitoring.schemas import JobError, JobOut, ProgressOut, RunOut
from service.posts import actions as posts
from service.queue import DecodeError, JobState, JobView
from service.queue.codec import parse
from service.queue.failures import Failure
from service.queue.views import Found, ended, found

WAITS = (JobState.QUEUED, JobState.RETRYING)


def of_delivery(job_id: str, job: posts.PublishJob) -> JobOut:
    """Show the job that publishes a delivery."""
    delivery = job.delivery
    succeeded = job.state == JobState.SUCCEEDED
    failed = job.state == JobState.FAILED
    return JobOut(
        id=job_id,
        name="posts.publish",
        queue="publishing",
        state=job.state,
        arguments={"delivery_id": str(delivery.id), "version": job.version},
        tries=delivery.attempts,
        run_at=delivery.next_run_at,
        enqueued_at=delivery.created_at,
        started_at=None,
        finished_at=delivery.published_at,
        result={"remote_id": delivery.remote_id, "url": delivery.remote_url} if succeeded else None,
        error=JobError(type=delivery.state, message=delivery.error or "", traceback=None)
        if failed
        else None,
    )


def of_view(view: JobView) -> JobOut:
    """Show a job that Redis tells of."""
    return JobOut(
        id=view.job_id,
        name=view.function,
        queue=view.queue.removeprefix("almanac:"),
        state=view.state,
        arguments=_arguments(view),
        tries=view.tries,
        run_at=view.run_at,
        enqueued_at=view.enqueued_at,
        started_at=view.started_at,
        finished_at=view.finished_at,
        result=msgspec.to_builtins(view.result),
        error=_of_failure(view.error),
        actor=view.headers.get("actor"),
    )


def of_row(row: DurableJob) -> JobOut:
    """Show a durable job from its row alone: Redis does not have it, or not any more."""
    told = {
        "id": row.id,
        "state": row.state if row.state != JobState.QUEUED or row.due_at <= now() else "deferred",
        "tries": row.tries,
        "path": row.path,
        "actor": row.actor,
        "run_at": _run_at(row),
        "enqueued_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
    }
    if row.result:
        shown = of_view(ended(row.id, parse(row.result), unmask=False))
        return shown.model_copy(update=told)
    return of_view(_view(row)).model_copy(update={**told, "error": _error(row)})


def told_by(row: DurableJob) -> dict[str, Any]:
    """Return the fields of a `JobOut` that only a row has."""
    return {"path": row.path, "progress": _progress(row), "log": row.log or []}


def open_row(row: DurableJob, state: str, worker: str | None = None) -> RunOut:
    """Show in a list, as of this state, a durable job that has not ended."""
    view = _view(row)
    started = row.started_at if row.state == JobState.RUNNING else None
    shown = _listed(view, state, worker, started)
    return shown.model_copy(
        update={
            "attempt": row.tries + (row.state == JobState.RUNNING),
            "actor": row.actor,
            "run_at": _run_at(row),
            "enqueued_at": row.created_at,
            "error": _error(row),
            "progress": _progress(row),
        }
    )


def open_view(view: JobView, state: str, worker: str | None = None) -> RunOut:
    """Show in a list, as of this state, a job without a row that has not ended."""
    return _listed(view, state, worker, view.started_at)


def _listed(view: JobView, state: str, worker: str | None, started: datetime | None) -> RunOut:
    return RunOut(
        id=view.job_id,
        attempt=view.tries,
        name=view.function,
        queue=view.queue.removeprefix("almanac:"),
        state=state,
        arguments=_arguments(view),
        worker=worker,
        actor=view.headers.get("actor"),
        trace=view.headers.get("trace"),
        run_at=view.run_at,
        enqueued_at=view.enqueued_at,
        started_at=started,
        finished_at=None,
        error=_of_failure(view.error),
    )


def _view(row: DurableJob) -> JobView:
    kept = Found(dead=False, queue=row.queue, moment=0, payload=row.payload, tries=row.tries)
    try:
        return found(row.id, kept, unmask=False)
    except DecodeError:  # such as arguments that this release does not know: the rest is shown
        view = found(row.id, kept._replace(payload=b""), unmask=False)
        return replace(view, function=row.name)


def _arguments(view: JobView) -> Any:
    return msgspec.to_builtins({**dict(enumerate(view.args)), **view.kwargs}, str_keys=True)


def _run_at(row: DurableJob) -> datetime | None:
    return row.due_at if row.state in WAITS else None


def _progress(row: DurableJob) -> ProgressOut | None:
    if not row.progress and row.progress_text is None:
        return None
    return ProgressOut(percent=row.progress, text=row.progress_text)


def _of_failure(error: Failure | None) -> JobError | None:
    if error is None:
        return None
    return JobError(type=error.type, message=error.message, traceback=error.traceback)


def _error(row: DurableJob) -> JobError | None:
    kind, _, message = (row.error or "").partition(": ")
    return JobError(type=kind, message=message, traceback=None) if row.error else None
