"""HTTP of newsletters."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from service.access.audit import note
from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import NotFound
from service.kit.pagination import Page
from service.newsletters import (
    actions,
    issue_actions,
    issue_queries,
    queries,
    schemas,
    views,
)
from service.newsletters.models import IssueState, Newsletter, NewsletterState
from service.runtime import Runtime
from service.web import ERRORS, ContentReader, ContentWriter, OnceOnly, Opened, Paging, Uow

router = APIRouter(prefix="/v1/newsletters", tags=["newsletters"], responses=ERRORS)
LATEST = 10
"""Issues in a newsletter's report."""


@router.get("")
async def list_newsletters(
    caller: ContentReader,
    page: Paging,
    runtime: Opened,
    uow: Uow,
    status: Annotated[NewsletterState | None, Query(description="Only such")] = None,
) -> schemas.NewsletterList:
    """List newsletters, newest first."""
    rows = await queries.list_newsletters(uow.session, caller, page, status)
    items = await views.newsletters(uow.session, rows.items, runtime.settings.base_url)
    return schemas.NewsletterList(items=items, next_cursor=rows.next_cursor)


@router.post("", status_code=201, response_model=schemas.NewsletterOut)
async def make(
    body: schemas.NewsletterIn, caller: ContentWriter, runtime: Opened, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Make a newsletter.

    One with a frequency comes by itself from the next send time on: `automatic` ones are written
    by a job, of others the oldest approved issue is sent.
    """
    return await once.reply(await create(runtime, uow, caller, body))


async def create(
    runtime: Runtime, uow: UnitOfWork, caller: Caller, body: schemas.NewsletterIn
) -> schemas.NewsletterOut:
    """Make a newsletter, and note who did."""
    made = await actions.create(uow.session, caller, body, runtime.settings.site_zone)
    return await _done(runtime, uow, caller, made, "create")


@router.get("/{newsletter_id}")
async def show_newsletter(
    newsletter_id: UUID, caller: ContentReader, runtime: Opened, uow: Uow
) -> schemas.NewsletterOut:
    """Show a newsletter."""
    return await _show(runtime, uow, await _seen(uow, caller, newsletter_id))


@router.patch("/{newsletter_id}")
async def change_newsletter(
    newsletter_id: UUID,
    body: schemas.NewsletterChange,
    caller: ContentWriter,
    runtime: Opened,
    uow: Uow,
) -> schemas.NewsletterOut:
    """Change a newsletter; what is being sent stays as it began."""
    found = await actions.change(uow.session, caller, newsletter_id, body)
    fields = sorted(body.model_fields_set)
    return await _done(runtime, uow, caller, found, "change", fields=fields)


@router.post("/{newsletter_id}/pause")
async def pause_newsletter(
    newsletter_id: UUID, caller: ContentWriter, runtime: Opened, uow: Uow
) -> schemas.NewsletterOut:
    """Let it not come by itself until it is resumed; an issue that is being sent goes on."""
    found = await actions.pause(uow.session, caller, newsletter_id)
    return await _done(runtime, uow, caller, found, "pause")


@router.post("/{newsletter_id}/resume")
async def resume_newsletter(
    newsletter_id: UUID, caller: ContentWriter, runtime: Opened, uow: Uow
) -> schemas.NewsletterOut:
    """Let it come again, from now on; nothing is made up for."""
    found = await actions.resume(uow.session, caller, newsletter_id)
    return await _done(runtime, uow, caller, found, "resume")


@router.post("/{newsletter_id}/cancel")
async def cancel_newsletter(
    newsletter_id: UUID, caller: ContentWriter, runtime: Opened, uow: Uow
) -> schemas.NewsletterOut:
    """End it for good; its issues and subscribers stay to be read."""
    found = await actions.cancel(uow.session, caller, newsletter_id)
    return await _done(runtime, uow, caller, found, "cancel")


@router.post("/{newsletter_id}/send")
async def send_newsletter(
    newsletter_id: UUID, body: schemas.SendNowIn, caller: ContentWriter, uow: Uow
) -> schemas.IssueOut:
    """Send an issue now: the one that is named, the oldest approved one, or a new one that a job
    writes where the newsletter is automatic."""
    issue = await actions.send(uow, caller, newsletter_id, body.issue_id)
    await note(uow.session, caller.actor, "issues.send", f"issue:{issue.id}")
    (shown,) = await views.issues(uow.session, [issue])
    return shown


@router.get("/{newsletter_id}/report")
async def report_newsletter(
    newsletter_id: UUID, caller: ContentReader, uow: Uow
) -> schemas.NewsletterReport:
    """Show how a newsletter does: its subscribers, and its latest issues."""
    found = await _seen(uow, caller, newsletter_id)
    counts = await queries.counts_by_state(uow.session, [found.id])
    rows = await issue_queries.list_issues(uow.session, caller, Page(LATEST), found.id)
    figures = counts.get(found.id, {"active": 0, "pending": 0, "unsubscribed": 0})
    shown = await views.issues(uow.session, rows.items)
    return schemas.NewsletterReport(newsletter_id=found.id, issues=shown, **figures)


@router.get("/{newsletter_id}/issues")
async def list_issues(
    newsletter_id: UUID,
    caller: ContentReader,
    page: Paging,
    uow: Uow,
    state: Annotated[IssueState | None, Query(description="Only such")] = None,
) -> schemas.IssueList:
    """List the issues of a newsletter, newest first."""
    found = await _seen(uow, caller, newsletter_id)
    rows = await issue_queries.list_issues(uow.session, caller, page, found.id, state)
    shown = await views.issues(uow.session, rows.items)
    return schemas.IssueList(items=shown, next_cursor=rows.next_cursor)


@router.post("/{newsletter_id}/issues", status_code=201, response_model=schemas.IssueDetail)
async def make_issue(
    newsletter_id: UUID, body: schemas.IssueIn, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Write a draft of an issue, in Markdown."""
    return await once.reply(await create_issue(uow, caller, newsletter_id, body))


async def create_issue(
    uow: UnitOfWork, caller: Caller, newsletter_id: UUID, body: schemas.IssueIn
) -> schemas.IssueDetail:
    """Write a draft, and note who did."""
    made = await issue_actions.create(uow.session, caller, newsletter_id, body)
    await note(uow.session, caller.actor, "issues.create", f"issue:{made.id}")
    return await views.issue_detail(uow.session, made)


@router.delete("/{newsletter_id}", status_code=204)
async def delete_newsletter(newsletter_id: UUID, caller: ContentWriter, uow: Uow) -> Response:
    """Delete a newsletter that was cancelled, with its issues; its subscribers stay."""
    await actions.delete(uow.session, caller, newsletter_id)
    await note(uow.session, caller.actor, "newsletters.delete", f"newsletter:{newsletter_id}")
    return Response(status_code=204)


async def _seen(uow: UnitOfWork, caller: Caller, newsletter_id: UUID) -> Newsletter:
    found = await queries.newsletter(uow.session, caller, newsletter_id)
    if found is None:
        raise NotFound("There is no such newsletter")
    return found


async def _done(
    runtime: Runtime,
    uow: UnitOfWork,
    caller: Caller,
    found: Newsletter,
    verb: str,
    **detail: object,
) -> schemas.NewsletterOut:
    subject = f"newsletter:{found.id}"
    await note(uow.session, caller.actor, f"newsletters.{verb}", subject, **detail)
    return await _show(runtime, uow, found)


async def _show(runtime: Runtime, uow: UnitOfWork, found: Newsletter) -> schemas.NewsletterOut:
    (shown,) = await views.newsletters(uow.session, [found], runtime.settings.base_url)
    return shown
