"""What a job belongs to: the post, the step of a workflow or the schedule that it is for."""

import re
from typing import Final, NamedTuple
from uuid import UUID

from service.access.caller import Scope
from service.dashboard.view import View
from service.monitoring.schemas import JobOut
from service.monitoring.visibility import SCHEDULES
from service.posts import actions as posts
from service.schedules import queries as schedules
from service.workflows import queries as workflows
from service.workflows.rules import parse_job_id

_TICK: Final = re.compile(r"cron:(.+):\d+")


class Origin(NamedTuple):
    """A page that tells more."""

    title: str
    path: str


async def origin(view: View, job: JobOut) -> Origin | None:
    """Return what a job belongs to, if who looks may see it. Two statements at most."""
    if posts.is_publish_job(job.id):
        return await _post(view, job.id)
    if step := parse_job_id(job.id):
        return await _workflow(view, step[1])
    tick = _TICK.fullmatch(job.id)
    if tick is not None:
        return await _schedule(view, tick[1])
    if job.actor is not None and job.actor.startswith(SCHEDULES):
        return await _schedule(view, job.actor.removeprefix(SCHEDULES))
    return None


async def _post(view: View, job_id: str) -> Origin | None:
    if not view.caller.may(Scope.POSTS_READ):
        return None
    async with view.runtime.database.session() as session:
        found = await posts.publish_job(session, view.caller, job_id)
    if found is None:
        return None
    return Origin(f"the post on {found.delivery.platform}", f"/posts/{found.delivery.post_id}")


async def _workflow(view: View, step_id: UUID) -> Origin | None:
    async with view.runtime.database.session() as session:
        workflow_id = await workflows.parent_of(session, step_id)
        if workflow_id is None:
            return None
        found = await workflows.workflow(session, view.caller, workflow_id)
    return Origin(f"the workflow {found.name}", f"/workflows/{found.id}") if found else None


async def _schedule(view: View, key: str) -> Origin | None:
    async with view.runtime.database.session() as session:
        if (schedule_id := _uuid(key)) is not None:
            found = await schedules.schedule(session, view.caller, schedule_id)
        else:
            named = await schedules.named(session, view.caller, key)
            found = named[0] if len(named) == 1 else None
    return Origin(f"the schedule {found.name}", f"/schedules/{found.id}") if found else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
