"""Use cases of what providers and mail servers tell of mails."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.emails import actions, event_queries, queries, rules
from service.emails.models import Email, SuppressionReason
from service.kit.ids import uuid7
from service.kit.text import storable
from service.newsletters import actions as newsletters
from service.providers.mail.addresses import check
from service.providers.mail.events import MailEvent, MailEventKind, Told

_ENDS = {
    MailEventKind.COMPLAINED: SuppressionReason.COMPLAINT,
    MailEventKind.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBE,
}


async def record(session: AsyncSession, source: str, told: Sequence[tuple[Told, Any]]) -> int:
    """Act upon events that were not told before; return how many those are.

    Args:
        session: of a transaction of its own.
        source: who tells, such as `sendgrid`.
        told: the events, each with its raw facts.
    """
    events = {each.id: each for each, _ in told}
    if not events:
        return 0
    ids = {each.id: _uuid(each.delivery_id) for each in events.values()}
    mails = await event_queries.emails_for_change(session, [i for i in ids.values() if i])
    rows = [
        _row(each, facts, ids[each.id], mails) for each, facts in told if events[each.id] is each
    ]
    # In one order, so that two requests with the same events wait for each other once.
    fresh = await event_queries.add(session, sorted(rows, key=lambda row: str(row["event_id"])))
    new = sorted(
        (events[event_id] for event_id in fresh), key=lambda e: (e.delivery_id, e.event.at, e.id)
    )
    for each in new:
        subject = ids[each.id]
        mail = mails.get(subject) if subject else None
        if mail is not None:
            _follow(mail, each.event)
        elif subject is not None:
            await newsletters.mail_event(session, subject, each.event)
        await _judge(session, source, mail.address if mail else each.address, each.event)
    await session.flush()
    return len(new)


async def record_reports(session: AsyncSession, reports: Sequence[Told]) -> int:
    """Act upon delivery status notifications; return how many were not told before.

    One that names no mail of ours is taken for the last one that went out to its address.
    """
    told = []
    for each in reports:
        named = each.delivery_id
        if _uuid(named) is None:
            named = str(await event_queries.last_to(session, each.address) or "")
        found = Told(each.id, named, each.address, each.event)
        told.append((found, {"reason": each.event.reason}))
    return await record(session, "report", told)


def _row(
    told: Told, facts: Mapping[str, Any], subject: UUID | None, mails: Mapping[UUID, Email]
) -> dict[str, Any]:
    kind = "email" if subject in mails else "delivery"
    return {
        "id": uuid7(),
        "event_id": told.id,
        "kind": told.event.kind,
        "subject_kind": kind if subject else None,
        "subject_id": subject,
        "at": told.event.at,
        "facts": {
            storable(str(name))[:100]: storable(value)[:1_000]
            for name, value in facts.items()
            if isinstance(value, str)
        },
    }


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _follow(mail: Email, event: MailEvent) -> None:
    """Give a mail the state that an event tells of."""
    state = rules.after(mail.state, event.kind)
    if state is None:
        return
    mail.state, mail.token, mail.claimed_until = state, None, None
    if event.kind in rules.ARRIVED:
        mail.sent_at, mail.error = mail.sent_at or event.at, None
    else:
        mail.error = event.reason or "the mail came back"


async def _judge(session: AsyncSession, source: str, address: str, event: MailEvent) -> None:
    """Draw the consequences for an address."""
    try:
        check(address)
    except ValueError:
        return
    if event.kind is MailEventKind.DELIVERED:
        await queries.forget_soft_bounces(session, [address])
    elif event.kind in rules.GIVEN_UP:
        await actions.record_bounce(
            session,
            address,
            hard=event.kind is MailEventKind.BOUNCED,
            code=event.code,
            reason=event.reason,
            source=source,
            at=event.at,
        )
    elif event.kind in _ENDS:
        reason = _ENDS[event.kind]
        await actions.suppress(session, address, reason, detail=event.reason, by=source)
