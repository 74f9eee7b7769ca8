"""Asking for newsletters to be written."""

from collections.abc import Sequence

from service.access.audit import note
from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import InvalidInput
from service.newsletters import generating_rules as rules
from service.newsletters import jobs


async def ask(
    uow: UnitOfWork, caller: Caller, topic: str, style: str, sources: Sequence[str]
) -> str:
    """Let a newsletter be written; return the id of the job whose result it becomes.

    Raises:
        InvalidInput: see `generating_rules.problems`.
    """
    if problems := rules.problems(topic, style, sources):
        raise InvalidInput(problems)
    call = jobs.generate(topic=topic.strip(), style=style.strip(), sources=tuple(sources))
    (job_id,) = uow.enqueue(call)
    detail = {"style": style.strip(), "sources": len(sources)}
    await note(uow.session, caller.actor, "newsletters.generate", job_id, **detail)
    return job_id
