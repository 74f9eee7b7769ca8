"""Use cases of mails. None commits, none awaits the network."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.emails import queries, rules
from service.emails.jobs import send_call
from service.emails.models import Email, MailState, Suppression
from service.emails.models import SuppressionReason as SuppressionReason  # what others say
from service.emails.schemas import EmailIn, SuppressionIn
from service.errors import Conflict, InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.kit.ids import uuid7
from service.kit.text import storable
from service.providers.mail.addresses import check, key
from service.providers.mail.headers import header_problem, headers_problems
from service.providers.mail.plain_text import nesting_problem, plain_text

MAX_SUBJECT = 998
"""Characters: RFC 5322 allows no longer line."""
OVER = (MailState.SENT, MailState.SUPPRESSED)
MAYBE_OUT = (MailState.UNCONFIRMED, MailState.SENDING)


@dataclass(frozen=True, slots=True)
class NewMail:
    """A mail that somebody wants sent.

    Attributes:
        kind: what it is for, such as `welcome`; the provider counts by it.
        key: names it among all mails: asked for twice, it is sent once.
        to: the address.
        subject: one line.
        html: the mail; empty for one that is text only.
        text: the same to read without HTML; made from the HTML if empty.
        name: of the person.
        headers: more header lines, such as List-Unsubscribe.
        owner_id: who may see it; None: administrators.
    """

    kind: str
    key: str
    to: str
    subject: str
    html: str = ""
    text: str = ""
    name: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    owner_id: UUID | None = None


async def send(uow: UnitOfWork, mail: NewMail) -> UUID | None:
    """Have a mail sent after the commit; return its id, None if its key was written before.

    Raises InvalidInput, with every problem of the mail.
    """
    if problems := problems_of(mail):
        raise InvalidInput(problems)
    written = await queries.insert_emails(uow.session, [_row(mail)])
    uow.enqueue(*(send_call(email_id) for email_id, _ in written))
    return written[0][0] if written else None


async def send_for(uow: UnitOfWork, caller: Caller, body: EmailIn) -> tuple[Email, bool]:
    """Send a mail that a person asks for; return it, and whether its key is new.

    Raises InvalidInput.
    """
    mail = NewMail(
        kind="api",
        key=f"api:{caller.user_id}:{body.key or uuid7()}",  # one's keys are nobody else's
        to=body.to,
        subject=body.subject,
        html=body.html,
        text=body.text,
        name=body.name,
        owner_id=caller.user_id,
    )
    email_id = await send(uow, mail)
    found = await queries.email_of_key(uow.session, storable(mail.key))
    assert found is not None, "it was written in this transaction, or before"
    return found, email_id is not None


async def send_many(uow: UnitOfWork, mails: Iterable[NewMail]) -> int:
    """Have mails sent after the commit; return how many have keys that are new.

    One that cannot be sent is written down as refused, with its problems: it holds up no other.
    """
    rows = [_row(mail, problems_of(mail)) for mail in mails]
    if not rows:
        return 0
    written = await queries.insert_emails(uow.session, rows)
    uow.enqueue(*(send_call(email_id) for email_id, state in written if state == MailState.QUEUED))
    return len(written)


def problems_of(mail: NewMail) -> list[Problem]:
    """Return everything that keeps a mail from being sent."""
    problems = []
    try:
        check(mail.to)
    except ValueError as error:
        problems.append(Problem("to", str(error)))
    for name, value in (("name", mail.name), ("subject", mail.subject)):
        if problem := header_problem(value):
            problems.append(Problem(name, problem))
    if not mail.subject.strip() or len(mail.subject) > MAX_SUBJECT:
        problems.append(Problem("subject", f"must have 1 to {MAX_SUBJECT} characters"))
    problems += [Problem(f"headers.{name}", text) for name, text in headers_problems(mail.headers)]
    if problem := nesting_problem(mail.html):
        problems.append(Problem("html", problem))
    if not (mail.html or mail.text):
        problems.append(Problem("html", "is missing, and text too: the mail would be empty"))
    return problems


def _row(mail: NewMail, problems: Iterable[Problem] = ()) -> dict[str, Any]:
    error = "; ".join(f"{problem.field} {problem.message}" for problem in problems)
    return {
        "id": uuid7(),
        "owner_id": mail.owner_id,
        "kind": mail.kind,
        "key": storable(mail.key),
        "address": storable(mail.to) if error else check(mail.to),
        "name": storable(mail.name),
        "subject": storable(mail.subject),
        "html": storable(mail.html),
        "text": storable(mail.text or ("" if error else plain_text(mail.html))),
        "headers": {storable(name): storable(value) for name, value in mail.headers.items()},
        "state": MailState.REFUSED if error else MailState.QUEUED,
        "error": error or None,
    }


async def retry(uow: UnitOfWork, caller: Caller, email_id: UUID) -> tuple[Email, str]:
    """Send a mail again that did not go out; return it, and what that may do.

    Raises NotFound; Conflict when it is on its way, or was sent, or may not be.
    """
    mail = await queries.email_for_change(uow.session, caller, email_id)
    if mail is None:
        raise NotFound("There is no such mail")
    if mail.state in OVER:
        raise Conflict(f"The mail is {mail.state}: only what did not go out can be sent again")
    if mail.claimed_until and mail.claimed_until > now():
        raise Conflict("The mail is on its way at this moment")
    if not (mail.html or mail.text):
        raise Conflict("What the mail said is no longer kept")
    if await queries.suppressed(uow.session, [mail.address]):
        raise Conflict("Nothing is mailed to this address any more: see /v1/emails/suppressions")
    warning = (
        "nobody knows whether it went out before: it may arrive twice"
        if mail.state in MAYBE_OUT
        else "it did not go out before"
    )
    mail.state, mail.version, mail.attempts = MailState.QUEUED, mail.version + 1, 0
    mail.error = mail.token = mail.claimed_until = None
    await uow.session.flush()
    uow.enqueue(send_call(mail.id, mail.version))
    return mail, warning


async def suppress(
    session: AsyncSession,
    address: str,
    reason: SuppressionReason,
    *,
    detail: str = "",
    by: str = "",
) -> bool:
    """Mail nothing to an address any more; return False if that was so before.

    Args:
        session: of the caller's transaction.
        address: in any spelling.
        reason: why; that of an earlier suppression stays.
        detail: in words, such as what its server said.
        by: who said so: `Caller.actor`, or a provider.
    """
    values = {"reason": reason, "detail": storable(detail)[:500], "by": by}
    return await queries.suppress(session, address, values)


async def suppress_for(
    session: AsyncSession, caller: Caller, body: SuppressionIn
) -> tuple[Suppression, bool]:
    """Mail nothing to an address that a person names; return it, and whether that is new.

    Raises InvalidInput.
    """
    try:
        check(body.address)
    except ValueError as error:
        raise InvalidInput([Problem("address", str(error))]) from None
    is_new = await suppress(session, body.address, body.reason, detail=body.detail, by=caller.actor)
    found = await queries.suppression(session, body.address)
    assert found is not None, "it was written in this transaction, or before"
    return found, is_new


async def unsuppress_by_id(session: AsyncSession, suppression_id: UUID) -> None:
    """Let mails go to an address again, as `unsuppress`. Raises NotFound."""
    address = await queries.suppressed_address(session, suppression_id)
    await unsuppress(session, address or "")


async def unsuppress(session: AsyncSession, address: str) -> None:
    """Let mails go to an address again, its bounces forgotten. Raises NotFound."""
    if not await queries.unsuppress(session, address):
        raise NotFound("This address is not suppressed")


async def record_bounce(  # noqa: PLR0913 - what a server tells of a bounce
    session: AsyncSession,
    address: str,
    *,
    hard: bool,
    code: int = 0,
    reason: str = "",
    source: str,
    at: datetime | None = None,
) -> bool:
    """Write down that an address did not take a mail; return whether that suppresses it.

    A hard bounce does at once, a soft one with two others within 30 days and no delivery between.

    Args:
        session: of the caller's transaction.
        address: in any spelling.
        hard: whether there is no such address; see `rules.is_hard`.
        code: of SMTP, 0 where there is none.
        reason: in the server's words.
        source: who told: `smtp`, `sendgrid`, `report`.
        at: when; by default now.
    """
    when, its_key = at or now(), key(address)
    values = {
        "address": its_key,
        "hard": hard,
        "code": code,
        "source": source,
        "at": when,
        "reason": storable(reason)[:500],
    }
    soft = await queries.add_bounce(session, values)
    if not hard and not rules.suppresses(soft, when):
        return False
    detail = reason if hard else f"{len(soft)} mails came back within 30 days; the last: {reason}"
    return await suppress(session, address, SuppressionReason.BOUNCE, detail=detail, by=source)


async def forget(session: AsyncSession, age: timedelta) -> int:
    """Forget what mails said that ended so long ago, and what was told of them; count both."""
    before = now() - age
    return await queries.blank(session, before) + await queries.forget_events(session, before)
