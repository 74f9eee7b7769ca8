"""Use cases of calls."""

from urllib.parse import urlsplit

from service.access.audit import note
from service.access.caller import Caller
from service.calls import rules
from service.calls.jobs import api_call
from service.calls.rules import Json
from service.db.session import UnitOfWork
from service.errors import InvalidInput


async def ask(uow: UnitOfWork, caller: Caller, endpoint: str, method: str, data: Json) -> str:
    """Ask for a call; return the id of its job.

    Raises:
        InvalidInput: the call cannot be made; every reason.
    """
    if wrong := list(rules.problems(endpoint, method, data)):
        raise InvalidInput(wrong)
    (job_id,) = uow.enqueue(api_call(endpoint=endpoint, method=method, data=data))
    host = urlsplit(endpoint).hostname
    await note(uow.session, caller.actor, "calls.ask", job_id, method=method, host=host)
    return job_id
