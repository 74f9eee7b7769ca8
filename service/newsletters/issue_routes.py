"""HTTP of issues."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from service.access.audit import note
from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import NotFound
from service.newsletters import (
    issue_actions,
    issue_queries,
    previewing,
    schemas,
    views,
)
from service.newsletters.models import DeliveryState, Issue, IssueState
from service.web import ERRORS, ContentReader, ContentWriter, OnceOnly, Opened, Paging, Uow

router = APIRouter(prefix="/v1/issues", tags=["issues"], responses=ERRORS)


@router.get("")
async def list_all(
    caller: ContentReader,
    page: Paging,
    uow: Uow,
    state: Annotated[IssueState | None, Query(description="Only such")] = None,
) -> schemas.IssueList:
    """List issues of all newsletters, newest first."""
    rows = await issue_queries.list_issues(uow.session, caller, page, state=state)
    shown = await views.issues(uow.session, rows.items)
    return schemas.IssueList(items=shown, next_cursor=rows.next_cursor)


@router.get("/{issue_id}")
async def show_issue(issue_id: UUID, caller: ContentReader, uow: Uow) -> schemas.IssueDetail:
    """Show an issue with what it says, and what became of its mails."""
    return await views.issue_detail(uow.session, await _seen(uow, caller, issue_id))


@router.patch("/{issue_id}")
async def change_issue(
    issue_id: UUID, body: schemas.IssueChange, caller: ContentWriter, uow: Uow
) -> schemas.IssueDetail:
    """Change what an issue says until it is sent; where approval is needed, that is taken back."""
    found = await issue_actions.change(uow.session, caller, issue_id, body)
    return await _done(uow, caller, found, "change", fields=sorted(body.model_fields_set))


@router.get("/{issue_id}/preview")
async def preview_issue(
    issue_id: UUID, caller: ContentReader, runtime: Opened, uow: Uow
) -> schemas.Preview:
    """Show an issue as it will be mailed, and what keeps it from being sent."""
    found = await _seen(uow, caller, issue_id)
    return await previewing.preview(uow.session, found, runtime.settings.base_url)


@router.post("/{issue_id}/test", status_code=202, response_model=schemas.TestOut)
async def test_issue(  # noqa: PLR0913, PLR0917 - what FastAPI gives
    issue_id: UUID,
    body: schemas.TestIn,
    caller: ContentWriter,
    runtime: Opened,
    uow: Uow,
    once: OnceOnly,
) -> JSONResponse:
    """Send an issue to one address to be looked at; nothing of it is counted."""
    found = await _seen(uow, caller, issue_id)
    settings = runtime.settings
    email_id = await previewing.send_test(uow, found, body.address, settings.base_url)
    await note(uow.session, caller.actor, "issues.test", f"issue:{issue_id}")
    return await once.reply(schemas.TestOut(email_id=email_id), 202)


@router.post("/{issue_id}/approve")
async def approve_issue(issue_id: UUID, caller: ContentWriter, uow: Uow) -> schemas.IssueDetail:
    """Approve a draft."""
    found = await issue_actions.approve(uow.session, caller, issue_id)
    return await _done(uow, caller, found, "approve")


@router.post("/{issue_id}/schedule")
async def schedule_issue(
    issue_id: UUID, body: schemas.ScheduleIn, caller: ContentWriter, uow: Uow
) -> schemas.IssueDetail:
    """Have an issue sent at a time, in the place of an earlier one."""
    found = await issue_actions.schedule(uow, caller, issue_id, body)
    at = found.scheduled_at.isoformat() if found.scheduled_at else None
    return await _done(uow, caller, found, "schedule", at=at)


@router.post("/{issue_id}/send")
async def send_issue(issue_id: UUID, caller: ContentWriter, uow: Uow) -> schemas.IssueDetail:
    """Send an issue now."""
    found = await issue_actions.send(uow, caller, issue_id)
    return await _done(uow, caller, found, "send")


@router.post("/{issue_id}/write")
async def write_issue(issue_id: UUID, caller: ContentWriter, uow: Uow) -> schemas.IssueDetail:
    """Let a job write a draft anew, or an issue that could not be written."""
    found = await issue_actions.write(uow, caller, issue_id)
    return await _done(uow, caller, found, "write")


@router.post("/{issue_id}/pause")
async def pause_issue(issue_id: UUID, caller: ContentWriter, uow: Uow) -> schemas.IssueDetail:
    """Stop sending within a second; what is out stays out."""
    found = await issue_actions.pause(uow.session, caller, issue_id)
    return await _done(uow, caller, found, "pause")


@router.post("/{issue_id}/resume")
async def resume_issue(issue_id: UUID, caller: ContentWriter, uow: Uow) -> schemas.IssueDetail:
    """Send on from where it stopped."""
    found = await issue_actions.resume(uow, caller, issue_id)
    return await _done(uow, caller, found, "resume")


@router.post("/{issue_id}/cancel")
async def cancel_issue(issue_id: UUID, caller: ContentWriter, uow: Uow) -> schemas.IssueDetail:
    """End an issue: who has it has it, nobody else gets it."""
    found = await issue_actions.cancel(uow.session, caller, issue_id)
    return await _done(uow, caller, found, "cancel")


@router.post("/{issue_id}/resend-unconfirmed")
async def resend_unconfirmed(
    issue_id: UUID, _: schemas.AgainIn, caller: ContentWriter, uow: Uow
) -> schemas.AgainOut:
    """Send once more to those of whom nobody knows whether they have it: some get it twice."""
    count = await issue_actions.resend_unconfirmed(uow, caller, issue_id)
    subject = f"issue:{issue_id}"
    await note(uow.session, caller.actor, "issues.resend_unconfirmed", subject, mails=count)
    return schemas.AgainOut(deliveries=count, warning=issue_actions.AGAIN)


@router.get("/{issue_id}/report")
async def report_issue(issue_id: UUID, caller: ContentReader, uow: Uow) -> schemas.Report:
    """Show what became of an issue: mails, opens, clicks by link, time and rate."""
    return await views.report(uow.session, await _seen(uow, caller, issue_id))


@router.get("/{issue_id}/deliveries")
async def list_deliveries(
    issue_id: UUID,
    caller: ContentReader,
    page: Paging,
    uow: Uow,
    state: Annotated[DeliveryState | None, Query(description="Only such")] = None,
) -> schemas.DeliveryList:
    """List the mails of an issue, each with what became of it."""
    found = await _seen(uow, caller, issue_id)
    rows = await issue_queries.list_deliveries(uow.session, found.id, page, state)
    items = [schemas.DeliveryOut.model_validate(row) for row in rows.items]
    return schemas.DeliveryList(items=items, next_cursor=rows.next_cursor)


async def _seen(uow: UnitOfWork, caller: Caller, issue_id: UUID) -> Issue:
    found = await issue_queries.issue(uow.session, caller, issue_id)
    if found is None:
        raise NotFound("There is no such issue")
    return found


async def _done(
    uow: UnitOfWork, caller: Caller, found: Issue, verb: str, **detail: object
) -> schemas.IssueDetail:
    await note(uow.session, caller.actor, f"issues.{verb}", f"issue:{found.id}", **detail)
    return await views.issue_detail(uow.session, found)
