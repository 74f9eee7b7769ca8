"""HTTP of mails: single ones, and whom nothing is mailed to."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from service.access.audit import note
from service.emails import actions, event_queries, queries, schemas
from service.emails.models import MailState
from service.errors import NotFound
from service.web import ERRORS, Admin, ContentReader, ContentWriter, OnceOnly, Paging, Uow

router = APIRouter(prefix="/v1/emails", tags=["emails"], responses=ERRORS)


@router.post("", status_code=201, response_model=schemas.EmailOut)
async def send(
    body: schemas.EmailIn, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Send a mail to one person, now.

    It is written down before the reply; `state` tells what became of it. With a `key` that the
    caller used before, the reply is that mail, with status 200, and nothing is sent.
    """
    mail, is_new = await actions.send_for(uow, caller, body)
    if is_new:
        await note(uow.session, caller.actor, "emails.send", f"email:{mail.id}")
    return await once.reply(schemas.EmailOut.model_validate(mail), 201 if is_new else 200)


@router.get("")
async def list_emails(  # noqa: PLR0913, PLR0917 - one parameter is one filter
    caller: ContentReader,
    page: Paging,
    uow: Uow,
    state: MailState | None = None,
    kind: Annotated[str | None, Query(max_length=100)] = None,
    address: Annotated[str | None, Query(max_length=254)] = None,
) -> schemas.EmailList:
    """List mails, newest first; mails of the system itself are shown to administrators."""
    wanted = queries.Wanted(state, kind, address)
    rows = await queries.list_emails(uow.session, caller, page, wanted)
    items = [schemas.EmailOut.model_validate(row) for row in rows.items]
    return schemas.EmailList(items=items, next_cursor=rows.next_cursor)


@router.get("/suppressions")
async def list_suppressions(caller: Admin, page: Paging, uow: Uow) -> schemas.SuppressionList:
    """List the addresses that nothing is mailed to, newest first."""
    rows = await queries.list_suppressions(uow.session, page)
    items = [schemas.SuppressionOut.model_validate(row) for row in rows.items]
    return schemas.SuppressionList(items=items, next_cursor=rows.next_cursor)


@router.post("/suppressions", status_code=201, response_model=schemas.SuppressionOut)
async def suppress(
    body: schemas.SuppressionIn, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Mail nothing to an address any more; one that was suppressed before stays as it was."""
    found, is_new = await actions.suppress_for(uow.session, caller, body)
    if is_new:
        subject = f"suppression:{found.id}"
        await note(uow.session, caller.actor, "emails.suppress", subject, reason=found.reason)
    return await once.reply(schemas.SuppressionOut.model_validate(found), 201 if is_new else 200)


@router.delete("/suppressions/{suppression_id}", status_code=204)
async def unsuppress(suppression_id: UUID, caller: Admin, uow: Uow) -> Response:
    """Let mails go to an address again; its bounces are forgotten."""
    await actions.unsuppress_by_id(uow.session, suppression_id)
    await note(uow.session, caller.actor, "emails.unsuppress", f"suppression:{suppression_id}")
    return Response(status_code=204)


@router.get("/{email_id}")
async def show(email_id: UUID, caller: ContentReader, uow: Uow) -> schemas.EmailDetail:
    """Show a mail, what it says, and what was told of it after it was sent."""
    mail = await queries.email(uow.session, caller, email_id)
    if mail is None:
        raise NotFound("There is no such mail")
    shown = schemas.EmailOut.model_validate(mail).model_dump(exclude={"to"})
    events = await event_queries.of_email(uow.session, mail.id)
    return schemas.EmailDetail(
        **shown,
        address=mail.address,
        html=mail.html,
        text=mail.text,
        headers=mail.headers,
        events=[schemas.EmailEventOut.model_validate(event) for event in events],
    )


@router.post("/{email_id}/retry")
async def retry(email_id: UUID, caller: ContentWriter, uow: Uow) -> schemas.RetryOut:
    """Send a mail again that did not go out, or that nobody knows of; `note` says what it may do.

    What was sent, or may not be, is refused.
    """
    mail, words = await actions.retry(uow, caller, email_id)
    await note(uow.session, caller.actor, "emails.retry", f"email:{email_id}")
    return schemas.RetryOut(email=schemas.EmailOut.model_validate(mail), note=words)
