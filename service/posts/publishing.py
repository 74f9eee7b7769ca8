"""One delivery's way to its platform: claim, attempt, record.

No database connection is held while a platform is awaited.
"""

import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from service.access.checks import may_act
from service.accounts import actions as accounts
from service.accounts.queries import AccountState
from service.db.session import Database
from service.media.actions import file_path
from service.platforms.contract import (
    Content,
    Destination,
    Handles,
    Limits,
    Publication,
)
from service.posts import claim_queries, queries, rules
from service.posts.attempting import ClaimLost, Outcome, RetryPolicy, Stamp, attempt
from service.posts.composing import media_file
from service.posts.models import DUE_STATES, DeliveryState
from service.queue import HEADERS
from service.runtime import Runtime

log = logging.getLogger(__name__)

CLAIM_LEASE = timedelta(seconds=35)
"""A little longer than the job's hard limit, so that a claim never ends under a running job."""
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
    error = None
    if account_state != AccountState.ACTIVE:
        error = "The account must be reconnected first"
    if rows[0].owner_disabled_at is not None:
        error = "The user whose post this is may not publish any more"
    if state in DUE_STATES and error is not None:
        values = {"delivery": delivery_id, "expected_version": version, "new_error": error}
        await database.execute(claim_queries.HOLD, values)
        return None
    if state in DUE_STATES or state == DeliveryState.PUBLISHING:
        return max(timedelta(0), delay)
    return None


async def deliver(runtime: Runtime, claimed: Row[Any], token: UUID, worker: str) -> Outcome | None:
    """Attempt a claimed delivery and record the outcome; None: the claim was lost on the way."""
    database, settings = runtime.database, runtime.settings
    platform = runtime.platforms[claimed.platform]
    policy = RetryPolicy(settings.publish_retries, settings.publish_retry_base)
    try:
        outcome = await attempt(
            platform,
            publication(runtime, claimed, token),
            claimed,
            stamping(database, claimed.id, token),
            policy,
        )
        await record(database, claimed, token, outcome, worker)
    except ClaimLost:
        log.info("the delivery was changed or taken over meanwhile; nothing recorded")
        return None
    log.info(
        "delivery %s on %s", outcome.state, claimed.platform, extra={"delivery": str(claimed.id)}
    )
    return outcome


def publication(runtime: Runtime, claimed: Row[Any], token: UUID) -> Publication:
    """Return a claimed delivery as its adapter sees it."""
    database, keyring, account_id = runtime.database, runtime.keyring, claimed.account_id

    async def save(handles: Handles) -> None:
        values = {"delivery": claimed.id, "token": token, "new_handles": handles}
        if not await database.execute(claim_queries.SAVE_HANDLES, values):
            raise ClaimLost

    async def save_session(session: Handles) -> None:
        sealed = accounts.seal(keyring, account_id, "session", session)
        values = {"account": account_id, "new_session": sealed}
        await database.execute(claim_queries.SAVE_SESSION, values)

    folder = runtime.settings.media_folder
    return Publication(
        delivery_id=claimed.id,
        destination=Destination(
            id=account_id,
            handle=claimed.handle,
            base_url=claimed.base_url,
            credentials=accounts.unseal(keyring, account_id, "credentials", claimed.credentials),
            limits=msgspec.convert(claimed.limits, Limits),
            session=accounts.unseal(keyring, account_id, "session", claimed.session),
        ),
        content=Content(
            claimed.text,
            claimed.link,
            tuple(media_file(m, file_path(folder, m["sha256"])) for m in claimed.media),
        ),
        save=save,
        save_session=save_session,
        handles=dict(claimed.handles),
        committed_since=claimed.committed_since,
    )


async def record(
    database: Database, claimed: Row[Any], token: UUID, outcome: Outcome, worker: str
) -> None:
    """Write the outcome.

    Raises:
        ClaimLost: the claim was taken over or the delivery changed meanwhile; nothing was written.
    """
    published = outcome.published
    rows = await database.execute(
        claim_queries.RECORD,
        {
            "delivery": claimed.id,
            "token": token,
            "new_state": outcome.state,
            "delay": outcome.delay,
            "counts": outcome.counts,
            "uncertain": outcome.uncertain,
            "new_error": outcome.error,
            "new_remote_id": published.remote_id if published else None,
            "new_remote_url": published.url if published else None,
            "worker": worker,
            "started_at": claimed.claimed_at,
        },
    )
    if not rows:
        raise ClaimLost
    if outcome.state is DeliveryState.HELD:
        await database.execute(claim_queries.MARK_DISCONNECTED, {"account": claimed.account_id})


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
