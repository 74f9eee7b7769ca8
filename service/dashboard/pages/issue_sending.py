"""What is done with an issue: approved, scheduled, tried, sent, held and ended."""

from collections.abc import Awaitable, Callable, Mapping
from email.utils import parseaddr
from uuid import UUID

from fastapi import APIRouter, Response

from service.access.audit import note
from service.access.caller import Caller
from service.dashboard import filled, formats
from service.dashboard.view import ContentWriter, View
from service.db.session import UnitOfWork
from service.errors import AlmanacError, InvalidInput
from service.newsletters import (
    issue_queries,
    issue_routes,
    previewing,
    routes,
    sending_queries,
    views,
)
from service.newsletters.schemas import AgainIn, IssueDetail, IssueOut, NewsletterOut, ScheduleIn
from service.web import Uow

router = APIRouter(include_in_schema=False)
Act = Callable[[UUID, Caller, UnitOfWork], Awaitable[object]]


async def _again(issue_id: UUID, caller: Caller, uow: UnitOfWork) -> object:
    return await issue_routes.resend_unconfirmed(
        issue_id, AgainIn(may_arrive_twice=True), caller, uow
    )


ACTS: Mapping[str, tuple[Act, str]] = {
    "approve": (issue_routes.approve_issue, "Approved: it may be sent from here on"),
    "write": (issue_routes.write_issue, "A job writes it anew"),
    "pause": (issue_routes.pause_issue, "It pauses; what is out stays out"),
    "resume": (issue_routes.resume_issue, "It goes on from where it stopped"),
    "send": (issue_routes.send_issue, "It is on its way"),
    "cancel": (issue_routes.cancel_issue, "It is cancelled; nobody else gets it"),
    "again": (_again, "The unconfirmed mails are on their way again"),
}
CONFIRMED = ("send", "cancel", "again", "write")
"""What nothing takes back: a page says first what it means."""


@router.get("/issues/{issue_id}/confirm/{act}")
async def ask(issue_id: UUID, act: str, view: ContentWriter, uow: Uow) -> Response:
    """Say what will happen to how many, and ask."""
    issue = await issue_routes.show_issue(issue_id, view.caller, uow)
    if act not in CONFIRMED:
        return view.go(f"/issues/{issue_id}", "There is no such action", done=False)
    newsletter = await routes.show_newsletter(issue.newsletter_id, view.caller, view.runtime, uow)
    preview = await issue_routes.preview_issue(issue_id, view.caller, view.runtime, uow)
    session = uow.session
    last = (await issue_queries.latest_issues(session, [newsletter.id])).get(newsletter.id)
    (before,) = await views.issues(session, [last]) if last else (None,)
    count = await sending_queries.count_readers(session, newsletter.id, newsletter.tags)
    return await view.page(
        "issue_confirm.html",
        act=act,
        issue=issue,
        newsletter=newsletter,
        count=count,
        before=before,
        remarks=remarks(issue, before, newsletter, count),
        problems=preview.problems,
        sender=sender(newsletter, view.runtime.settings.mail_from),
    )


def sender(newsletter: NewsletterOut, default: str) -> str:
    """Return whom a newsletter comes from, as a mail program shows it."""
    name, address = parseaddr(default)
    pair = (newsletter.sender_name or name, newsletter.sender_address or address)
    return " ".join(part for part in pair if part)


def remarks(
    issue: IssueDetail, before: IssueOut | None, newsletter: NewsletterOut, count: int
) -> list[str]:
    """Return what of an issue is other than one may think, compared with the one before."""
    found = []
    if before is None:
        found.append("It is the first issue of this newsletter.")
    else:
        more = count - before.counts.recipients
        if more:
            words = f"{abs(more):,} {'more' if more > 0 else 'fewer'}"
            found.append(f"It goes to {words} than issue {before.number}.")
        else:
            found.append(f"It goes to as many as issue {before.number}.")
        if before.subject == issue.subject:
            found.append(f"Its subject is the same as that of issue {before.number}.")
    if not issue.preheader:
        found.append("It has no line beside the subject: mail programs show its first words.")
    if newsletter.tags:
        found.append(f"Only readers with one of these tags get it: {', '.join(newsletter.tags)}.")
    if not newsletter.postal_address:
        found.append("It names no postal address, which some countries ask of newsletters.")
    return found


@router.post("/issues/{issue_id}/schedule")
async def schedule(issue_id: UUID, view: ContentWriter) -> Response:
    """Have it sent at a time, on the wall clock of the person."""
    path = f"/issues/{issue_id}"
    zone = str(view.form.get("zone", ""))
    at = str(view.form.get("at", "")).strip()
    try:
        body = filled.body(ScheduleIn, {"at": at, "zone": zone or None})
        async with view.runtime.unit_of_work() as uow:
            found = await issue_routes.schedule_issue(issue_id, body, view.caller, uow)
    except InvalidInput as error:
        return _refused(view, path, error)
    except AlmanacError as error:
        return view.refused(path, error)
    when = formats.moment(found.scheduled_at, formats.zone_of(zone))
    return view.go(path, f"It will be sent on {when}")


@router.post("/issues/{issue_id}/test")
async def test(issue_id: UUID, view: ContentWriter) -> Response:
    """Send it to one address to be looked at."""
    path = f"/issues/{issue_id}"
    address = str(view.form.get("address", "")).strip()[:254]
    try:
        async with view.runtime.unit_of_work() as uow:
            issue = await issue_queries.issue(uow.session, view.caller, issue_id)
            if issue is None:
                return view.go("/newsletters", "There is no such issue", done=False)
            await previewing.send_test(uow, issue, address, view.runtime.settings.base_url)
            await note(uow.session, view.caller.actor, "issues.test", f"issue:{issue_id}")
    except InvalidInput as error:
        return _refused(view, path, error)
    return view.go(path, "The test mail is on its way; nothing of it is counted")


@router.post("/issues/{issue_id}/{act}")
async def do(issue_id: UUID, act: str, view: ContentWriter) -> Response:
    """Do something with an issue, what cannot be taken back only if that was confirmed."""
    path = f"/issues/{issue_id}"
    if act not in ACTS:
        return view.go(path, "There is no such action", done=False)
    if act in CONFIRMED and view.form.get("confirmed") != "yes":
        return view.go(f"{path}/confirm/{act}", "Read what follows first", done=False)
    run, text = ACTS[act]
    try:
        async with view.runtime.unit_of_work() as uow:
            await run(issue_id, view.caller, uow)
    except InvalidInput as error:
        return _refused(view, path, error)
    except AlmanacError as error:
        return view.refused(path, error)
    return view.go(path, text)


def _refused(view: View, path: str, error: InvalidInput) -> Response:
    words = (f"{'time' if p.field == 'at' else p.field} {p.message}" for p in error.problems)
    return view.go(path, f"Nothing was done: {'; '.join(words)}"[:500], done=False)
