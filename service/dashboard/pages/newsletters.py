"""Newsletters: all that there are, and one with its issues and readers."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from service.access.caller import Scope
from service.dashboard.pages import newsletter_form, newsletter_writing
from service.dashboard.view import ContentReader, ContentWriter
from service.errors import AlmanacError
from service.newsletters import issue_queries, queries, routes, views
from service.newsletters.models import IssueState
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
router.include_router(newsletter_form.router)
router.include_router(newsletter_writing.router)
URGENT = (IssueState.FAILED, IssueState.PAUSED, IssueState.DRAFT)
"""States of issues that wait for a person, the worst first."""
ACTS: Mapping[str, tuple[Any, str]] = {
    "pause": (routes.pause_newsletter, "It does not come by itself until you resume it"),
    "resume": (routes.resume_newsletter, "It comes again"),
    "cancel": (routes.cancel_newsletter, "It has ended; its issues and readers stay"),
}


@router.get("/newsletters")
async def show_all(view: ContentReader, page: Paging, uow: Uow) -> Response:
    """List newsletters, newest first."""
    rows = await queries.list_newsletters(uow.session, view.caller, page, None)
    base_url = view.runtime.settings.base_url
    last = await issue_queries.latest_issues(uow.session, [row.id for row in rows.items])
    issues = await views.issues(uow.session, list(last.values()))
    return await view.page(
        "newsletters.html",
        items=await views.newsletters(uow.session, rows.items, base_url),
        last={issue.newsletter_id: issue for issue in issues},
        cursor=rows.next_cursor,
        first=not page.before,
        may_write=view.caller.may(Scope.CONTENT_WRITE),
    )


@router.get("/newsletters/{newsletter_id}")
async def show_one(newsletter_id: UUID, view: ContentReader, page: Paging, uow: Uow) -> Response:
    """Show a newsletter with its issues, first those that wait for somebody."""
    found = await routes.show_newsletter(newsletter_id, view.caller, view.runtime, uow)
    issues = await routes.list_issues(newsletter_id, view.caller, page, uow)
    states = (await queries.counts_by_state(uow.session, [newsletter_id])).get(newsletter_id, {})
    urgent = [issue for state in URGENT for issue in issues.items if issue.state == state]
    return await view.page(
        "newsletter.html",
        item=found,
        urgent=urgent,
        others=[issue for issue in issues.items if issue not in urgent],
        most=max((issue.counts.recipients for issue in issues.items), default=0),
        states=states,
        cursor=issues.next_cursor,
        first=not page.before,
        may_write=view.caller.may(Scope.CONTENT_WRITE),
    )


@router.get("/newsletters/{newsletter_id}/cancel")
async def ask(newsletter_id: UUID, view: ContentWriter, uow: Uow) -> Response:
    """Say what the end of a newsletter means."""
    found = await routes.show_newsletter(newsletter_id, view.caller, view.runtime, uow)
    return await view.page("newsletter_cancel.html", item=found)


@router.post("/newsletters/{newsletter_id}/{act}")
async def do(newsletter_id: UUID, act: str, view: ContentWriter) -> Response:
    """Pause, resume or end a newsletter."""
    path = f"/newsletters/{newsletter_id}"
    if act not in ACTS:
        return view.go(path, "There is no such action", done=False)
    if act == "cancel" and view.form.get("confirmed") != "yes":
        return view.go(f"{path}/cancel", "Read what follows first", done=False)
    steer, text = ACTS[act]
    try:
        async with view.runtime.unit_of_work() as uow:
            await steer(newsletter_id, view.caller, view.runtime, uow)
    except AlmanacError as error:
        return view.refused(path, error)
    return view.go(path, text)
