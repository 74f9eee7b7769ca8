"""What the command line does as the operator of the installation, without an API key."""

from collections.abc import Sequence
from uuid import UUID

from service.access import actions as access
from service.access.caller import Caller, Scope
from service.config import Settings
from service.errors import NotFound
from service.monitoring import lookup
from service.monitoring.schemas import JobOut
from service.runtime import open_runtime

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
