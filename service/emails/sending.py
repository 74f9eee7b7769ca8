"""One attempt at a mail: claim it, send it, write down what became of it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from service.db.session import UnitOfWork
from service.emails import actions, claim_queries, queries, rules
from service.emails.jobs import TIMEOUT, TRIES, MailUnconfirmed
from service.emails.models import Email, MailState
from service.errors import AlmanacError, ConfigurationError
from service.kit.clock import now
from service.kit.ids import uuid7
from service.kit.text import storable
from service.providers.mail.contract import (
    Accepted,
    Delayed,
    Mail,
    Outcome,
    Recipient,
    Refused,
    Unclear,
)
from service.providers.mail.failures import MailDelayed, MailRefused, without_addresses
from service.providers.mail.opening import open_mail
from service.runtime import Runtime

CLAIM = timedelta(seconds=TIMEOUT + 10)
"""Longer than a run may last."""
SHORTEST = timedelta(seconds=1)


async def send(runtime: Runtime, email_id: UUID, *, last: bool) -> MailState | timedelta | None:
    """Attempt a mail, if it waits; return its state after it, or when to look again.

    None: there is no such mail.

    Args:
        runtime: whose mail.
        email_id: of the mail.
        last: whether no further attempt is made after a failure that would allow one.

    Raises:
        MailRefused, ConfigurationError, MailUnconfirmed: it will not be tried again by itself.
        MailDelayed: it may be tried again.
    """
    token = uuid7()
    claimed = await _claim(runtime, email_id, token)
    if not isinstance(claimed, Email):
        return claimed
    if wait := await _wait_for_place(runtime, claimed, token):
        return wait
    error: AlmanacError | None = None
    outcome: Outcome | None = None
    try:
        outcome = await _hand_over(runtime, claimed, token)
    except (MailRefused, MailDelayed, ConfigurationError) as failure:
        error = failure
    return await _settle(runtime, claimed, token, _Attempt(claimed, outcome, error, last=last))


async def _claim(
    runtime: Runtime, email_id: UUID, token: UUID
) -> Email | MailState | timedelta | None:
    """Take a mail; return it, or its state, or when another's claim on it ends."""
    moment = now()
    async with runtime.unit_of_work() as uow:
        claimed = await claim_queries.claim(uow.session, email_id, token, moment, CLAIM)
        if claimed is None:
            return await _untaken(uow, email_id)
        if not await queries.suppressed(uow.session, [claimed.address]):
            return claimed
        values = {"state": MailState.SUPPRESSED, "error": None}
        await claim_queries.settle(uow.session, email_id, token, values)
        return MailState.SUPPRESSED


async def _untaken(uow: UnitOfWork, email_id: UUID) -> MailState | timedelta | None:
    found = await claim_queries.locked(uow.session, email_id)
    if found is None:
        return None
    if found.state not in claim_queries.UNDER_WAY:
        return MailState(found.state)
    left = (found.claimed_until or now()) - now()
    if left > timedelta():
        return max(left, SHORTEST)
    if found.state == MailState.SENDING:  # whoever sent it is gone, and so is the answer
        found.state, found.token, found.claimed_until = MailState.UNCONFIRMED, None, None
        found.error = "the process that sent it ended before the answer came"
        await uow.session.flush()
        return MailState.UNCONFIRMED
    return SHORTEST  # its claim ended between the two statements


async def _wait_for_place(runtime: Runtime, mail: Email, token: UUID) -> timedelta | None:
    """Wait for a place in the pace; return how long to stay away if it is far."""
    pace = queries.Pace(runtime.settings.mail_per_second, runtime.settings.mail_per_day)
    async with runtime.unit_of_work() as uow:
        reserved = await queries.reserve(uow.session, 1, now(), pace)
    if reserved.count:
        await asyncio.sleep(max(0.0, (reserved.at - now()).total_seconds()))
        return None
    async with runtime.unit_of_work() as uow:
        await claim_queries.settle(uow.session, mail.id, token, {})
    return max(reserved.at - now(), SHORTEST)


async def _hand_over(runtime: Runtime, row: Email, token: UUID) -> Outcome:
    async def release(ids: Sequence[str]) -> Sequence[str]:
        async with runtime.unit_of_work() as uow:
            return ids if await claim_queries.stamp(uow.session, row.id, token) else []

    provider = open_mail(runtime.settings, runtime.outbound)
    row.provider = provider.name
    mail = Mail(
        sender=runtime.settings.mail_from,
        subject=row.subject,
        text=row.text,
        html=row.html,
        headers=row.headers,
        category=row.kind,
    )
    recipient = Recipient(str(row.id), row.address, row.name)
    async with provider.connect() as sender:
        return (await sender.send(mail, [recipient], release))[recipient.id]


class _Attempt:
    """What came of an attempt: the row's values after it, and what the job raises.

    Args:
        row: the mail as it was claimed.
        outcome: for its address.
        error: instead of an outcome.
        last: whether a failure ends it.
    """

    def __init__(
        self, row: Email, outcome: Outcome | None, error: AlmanacError | None, *, last: bool
    ) -> None:
        again = MailState.FAILED if last or row.attempts + 1 >= TRIES else MailState.RETRYING
        reason = error.message if error else getattr(outcome, "reason", "")
        said = without_addresses(reason)  # what is raised is logged
        self.error = error
        self.refused = outcome if isinstance(outcome, Refused) else None
        more: dict[str, Any] = {}
        match outcome:
            case Accepted(provider_id):
                self.state = MailState.SENT
                more = {"provider_id": provider_id, "sent_at": now(), "error": None}
            case Refused():
                self.state, self.error = MailState.REFUSED, MailRefused(said)
            case Delayed(_, until):
                seconds = (until - now()).total_seconds() if until else None
                self.state = again
                self.error = MailDelayed(said, None if seconds is None else max(0.0, seconds))
            case Unclear():
                self.state, self.error = MailState.UNCONFIRMED, MailUnconfirmed(said)
            case _:
                self.state = again if isinstance(error, MailDelayed) else MailState.FAILED
        self.values = {
            "state": self.state,
            "attempts": row.attempts + 1,
            "provider": row.provider,
            "error": storable(reason)[:1_000] or None,
            **more,
        }


async def _settle(
    runtime: Runtime, row: Email, token: UUID, attempt: _Attempt
) -> MailState | timedelta | None:
    async with runtime.unit_of_work() as uow:
        if not await claim_queries.settle(uow.session, row.id, token, attempt.values):
            return await _untaken(uow, row.id)  # it was withheld, or told of meanwhile
        refused = attempt.refused
        if refused is not None and rules.is_bounce(refused.code, refused.reason):
            await actions.record_bounce(
                uow.session,
                row.address,
                hard=rules.is_hard(refused.reason),
                code=refused.code,
                reason=refused.reason,
                source=row.provider or "",
            )
    if attempt.error is not None:
        raise attempt.error
    return attempt.state
