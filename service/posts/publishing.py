"""One delivery's way to its platform: claim, attempt, record.

No database connection is held while a platform is awaited.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError

from service.access.checks import may_act
from service.accounts import actions as accounts
from service.accounts import refreshing
from service.accounts.queries import AccountState
from service.config import Settings
from service.db.session import Database
from service.kit.tasks import end
from service.media import variants
from service.media.actions import file_path
from service.platforms import sandbox
from service.platforms.contract import (
    Content,
    Destination,
    Handles,
    Platform,
    Publication,
    Reference,
    Wait,
)
from service.platforms.failures import Rejected
from service.platforms.limits import Limits
from service.posts import claim_queries, queries, recording, rules
from service.posts.attempting import (
    WAIT_BUDGET,
    Claim,
    ClaimLost,
    Outcome,
    RetryPolicy,
    Stamp,
    attempt,
)
from service.posts.composing import media_file
from service.posts.models import DUE_STATES, DeliveryState, Hold
from service.queue import HEADERS
from service.runtime import Runtime

log = logging.getLogger(__name__)

CLAIM_LEASE = timedelta(seconds=35)
"""How long a claim lasts beyond the last sign of its worker."""
RENEW_EVERY = 10.0
"""Seconds after which a running job extends its claim."""
LEASE_MARGIN = timedelta(seconds=5)
"""What a claim lasts beyond the deadline of the call that it covers."""


async def claim(
    database: Database, delivery_id: UUID, version: int, token: UUID
) -> Row[Any] | None:
    """Take a due delivery; None when it is not for us."""
    rows = await database.execute(
        claim_queries.CLAIM,
        {
            "delivery": delivery_id,
            "expected_version": version,
            "token": token,
            "lease": CLAIM_LEASE,
        },
    )
    return rows[0] if rows else None


async def delay_until_due(database: Database, delivery_id: UUID, version: int) -> timedelta | None:
    """Return when to try a delivery again that could not be claimed; None: never.

    A delivery whose account lost its connection, or whose owner is disabled, is put on hold here.
    """
    rows = await database.execute(claim_queries.WHY_NOT, {"delivery": delivery_id})
    if not rows or rows[0].version != version:
        return None
    state, account_state = rows[0].state, rows[0].account_state
    delay: timedelta = rows[0].delay
    hold = None
    if account_state != AccountState.ACTIVE:
        hold, error = Hold.ACCOUNT, "The account must be reconnected first"
    if rows[0].owner_disabled_at is not None:
        hold, error = Hold.OWNER, "The user whose post this is may not publish any more"
    row = {"delivery": delivery_id, "expected_version": version}
    if state in DUE_STATES and hold is not None:
        await database.execute(claim_queries.HOLD, {**row, "new_error": error, "new_hold": hold})
        return None
    if rows[0].blocked:
        return None
    if state in DUE_STATES and rows[0].limited:
        await database.execute(claim_queries.POSTPONE, row)
    if state in DUE_STATES or state == DeliveryState.PUBLISHING:
        return max(timedelta(0), delay)
    return None


async def deliver(runtime: Runtime, claimed: Row[Any], token: UUID, worker: str) -> Outcome | None:
    """Attempt a claimed delivery and record the outcome; None: the claim was lost on the way."""
    database, settings = runtime.database, runtime.settings
    platform = sandbox.adapter(runtime.platforms, claimed.platform, local=claimed.local)
    publishing = publication(runtime, claimed, token)
    try:
        async with kept(database, claimed.id, token):
            outcome = _too_late(settings, claimed) or await _fit_media(runtime, publishing, claimed)
            outcome = outcome or await attempt(
                platform,
                publishing,
                claimed,
                Claim(
                    stamping(database, claimed.id, token),
                    partial(refreshing.renew, runtime, platform, publishing.destination),
                ),
                retry_policy(settings, platform),
            )
        await recording.record(runtime, claimed, token, outcome, worker)
    except ClaimLost:
        log.info("the delivery was changed or taken over meanwhile; nothing recorded")
        return None
    log.info(
        "delivery %s on %s", outcome.state, claimed.platform, extra={"delivery": str(claimed.id)}
    )
    return outcome


async def _fit_media(
    runtime: Runtime, publishing: Publication, claimed: Row[Any]
) -> Outcome | None:
    """Give a publication its media as the account takes them; an outcome: not yet, or never."""
    content, uncertain = publishing.content, claimed.commit_started_at is not None
    given_up = DeliveryState.UNCONFIRMED if uncertain else DeliveryState.FAILED
    try:
        files = await variants.fitted(runtime, content.media, publishing.destination.limits)
    except Rejected as refused:
        return Outcome(given_up, error=refused.message, uncertain=uncertain)
    if not isinstance(files, Wait):
        publishing.content = replace(content, media=files)
        return None
    if claimed.claimed_at - claimed.began_at > WAIT_BUDGET:
        error = f"Not ready after an hour: {files.reason}"
        return Outcome(given_up, error=error, uncertain=uncertain)
    delay, waits = timedelta(seconds=files.seconds), DeliveryState.WAITING
    return Outcome(waits, delay, files.reason, counts=False, uncertain=uncertain)


def retry_policy(settings: Settings, platform: Platform) -> RetryPolicy:
    """Return how often, and how soon, a delivery is tried again there."""
    retries, base = settings.publish_retries, settings.publish_retry_base
    return RetryPolicy(
        platform.retries if retries is None else retries,
        platform.retry_base if base is None else base,
    )


def _too_late(settings: Settings, claimed: Row[Any]) -> Outcome | None:
    """Return what becomes of a delivery that nobody took up in time, if it is that late."""
    late = claimed.claimed_at - claimed.due_at
    policy = claimed.late or settings.too_late
    first = claimed.began_at == claimed.claimed_at and claimed.kind == "post"
    if policy == "send" or not first or late <= settings.too_late_after:
        return None
    hours = f"{late.total_seconds() / 3600:.1f} hours late"
    if policy == "skip":
        error = f"Not published: it would have been {hours}"
        return Outcome(DeliveryState.CANCELLED, error=error, counts=False)
    error = f"It would be {hours}: publish it now all the same, move it, or cancel it"
    return Outcome(DeliveryState.HELD, error=error, counts=False, hold=Hold.LATE)


@asynccontextmanager
async def kept(database: Database, delivery_id: UUID, token: UUID) -> AsyncIterator[None]:
    """Extend a claim as long as the block runs; what was lost shows at the next fenced write."""
    values = {"delivery": delivery_id, "token": token, "lease": CLAIM_LEASE}

    async def extend() -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                await database.execute(claim_queries.RENEW, values)
            except (SQLAlchemyError, OSError) as error:
                log.warning("a claim could not be extended: %s", error)

    task = asyncio.create_task(extend())
    try:
        yield
    finally:
        await end(task)


def publication(runtime: Runtime, claimed: Row[Any], token: UUID) -> Publication:
    """Return a claimed delivery as its adapter sees it."""
    database = runtime.database

    async def save(handles: Handles) -> None:
        values = {"delivery": claimed.id, "token": token, "new_handles": handles}
        if not await database.execute(claim_queries.SAVE_HANDLES, values):
            raise ClaimLost

    folder = runtime.settings.media_folder
    return Publication(
        delivery_id=claimed.id,
        destination=destination(runtime, claimed),
        content=Content(
            claimed.text,
            claimed.link,
            tuple(media_file(m, file_path(folder, m["sha256"])) for m in claimed.media),
            claimed.options,
            claimed.kind,
        ),
        save=save,
        handles=dict(claimed.handles),
        committed_since=claimed.committed_since,
        reply_to=_reference(claimed.reply_to),
        root=_reference(claimed.root),
    )


def destination(runtime: Runtime, row: Row[Any]) -> Destination:
    """Return the account of a row as its adapter sees it."""
    keyring, account_id = runtime.keyring, row.account_id
    return Destination(
        id=account_id,
        handle=row.handle,
        base_url=row.base_url,
        credentials=accounts.unseal(keyring, account_id, "credentials", row.credentials),
        limits=msgspec.convert(row.limits, Limits),
        session=accounts.unseal(keyring, account_id, "session", row.session),
    )


def _reference(found: dict[str, Any] | None) -> Reference | None:
    return Reference(found["remote_id"] or "", found["details"]) if found else None


def stamping(database: Database, delivery_id: UUID, token: UUID) -> Stamp:
    """Return the stamp of one claim; it also extends the claim over the call that follows."""

    async def stamp(deadline: timedelta) -> datetime:
        lease = deadline + LEASE_MARGIN
        values = {"delivery": delivery_id, "token": token, "lease": lease}
        rows = await database.execute(claim_queries.STAMP, values)
        if not rows:
            raise ClaimLost
        since: datetime = rows[0].committed_since
        return since

    return stamp


async def batch_report(runtime: Runtime, batch_id: UUID) -> rules.BatchReport:
    """Return what became of a batch so far.

    Raises:
        Forbidden: who asked for it may not any more.
    """
    async with runtime.unit_of_work() as uow:
        batch = await queries.any_batch(uow.session, batch_id)
        await may_act(uow.session, HEADERS.get().get("actor"), batch.owner_id)
        return rules.batch_report(await queries.batch_deliveries(uow.session, batch_id))
