"""Incidents: what went wrong and whom it concerns, what nobody has read yet first."""

import re
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from service.access.caller import Scope
from service.dashboard.pages import own_notifications
from service.dashboard.view import Anybody, JobsOperator, JobsReader
from service.errors import NotFound
from service.notifications import queries, routes
from service.notifications.models import Notice
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
router.include_router(own_notifications.router)  # first: `/{notice_id}/read` would take its paths
HERE = "/notifications"
_LAST_JOB = re.compile(r"Job (\S+) of ")
"""How the text of a job that failed begins."""


@router.get("/notifications")
async def show(view: Anybody, page: Paging, uow: Uow, show: str = "unread") -> Response:
    """Show what happened, newest first; to who may not see jobs, what they were told themselves."""
    if not view.caller.may(Scope.JOBS_READ):
        return RedirectResponse(own_notifications.HERE, 303)
    unread = show != "all"
    found = await queries.list_notices(uow.session, view.caller, page, unread=unread)
    caller = view.caller
    return await view.page(
        "notifications.html",
        notices=[(notice, about(notice)) for notice in found.items],
        cursor=found.next_cursor,
        unread=unread,
        first=page.before is None,
        may_operate=caller.may(Scope.JOBS_OPERATE),
    )


def about(notice: Notice) -> list[tuple[str, str]]:
    """Return where one sees what a notification is about: words and paths."""
    kind, _, rest = notice.key.partition(":")
    if kind == "alert":
        return [("Alerts", "/alerts")]
    if kind == "webhook.disabled":
        return [("The webhook", f"/webhooks/{rest}")]
    if kind == "post.returned":
        return [("The post", f"/posts/{rest.partition(':')[0]}")]
    if kind != "job.failed":
        return []
    name = rest.partition(":")[0]
    search = urlencode({"q": f"name:{name} state:failed"})
    links = [(f"All failed runs of {name}", f"/jobs?{search}")]
    if (last := _LAST_JOB.match(notice.text)) is not None:
        links.insert(0, ("The last job", f"/jobs/{quote(last[1], safe='')}"))
    return links


@router.post("/notifications/read")
async def read_all(view: JobsReader, uow: Uow) -> Response:
    """Mark everything as read that concerns the person."""
    count = (await routes.read_all(view.caller, uow)).read
    text = "1 notification is" if count == 1 else f"{count} notifications are"
    return view.go(view.back(HERE), f"{text} read now")


@router.post("/notifications/{notice_id}/read")
async def read(view: JobsReader, notice_id: UUID) -> Response:
    """Mark one as read."""
    try:
        async with view.runtime.unit_of_work() as uow:
            notice = await routes.read(notice_id, view.caller, uow)
    except NotFound as error:
        return view.refused(view.back(HERE), error)
    return view.go(view.back(HERE), f"Read: {notice.title}")


@router.post("/notifications/{notice_id}/resolve")
async def resolve(view: JobsOperator, notice_id: UUID) -> Response:
    """End an incident: what happens again is a new one."""
    try:
        async with view.runtime.unit_of_work() as uow:
            notice = await routes.resolve(notice_id, view.caller, uow)
            await routes.read(notice_id, view.caller, uow)
    except NotFound as error:
        return view.refused(view.back(HERE), error)
    return view.go(view.back(HERE), f"Resolved: {notice.title}")
