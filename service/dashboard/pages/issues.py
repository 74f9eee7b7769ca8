"""Issues of newsletters: one with its report and its mails, and the editor."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.access.caller import Scope
from service.dashboard import filled
from service.dashboard.mail_frame import framed
from service.dashboard.pages import issue_sending
from service.dashboard.view import ContentReader, ContentWriter, View
from service.errors import AlmanacError, InvalidInput
from service.newsletters import issue_routes, routes
from service.newsletters.models import UNSENT, DeliveryState, IssueState
from service.newsletters.schemas import IssueChange, IssueDetail, IssueIn
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
EDITABLE = (*UNSENT, IssueState.FAILED)
FIELDS = ("subject", "preheader", "content")
REASONS = (
    ("refused", "refused", "failed"),
    ("bounced", "came back", "failed"),
    ("unconfirmed", "may have arrived", "unconfirmed"),
    ("suppressed", "left out", "held"),
    ("cancelled", "cancelled", "cancelled"),
)
"""What else became of mails: the state, in words, and the look of it."""
Named = Annotated[str, Query(max_length=20)]


@router.get("/newsletters/{newsletter_id}/issues/new")
async def begin(newsletter_id: UUID, view: ContentWriter, uow: Uow) -> Response:
    """Show an empty editor."""
    found = await routes.show_newsletter(newsletter_id, view.caller, view.runtime, uow)
    return await view.page(
        "issue_edit.html",
        newsletter=found,
        issue=None,
        values=dict.fromkeys(FIELDS, ""),
        problems={},
        preview=None,
    )


@router.post("/newsletters/{newsletter_id}/issues/new")
async def create(newsletter_id: UUID, view: ContentWriter, uow: Uow) -> Response:
    """Keep a new draft."""
    newsletter = await routes.show_newsletter(newsletter_id, view.caller, view.runtime, uow)
    values = _typed(view)
    try:
        body = filled.body(IssueIn, values)
        async with view.runtime.unit_of_work() as own:
            made = await routes.create_issue(own, view.caller, newsletter_id, body)
    except InvalidInput as error:
        return await view.page(
            "issue_edit.html",
            422,
            newsletter=newsletter,
            issue=None,
            values=values,
            problems=filled.problems(error),
            preview=None,
        )
    except AlmanacError as error:
        return view.refused(f"/newsletters/{newsletter_id}", error)
    return view.go(f"/issues/{made.id}/edit", "The draft is kept; this is how it will look")


@router.get("/issues/{issue_id}")
async def show(issue_id: UUID, view: ContentReader, uow: Uow) -> Response:
    """Show an issue: what is to be done with it, or what became of it."""
    issue = await issue_routes.show_issue(issue_id, view.caller, uow)
    newsletter = await routes.show_newsletter(issue.newsletter_id, view.caller, view.runtime, uow)
    report = await issue_routes.report_issue(issue_id, view.caller, uow)
    return await view.page(
        "issue.html",
        issue=issue,
        newsletter=newsletter,
        report=report,
        reasons=[(name, words, look, getattr(issue.counts, name)) for name, words, look in REASONS],
        most=max((link.clicks for link in report.links), default=0),
        editable=issue.state in EDITABLE,
        may_write=view.caller.may(Scope.CONTENT_WRITE),
    )


@router.get("/issues/{issue_id}/mail")
async def mail(issue_id: UUID, view: ContentReader, uow: Uow) -> Response:
    """The issue as it is mailed, for a frame."""
    preview = await issue_routes.preview_issue(issue_id, view.caller, view.runtime, uow)
    return framed(preview.html)


@router.get("/issues/{issue_id}/edit")
async def edit(issue_id: UUID, view: ContentWriter, uow: Uow) -> Response:
    """Show the editor beside the mail as it is kept."""
    issue = await issue_routes.show_issue(issue_id, view.caller, uow)
    if issue.state not in EDITABLE:
        text = f"The issue is {issue.state}: it can be changed no more"
        return view.go(f"/issues/{issue_id}", text, done=False)
    return await _editor(view, uow, issue, {name: getattr(issue, name) for name in FIELDS})


@router.post("/issues/{issue_id}/edit")
async def change(issue_id: UUID, view: ContentWriter, uow: Uow) -> Response:
    """Keep what was written."""
    issue = await issue_routes.show_issue(issue_id, view.caller, uow)
    values = _typed(view)
    try:
        body = filled.body(IssueChange, values)
        async with view.runtime.unit_of_work() as own:
            changed = await issue_routes.change_issue(issue_id, body, view.caller, own)
    except InvalidInput as error:
        return await _editor(view, uow, issue, values, filled.problems(error), 422)
    except AlmanacError as error:
        return view.refused(f"/issues/{issue_id}", error)
    lost = issue.state != changed.state and changed.state == IssueState.DRAFT
    text = "Kept. It needs an approval again" if lost else "Kept"
    return view.go(f"/issues/{issue_id}/edit", text)


@router.get("/issues/{issue_id}/mails")
async def deliveries(
    issue_id: UUID, view: ContentReader, page: Paging, uow: Uow, state: Named = ""
) -> Response:
    """List the mails of an issue."""
    wanted = next((each for each in DeliveryState if each == state), None)
    issue = await issue_routes.show_issue(issue_id, view.caller, uow)
    found = await issue_routes.list_deliveries(issue_id, view.caller, page, uow, wanted)
    return await view.page(
        "issue_mails.html",
        issue=issue,
        items=found.items,
        states=list(DeliveryState),
        state=wanted or "",
        cursor=found.next_cursor,
        first=not page.before,
    )


def _typed(view: View) -> dict[str, str]:
    typed = {name: str(view.form.get(name, "")) for name in FIELDS}
    return {**typed, "content": typed["content"].replace("\r\n", "\n")}


async def _editor(  # noqa: PLR0913, PLR0917 - what the page shows
    view: View,
    uow: Uow,
    issue: IssueDetail,
    values: dict[str, Any],
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    newsletter = await routes.show_newsletter(issue.newsletter_id, view.caller, view.runtime, uow)
    return await view.page(
        "issue_edit.html",
        status,
        newsletter=newsletter,
        issue=issue,
        values=values,
        problems=problems or {},
        preview=await issue_routes.preview_issue(issue.id, view.caller, view.runtime, uow),
    )


router.include_router(issue_sending.router)  # last, for its `/issues/{issue_id}/{act}`
