"""Whose jobs a caller sees; what the caller does not see does not exist for them.

A job that nobody in particular asked for, or a schedule, is everybody's who may read jobs; one that
a user asked for is that user's. Jobs that act on a row of somebody, such as posts.publish, are
nobody's in particular only by accident: the sweep may have sent them.
"""

from service.access.caller import Caller
from service.queue import declared

SCHEDULES = "schedule:"
"""How the actors of jobs begin that a schedule sent."""


def sees(caller: Caller, actor: str | None, name: str) -> bool:
    """Whether a job exists for a caller.

    Args:
        caller: who asks.
        actor: who asked for the job; None where it does not say.
        name: of the job.
    """
    if caller.is_admin or actor == caller.actor:
        return True
    common = actor is None or actor.startswith(SCHEDULES)
    return common and name not in owned_names()


def owned_names() -> list[str]:
    """Return the names of jobs that act on rows with owners."""
    return [job.name for job in declared().values() if job.owner is not None]
