"""SQL of whose jobs a caller sees."""

from typing import Any

from sqlalchemy import ColumnElement, and_, or_, true

from service.access.caller import Caller
from service.monitoring.visibility import SCHEDULES, owned_names


def seen_by(caller: Caller, actor: Any, name: Any) -> ColumnElement[bool]:
    """Return the condition that a job exists for a caller; see `visibility.sees`.

    Args:
        caller: who asks.
        actor: the column that says who asked for the job.
        name: the column of its name.
    """
    if caller.is_admin:
        return true()
    common = or_(actor.is_(None), actor.startswith(SCHEDULES, autoescape=True))
    return or_(actor == caller.actor, and_(common, name.not_in(owned_names())))
