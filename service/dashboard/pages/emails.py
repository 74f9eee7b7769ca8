"""Mails: what became of each, whom nothing is mailed to, and how mail goes out."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.access.audit import note
from service.access.caller import Scope
from service.config import Settings
from service.dashboard import filled
from service.dashboard.mail_frame import framed
from service.dashboard.view import Admin, ContentReader, ContentWriter, View
from service.emails import actions, queries, routes
from service.emails.models import MailState
from service.emails.schemas import SuppressionIn, SuppressionList
from service.errors import AlmanacError, InvalidInput, NotFound
from service.kit.clock import now
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
TROUBLE = (MailState.UNCONFIRMED, MailState.FAILED, MailState.REFUSED)
"""States that somebody should look at."""
MOST = 1_000
"""Mails that are counted of each."""
LOOKS = {
    "sent": "succeeded",
    "sending": "running",
    "refused": "failed",
    "suppressed": "held",
}
"""By a state: the look of the word, where it has another name."""
RETRYABLE = (*TROUBLE, MailState.RETRYING)
Text = Annotated[str, Query(max_length=254)]


@router.get("/emails")
async def show_all(
    view: ContentReader, page: Paging, uow: Uow, state: Text = "", address: Text = ""
) -> Response:
    """List mails, newest first, with how many need somebody."""
    wanted = next((each for each in MailState if each == state), None)
    address = address.replace("\x00", "").strip()
    found = await routes.list_emails(view.caller, page, uow, wanted, None, address or None)
    settings, limit = view.runtime.settings, view.runtime.settings.mail_per_day
    query = {name: value for name, value in (("state", wanted), ("address", address)) if value}
    return await view.page(
        "emails.html",
        items=found.items,
        trouble=await queries.counts(uow.session, view.caller, TROUBLE, MOST),
        most=MOST,
        provider=provider(settings),
        sender=settings.mail_from,
        per_second=settings.mail_per_second,
        per_day=limit,
        today=await queries.places_taken(uow.session, now().date()) if limit else None,
        state=wanted or "",
        address=address,
        states=list(MailState),
        path="/emails" + (f"?{urlencode(query)}" if query else ""),
        cursor=found.next_cursor,
        first=not page.before,
        looks=LOOKS,
    )


def provider(settings: Settings) -> str | None:
    """Return in words through what mail goes out; None: through nothing."""
    if settings.sendgrid_key is not None:
        return "SendGrid"
    return "a mail server (SMTP)" if settings.smtp_url is not None else None


@router.get("/emails/suppressed")
async def show_suppressed(view: Admin, page: Paging, uow: Uow) -> Response:
    """List the addresses that nothing is mailed to."""
    return await _suppressed(view, await routes.list_suppressions(view.caller, page, uow), page)


@router.post("/emails/suppressed")
async def suppress(view: Admin, page: Paging, uow: Uow) -> Response:
    """Mail nothing to an address any more."""
    typed = {name: str(view.form.get(name, "")).strip() for name in ("address", "detail")}
    try:
        body = filled.body(SuppressionIn, typed)
        async with view.runtime.unit_of_work() as own:
            found, is_new = await actions.suppress_for(own.session, view.caller, body)
            if is_new:
                subject, reason = f"suppression:{found.id}", found.reason
                await note(
                    own.session, view.caller.actor, "emails.suppress", subject, reason=reason
                )
    except InvalidInput as error:
        rows = await routes.list_suppressions(view.caller, page, uow)
        return await _suppressed(view, rows, page, typed, filled.problems(error), 422)
    text = "Nothing is mailed there any more" if is_new else "It was suppressed before"
    return view.go("/emails/suppressed", text)


@router.get("/emails/suppressed/{suppression_id}/remove")
async def ask_remove(suppression_id: UUID, view: Admin, uow: Uow) -> Response:
    """Say what follows, and ask."""
    address = await queries.suppressed_address(uow.session, suppression_id)
    found = await queries.suppression(uow.session, address) if address else None
    if found is None:
        raise NotFound("This address is not suppressed")
    return await view.page("suppression_remove.html", item=found)


@router.post("/emails/suppressed/{suppression_id}/remove")
async def remove(suppression_id: UUID, view: Admin) -> Response:
    """Let mails go to an address again."""
    if view.form.get("confirmed") != "yes":
        path = f"/emails/suppressed/{suppression_id}/remove"
        return view.go(path, "Read what follows first", done=False)
    try:
        async with view.runtime.unit_of_work() as uow:
            await routes.unsuppress(suppression_id, view.caller, uow)
    except AlmanacError as error:
        return view.refused("/emails/suppressed", error)
    return view.go("/emails/suppressed", "Mails go there again; its bounces are forgotten")


async def _suppressed(  # noqa: PLR0913, PLR0917 - what the page shows
    view: View,
    rows: SuppressionList,
    page: Paging,
    values: dict[str, str] | None = None,
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    return await view.page(
        "suppressions.html",
        status,
        items=rows.items,
        cursor=rows.next_cursor,
        first=not page.before,
        values=values or {"address": "", "detail": ""},
        problems=problems or {},
    )


@router.get("/emails/{email_id}")
async def show_one(email_id: UUID, view: ContentReader, uow: Uow) -> Response:
    """Show a mail, and what was told of it."""
    found = await routes.show(email_id, view.caller, uow)
    may = view.caller.may(Scope.CONTENT_WRITE) and found.state in RETRYABLE
    return await view.page("email.html", item=found, looks=LOOKS, may_retry=may)


@router.get("/emails/{email_id}/mail")
async def mail(email_id: UUID, view: ContentReader, uow: Uow) -> Response:
    """The mail itself, for a frame."""
    return framed((await routes.show(email_id, view.caller, uow)).html)


@router.get("/emails/{email_id}/retry")
async def ask_retry(email_id: UUID, view: ContentWriter, uow: Uow) -> Response:
    """Say what another attempt may do, and ask."""
    found = await routes.show(email_id, view.caller, uow)
    return await view.page("email_retry.html", item=found)


@router.post("/emails/{email_id}/retry")
async def retry(email_id: UUID, view: ContentWriter) -> Response:
    """Send a mail again."""
    path = f"/emails/{email_id}"
    if view.form.get("confirmed") != "yes":
        return view.go(f"{path}/retry", "Read what follows first", done=False)
    try:
        async with view.runtime.unit_of_work() as uow:
            told = await routes.retry(email_id, view.caller, uow)
    except AlmanacError as error:
        return view.refused(path, error)
    return view.go(path, f"It is sent again: {told.note}")
