"""What the command line does as the operator of the installation, without an API key."""

import getpass
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from service.access import actions as access
from service.access import passwords
from service.access.audit import note
from service.access.caller import Caller, Scope
from service.config import Settings
from service.errors import Conflict, NotFound
from service.job_modules import MODULES
from service.kit.clock import now
from service.monitoring import lookup
from service.monitoring.schemas import JobOut
from service.queue import HEADERS, JobCall
from service.queue import job_call as job_call  # for the command line
from service.runtime import Runtime, load, open_runtime

JOBS = MODULES
"""The command line names any of them."""


def _who() -> str:
    """Return who sits at the terminal; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """What lets the first admin in, shown once."""

    key: str
    password: str | None
    """None if the user has one already."""


OPERATOR = Caller(UUID(int=0), f"cli:{_who()}", frozenset({Scope.ADMIN}))


async def make_key(settings: Settings, name: str, scopes: Sequence[str], user: str) -> str:
    """Make an API key for a user and return it."""
    async with open_runtime(settings, "cli") as runtime:
        return await issue_key(runtime, name, scopes, user)


async def issue_key(
    runtime: Runtime,
    name: str,
    scopes: Sequence[str],
    user: str,
    expires_at: datetime | None = None,
) -> str:
    """Make an API key, and write that down; see `access.create_key`."""
    async with runtime.unit_of_work() as uow:
        key = await access.create_key(uow.session, name, scopes, user, expires_at)
        about = {"user": user, "scopes": scopes, "expires_at": expires_at}
        await note(uow.session, OPERATOR.actor, "keys.create", f"key:{name}", **about)
    return key


async def let_first_admin_in(settings: Settings) -> FirstAdmin | None:
    """Make the admin of a new installation, with password and key; None if any key exists."""
    password = passwords.generated()
    stored = await passwords.hashed(password)
    async with open_runtime(settings, "cli") as runtime, runtime.unit_of_work() as uow:
        first = await access.create_first_admin(uow.session, stored)
        if first is None:
            return None
        await note(uow.session, OPERATOR.actor, "users.create", f"user:{access.FIRST_USER}")
    return FirstAdmin(first.key, password if first.password else None)


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
    HEADERS.set({**HEADERS.get(), "actor": OPERATOR.actor})
    async with open_runtime(settings, "cli") as runtime, runtime.unit_of_work() as uow:
        (job_id,) = uow.enqueue(call)
        await note(uow.session, OPERATOR.actor, "jobs.enqueue", job_id, job=call.name)
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
