"""One job: how it is, why it does not run, what happened to it, and what can be done about it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Response

from service.access.caller import Scope
from service.dashboard.jobs import origin as job_origin
from service.dashboard.jobs.search import job_path
from service.dashboard.pages import jobs_many
from service.dashboard.view import JobsOperator, JobsReader, View
from service.errors import Conflict, NotFound
from service.kit.clock import now
from service.monitoring import dead_routes, details, job_routes, routes, waiting
from service.monitoring.schemas import AttemptOut, DeadSelection, JobOut
from service.queue import JobState
from service.queue.sealing import MASK

router = APIRouter(include_in_schema=False)
LONGEST_VALUE: Final = 20_000
"""Characters of arguments and results that are shown."""
IN_WORDS: Final = {
    "deferred": "It waits for its time.",
    "queued": "It waits for a worker.",
    "retrying": "Its last try failed; it is tried again.",
    "running": "It runs.",
    "succeeded": "It succeeded.",
    "failed": "It failed for good: it is not tried again by itself.",
    "cancelled": "It was cancelled.",
}


class Moment(NamedTuple):
    """One line of the timeline."""

    at: datetime
    state: str
    text: str
    took: timedelta | None = None
    """How long what is told of took, or how long it was until then."""


@router.get("/jobs/{job_id:path}")
async def show(job_id: str, view: JobsReader) -> Response:
    """Show one job."""
    job = await routes.show_job(job_id, view.caller, view.runtime, wait=0)
    more = await details.details(view.runtime, job)
    if job.started_at is None and more.started_at is not None:
        job = job.model_copy(update={"started_at": more.started_at})
    return await view.page(
        "job.html",
        job=job,
        more=more,
        in_words=IN_WORDS[job.state],
        reasons=await waiting.why(view.runtime, view.caller, job),
        origin=await job_origin.origin(view, job),
        timeline=_timeline(job),
        attempts=_attempts(job),
        arguments=[(name, shown(value)) for name, value in _named(job.arguments)],
        result=None if job.result is None else shown(job.result),
        mask=MASK,
        acts=_acts(job, dead=more.dead) if view.caller.may(Scope.JOBS_OPERATE) else (),
        job_path=job_path,
    )


def _acts(job: JobOut, *, dead: bool) -> Sequence[str]:
    """Return what can be done to a job."""
    if not JobState(job.state).terminal:
        return ("cancel",)
    if dead:
        return ("retry", "discard")
    return ("retry",) if job.state in {JobState.FAILED, JobState.CANCELLED} else ()


def _attempts(job: JobOut) -> Sequence[AttemptOut]:
    """Return the runs of a job, the last first; one that the history lacks as the job tells it."""
    runs = [run for run in job.attempts if run.attempt > 0]
    if not runs and job.error is not None and job.started_at and job.finished_at:
        only = AttemptOut(
            attempt=job.tries,
            state=job.state,
            worker=None,
            started_at=job.started_at,
            finished_at=job.finished_at,
            error=job.error,
        )
        return [only]
    return runs[::-1]


def _timeline(job: JobOut) -> list[Moment]:
    return list(_moments(job))


def _moments(job: JobOut) -> Iterator[Moment]:
    sent = job.enqueued_at
    if sent is not None:
        yield Moment(sent, "queued", f"Sent by {job.actor}" if job.actor else "Sent")
    before = sent
    for run in job.attempts:
        if run.attempt == 0:
            yield Moment(run.finished_at, run.state, "Ended without a run")
            continue
        waited = run.started_at - before if before and run.started_at > before else None
        where = f" on {run.worker}" if run.worker else ""
        yield Moment(run.started_at, "running", f"Try {run.attempt} began{where}", waited)
        ends = {"retrying": "failed; it was tried again", "failed": "failed for good"}
        text = f"Try {run.attempt} {ends.get(run.state, run.state)}"
        yield Moment(run.finished_at, run.state, text, run.finished_at - run.started_at)
        before = run.finished_at
    yield from _present(job, before)


def _present(job: JobOut, before: datetime | None) -> Iterator[Moment]:
    """Yield what the recorded runs do not tell yet."""
    told = job.attempts[-1].finished_at if job.attempts else None
    state = JobState(job.state)
    if state is JobState.RUNNING and job.started_at is not None:
        yield Moment(
            job.started_at,
            "running",
            f"Try {job.tries or len(job.attempts) + 1} began",
            job.started_at - before if before and job.started_at > before else None,
        )
    if not state.terminal and job.run_at is not None and job.run_at > now():
        yield Moment(job.run_at, "scheduled", "It may start")
    if state.terminal and told is None:
        if job.started_at is not None and job.tries:
            yield Moment(job.started_at, "running", f"Try {job.tries} began")
        if job.finished_at is not None:
            took = job.finished_at - job.started_at if job.started_at and job.tries else None
            yield Moment(job.finished_at, job.state, IN_WORDS[job.state].rstrip("."), took)


def _named(arguments: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(arguments, dict):
        yield from arguments.items()
    elif arguments is not None:
        yield "arguments", arguments


def shown(value: Any) -> str:
    """Return a value of a job as text: a string as it is, all else as JSON."""
    if isinstance(value, str):
        text = value
    else:
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    if len(text) <= LONGEST_VALUE:
        return text
    return f"{text[:LONGEST_VALUE]}… ({len(text):,} characters in all)"


@router.post("/jobs/{job_id:path}/cancel")
async def cancel(job_id: str, view: JobsOperator) -> Response:
    """Cancel a job, once that is confirmed."""
    return await _act(view, "cancel", job_id)


@router.post("/jobs/{job_id:path}/retry")
async def retry(job_id: str, view: JobsOperator) -> Response:
    """Let a job run again that failed or was cancelled."""
    return await _act(view, "retry", job_id)


@router.post("/jobs/{job_id:path}/discard")
async def discard(job_id: str, view: JobsOperator) -> Response:
    """Forget a dead job, once that is confirmed."""
    return await _act(view, "discard", job_id)


async def _act(view: View, act: str, job_id: str) -> Response:
    here = job_path(job_id)
    asked = act != "retry" and view.form.get("confirmed") != "yes"
    if asked:
        await routes.show_job(job_id, view.caller, view.runtime, wait=0)  # or it is not found
        return await jobs_many.ask(view, act, "this job", [job_id], [], here, job_path(job_id, act))
    try:
        return view.go(here, await _done(view, act, job_id))
    except (NotFound, Conflict) as error:
        return view.refused(here, error)


async def _done(view: View, act: str, job_id: str) -> str:
    """Do something to one job; return what was done."""
    if act == "cancel":
        await job_routes.cancel_job(job_id, view.caller, view.runtime)
        return "It is cancelled, or will be as soon as its worker has stopped it."
    if act == "retry":
        await job_routes.retry_job(job_id, view.caller, view.runtime)
        return "It runs again."
    selection = DeadSelection(ids=[job_id])
    done = await dead_routes.discard_dead(selection, view.caller, view.runtime)
    if not done.discarded:
        raise Conflict("Only a dead job is discarded; this one is none")
    return "It is discarded. What you see is what the history tells of it."
