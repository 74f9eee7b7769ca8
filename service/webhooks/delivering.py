"""One attempt of a delivery: read it, send it, write down what came of it."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from service.db.session import UnitOfWork
from service.kit.clock import now
from service.kit.crypto import CannotDecrypt
from service.kit.outbound import Answer, AnswerLost, NotSent, OutboundRefused
from service.kit.standard_webhooks import webhook_headers
from service.notifications import actions as notifications
from service.platforms.http import wait_until
from service.runtime import Runtime
from service.webhooks import queries, rules, secrets
from service.webhooks.models import (
    DeliveryState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from service.webhooks.rules import Verdict

DEADLINE = 15.0
"""Seconds for the whole request."""
SLACK = timedelta(seconds=1)
"""How early a job may be by another clock."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one request."""

    verdict: Verdict
    status: int | None = None
    error: str | None = None
    answer: str | None = None
    asked: timedelta | None = None
    """How long the receiver wants us to wait."""


async def deliver(runtime: Runtime, delivery_id: UUID, version: int) -> timedelta | None:
    """Attempt a delivery, if that version of it is due; return when to try again, if at all."""
    async with runtime.unit_of_work() as uow:
        found = await queries.pending(uow.session, delivery_id, version)
    if found is None:
        return None
    delivery, endpoint = found
    early = delivery.next_at - now() if delivery.next_at else timedelta()
    if early > SLACK:  # a worker died after it had written the last attempt down
        return early
    began = time.monotonic()
    tried = await _send(runtime, delivery, endpoint)
    return await _write(runtime, delivery, endpoint, tried, time.monotonic() - began)


async def _send(runtime: Runtime, delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> Tried:
    if not endpoint.enabled:
        return Tried(Verdict.REFUSED, error="the endpoint is disabled; enable it and replay")
    body = delivery.body.encode()
    try:
        signers = secrets.signing(runtime.keyring, endpoint)
        headers = webhook_headers(str(delivery.id), body, *signers)
        headers["Content-Type"] = "application/json"
        answer = await runtime.outbound.request(
            "POST", endpoint.url, deadline=DEADLINE, headers=headers, content=body
        )
    except OutboundRefused as error:
        return Tried(Verdict.REFUSED, error=error.message)
    except (NotSent, AnswerLost, CannotDecrypt) as error:
        return Tried(Verdict.RETRY, error=error.message)
    return _judged(answer)


def _judged(answer: Answer) -> Tried:
    verdict = rules.verdict(answer.status)
    delivered = verdict is Verdict.DELIVERED
    return Tried(
        verdict,
        answer.status,
        None if delivered else f"the receiver answered {answer.status}",
        rules.excerpt(answer.body),
        wait_until(answer) - now() if "retry-after" in answer.headers else None,
    )


async def _write(
    runtime: Runtime,
    delivery: WebhookDelivery,
    endpoint: WebhookEndpoint,
    tried: Tried,
    seconds: float,
) -> timedelta | None:
    """Write an attempt down; return when the next one is."""
    attempts = delivery.attempts + 1
    delay = None
    if tried.verdict is Verdict.RETRY:
        delay = rules.next_delay(runtime.settings.webhook_gaps, attempts, tried.asked)
    async with runtime.unit_of_work() as uow:
        values = {"attempts": attempts, "error": tried.error, **_state(tried.verdict, delay)}
        if not await queries.write_attempt(uow.session, delivery, values):
            return None
        uow.session.add(
            WebhookAttempt(
                delivery_id=delivery.id,
                status=tried.status,
                error=tried.error,
                answer=tried.answer,
                duration_ms=round(seconds * 1000),
            )
        )
        if tried.verdict is Verdict.DELIVERED:
            await queries.arrived(uow.session, endpoint.id)
        elif delay is None:
            await _given_up(runtime, uow, endpoint, tried)
    return delay


def _state(verdict: Verdict, delay: timedelta | None) -> dict[str, str | datetime | None]:
    if delay is not None:
        return {"next_at": now() + delay}
    delivered = verdict is Verdict.DELIVERED
    state = DeliveryState.DELIVERED if delivered else DeliveryState.FAILED
    return {"state": state, "next_at": None, "finished_at": now()}


async def _given_up(
    runtime: Runtime, uow: UnitOfWork, endpoint: WebhookEndpoint, tried: Tried
) -> None:
    """Disable an endpoint that wants no more, or that takes nothing any more; tell its owner."""
    failures = await queries.count_failure(uow.session, endpoint.id)
    if tried.verdict is Verdict.GONE:
        reason = "the receiver answered 410: it wants no more"
    elif failures >= runtime.settings.webhook_failures:
        reason = f"{failures} deliveries in a row failed; the last: {tried.error}"
    else:
        return
    if await queries.disable(uow.session, endpoint.id, reason):
        incident = notifications.Incident(
            kind="webhook.disabled",
            key=f"webhook.disabled:{endpoint.id}",
            title=f"Webhook to {urlsplit(endpoint.url).netloc} is disabled",
            text=reason,
            owner_id=endpoint.owner_id,
        )
        await notifications.report(uow, incident, mail=runtime.settings.mails_at_once)
