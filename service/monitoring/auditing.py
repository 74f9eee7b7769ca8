"""The audit log of what is done to jobs: written and committed before it is done.

Redis takes part in no transaction; so a refused attempt is in the log too.
"""

from service.access import audit
from service.access.caller import Caller
from service.runtime import Runtime


async def note(
    runtime: Runtime, caller: Caller, action: str, subject: str, **detail: object
) -> None:
    """Write down that somebody is about to do something; see `service.access.audit.note`."""
    async with runtime.unit_of_work() as uow:
        await audit.note(uow.session, caller.actor, action, subject, **detail)
