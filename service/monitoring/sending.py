"""Jobs that people ask for."""

from dataclasses import replace
from datetime import datetime, timedelta

from service.db.session import UnitOfWork
from service.errors import Conflict, InvalidInput, Problem
from service.kit.clock import now
from service.monitoring import history, rows_queries
from service.monitoring.job_schemas import JobIn, JobSent
from service.queue import JobCall, JobState, declared, inspect, job_call
from service.queue.errors import EncodeError
from service.runtime import Runtime


async def send(runtime: Runtime, uow: UnitOfWork, body: JobIn) -> JobSent:
    """Send a job, which is durable; it goes to its queue after the commit.

    Raises:
        InvalidInput: the job is unknown or not to be asked for, or its arguments do not fit.
        Conflict: a job of this id exists, or existed.
    """
    call = _call(body)
    try:
        runtime.prepare([call])
    except EncodeError as error:
        raise InvalidInput([Problem("arguments", error.message)]) from error
    if body.id is not None:
        await _refuse_taken(runtime, uow, body.id)
    (job_id,) = uow.enqueue(call)
    later = call.run_at is not None and call.run_at > now()
    state = JobState.DEFERRED if later else JobState.QUEUED
    return JobSent(id=job_id, name=call.name, queue=call.queue, state=state, run_at=call.run_at)


def _call(body: JobIn) -> JobCall:
    job = declared().get(body.name)
    if job is not None and job.owner is not None:
        why = f"'{body.name}' acts on a row: ask for what that belongs to, such as a post"
        raise InvalidInput([Problem("name", why)])
    try:
        call = job_call(body.name, body.arguments)
    except InvalidInput as refusal:
        if job is None:
            raise
        raise InvalidInput([_of_argument(problem) for problem in refusal.problems]) from None
    return call.in_lane(body.lane or call.lane).deferred(_start(body), body.id)


def _of_argument(problem: Problem) -> Problem:
    whole = problem.field == "arguments"
    return problem if whole else replace(problem, field=f"arguments.{problem.field}")


def _start(body: JobIn) -> datetime | None:
    if body.delay is not None:
        return now() + timedelta(seconds=body.delay)
    return history.read_instant("run_at", body.run_at)


async def _refuse_taken(runtime: Runtime, uow: UnitOfWork, job_id: str) -> None:
    """Raise Conflict if a job has this id; until the commit no other request takes it."""
    if await rows_queries.take_id(uow.session, job_id) or await inspect(runtime.queue, job_id):
        raise Conflict(f"There is a job '{job_id}' already; an id is used once")
