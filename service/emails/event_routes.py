"""HTTP that mail providers and mail servers call: what became of a mail."""

import json

from fastapi import APIRouter, Request

from service.access.audit import note
from service.emails import event_actions, schemas
from service.errors import InvalidInput, NotFound, Problem, Unauthenticated
from service.providers.mail import bounces, sendgrid_events
from service.web import ERRORS, ContentWriter, Opened, Uow

router = APIRouter(prefix="/v1/emails/events", tags=["emails"], responses=ERRORS)


@router.post("/sendgrid")
async def sendgrid(request: Request, runtime: Opened, uow: Uow) -> schemas.EventsOut:
    """Take events of SendGrid's signed event webhook; it needs no key, but the signature.

    An event that was told before, or of a mail that is not ours, changes nothing.
    """
    key = runtime.settings.sendgrid_events_key
    if key is None:
        raise NotFound("Events are taken once SENDGRID_EVENTS_KEY is set")
    body = await request.body()
    signature = request.headers.get(sendgrid_events.SIGNATURE, "")
    timestamp = request.headers.get(sendgrid_events.TIMESTAMP, "")
    if not sendgrid_events.is_signed(key, signature, timestamp, body):
        raise Unauthenticated("The signature is not of SENDGRID_EVENTS_KEY over this body")
    try:
        events = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput([Problem("body", "is no JSON")]) from None
    told = list(sendgrid_events.told(events))
    return schemas.EventsOut(recorded=await event_actions.record(uow.session, "sendgrid", told))


@router.post("/bounce")
async def bounce(request: Request, caller: ContentWriter, uow: Uow) -> schemas.EventsOut:
    """Take a delivery status notification (RFC 3464), raw, as a mail server pipes it."""
    try:
        reports = bounces.read(await request.body())
    except ValueError as error:
        raise InvalidInput([Problem("body", str(error))]) from None
    recorded = await event_actions.record_reports(uow.session, reports)
    await note(uow.session, caller.actor, "emails.bounce", "emails", recorded=recorded)
    return schemas.EventsOut(recorded=recorded)
