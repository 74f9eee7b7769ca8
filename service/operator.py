"""What the command line does as the operator of the installation, without an API key."""

import math
from collections.abc import Sequence
from uuid import UUID

import msgspec

from service.access import actions as access
from service.access.caller import Caller, Scope
from service.config import Settings
from service.errors import Conflict, NotFound
from service.job_modules import MODULES
from service.kit.clock import now
from service.monitoring import lookup
from service.monitoring.schemas import JobOut
from service.queue import JobCall
from service.queue import job_call as job_call  # for the command line
from service.runtime import load, open_runtime

JOBS = MODULES
"""The command line names any of them."""
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


async def enqueue(settings: Settings, call: JobCall) -> str:
    """Send a job to its queue, as soon as that is there, and return its id."""
    async with open_runtime(settings, "cli") as runtime, runtime.unit_of_work() as uow:
        (job_id,) = uow.enqueue(call)
    return job_id


async def run_here(settings: Settings, call: JobCall) -> object:
    """Run a job in this process, without queue and worker, and return its result.

    Raises:
        Conflict: the job is not done and asks to be run again.
        Exception: whatever the job raises, also where its policy would run it again.
    """
    async with open_runtime(settings, "cli") as runtime:
        end = await load("workers.direct.run_once")(runtime, call)
    if end.error is not None:
        raise end.error
    if end.at_ms:
        seconds = math.ceil(end.at_ms / 1000 - now().timestamp())
        raise Conflict(f"{call.name} is not done: it asks to be run again in {seconds} s")
    return msgspec.to_builtins(end.value)
