"""What the command line does as the operator of the installation, without an API key."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
from arq import Retry

from service.access import actions as access
from service.access.caller import Caller, Scope
from service.config import Settings
from service.errors import Conflict, InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.monitoring import jobs as monitoring_jobs
from service.monitoring import lookup
from service.monitoring.schemas import JobOut
from service.posts import jobs as posts_jobs
from service.queue import JobCall, declared
from service.runtime import load, open_runtime

MODULES = (monitoring_jobs, posts_jobs)
"""Imported so that their jobs are declared."""
OPERATOR = Caller(UUID(int=0), frozenset({Scope.ADMIN}))


async def make_key(settings: Settings, name: str, scopes: Sequence[str], user: str) -> str:
    """Make an API key for a user and return it."""
    async with open_runtime(settings, "cli") as runtime, runtime.unit_of_work() as uow:
        return await access.create_key(uow.session, name, scopes, user)


async def make_first_key(settings: Settings) -> str | None:
    """Make the first admin key; None if any key exists."""
    async with open_runtime(settings, "cli") as runtime, runtime.unit_of_work() as uow:
        return await access.create_first_key(uow.session)


async def find_job(settings: Settings, job_id: str, wait: float) -> JobOut:
    """Return a job, after its end or so many seconds.

    Raises:
        NotFound: there is no such job.
    """
    async with open_runtime(settings, "cli") as runtime:
        job = await lookup.find_ended(runtime, OPERATOR, job_id, wait)
    if job is None:
        raise NotFound(f"There is no job '{job_id}', or its result has expired")
    return job


def job_call(name: str, arguments: Mapping[str, object]) -> JobCall:
    """Return the call of a declared job, its arguments read as their declared types.

    Raises:
        InvalidInput: the job is unknown, or an argument is missing, unknown or of another type.
    """
    job = declared().get(name)
    if job is None:
        known = ", ".join(sorted(declared()))
        raise InvalidInput([Problem("name", f"'{name}' is unknown; known: {known}")])
    problems = [
        Problem(key, f"is unknown; {name} takes: {', '.join(job.parameters) or 'nothing'}")
        for key in arguments.keys() - job.parameters.keys()
    ]
    values = {}
    for key, decoder in job.parameters.items():
        try:
            if key in arguments:
                values[key] = decoder.decode(msgspec.json.encode(arguments[key]))
        except msgspec.ValidationError as error:
            problems.append(Problem(key, str(error)))
    if problems:
        raise InvalidInput(problems)
    try:
        return job(**values)
    except TypeError as error:
        raise InvalidInput([Problem("arguments", str(error))]) from error


async def enqueue(settings: Settings, call: JobCall) -> str:
    """Send a job to its queue and return its id."""
    async with open_runtime(settings, "cli") as runtime:
        handle = await runtime.queue.enqueue(call)
    assert handle is not None, "a call without an id of its own is never refused"
    return handle.job_id


async def run_here(settings: Settings, call: JobCall) -> object:
    """Run a job in this process, without queue and worker, and return its result.

    Raises:
        Conflict: the job is not done and asks to be run again.
        Exception: whatever the job raises.
    """
    coroutine = load(declared()[call.name].coroutine)
    async with open_runtime(settings, "cli") as runtime:
        context = {"runtime": runtime, "job_id": "here", "job_try": 1, "enqueue_time": now()}
        try:
            return msgspec.to_builtins(await coroutine(context, **call.kwargs))
        except Retry as again:
            seconds = (again.defer_score or 0) / 1000
            raise Conflict(f"{call.name} asks to be run again in {seconds:g} s") from again
