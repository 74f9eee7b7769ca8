"""One delivery's way to its platform: claim, attempt, record.

No database connection is held while a platform is awaited. The outcome is a closed set; what
cannot be known stays `uncertain` and is looked up before anything is sent again.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import Row

from service.accounts import actions as accounts
from service.accounts.queries import AccountState
from service.db.session import Database
from service.errors import AlmanacError
from service.kit.clock import now
from service.media.actions import file_path
from service.platforms.contract import (
    Absent,
    Ambiguous,
    AuthFailed,
    Content,
    Destination,
    Handles,
    Limits,
    Platform,
    PlatformError,
    Publication,
    Published,
    RateLimited,
    Rejected,
    Transient,
    Wait,
)
from service.posts import claim_queries, queries, rules
from service.posts.composing import media_file
from service.posts.models import DUE_STATES, DeliveryState
from service.runtime import Runtime

log = logging.getLogger(__name__)

CLAIM_LEASE = timedelta(seconds=35)
"""A little longer than the job's hard limit, so that a claim never ends under a running job."""
PREPARE_BUDGET = timedelta(seconds=15)
"""Uploads of one attempt; with the longest commit deadline it fits into the job's hard limit."""
LEASE_MARGIN = timedelta(seconds=5)
WAIT_BUDGET = timedelta(hours=1)
"""How long after its due time a post may wait for its media before that counts as a failure."""


class ClaimLost(AlmanacError):
    """Somebody else holds this delivery now, or it was changed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    `counts` tells an attempt from a mere wait; `uncertain` keeps the stamps of a commit whose
    outcome is unknown, so that the next run looks before it sends.
    """

    state: DeliveryState
    delay: timedelta = timedelta(0)
    error: str | None = None
    published: Published | None = None
    counts: bool = True
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retries after the first attempt; the delay doubles from `base`."""

    retries: int
    base: timedelta


class Stamp(Protocol):
    """Commits the fenced mark that the irreversible call follows; returns the first one's time."""

    async def __call__(self, deadline: timedelta) -> datetime: ...


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

    A delivery whose account lost its connection is put on hold here.
    """
    rows = await database.execute(claim_queries.WHY_NOT, {"delivery": delivery_id})
    if not rows or rows[0].version != version:
        return None
    state, account_state = rows[0].state, rows[0].account_state
    delay: timedelta = rows[0].delay
    if state in DUE_STATES and account_state != AccountState.ACTIVE:
        error = "The account must be reconnected first"
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


async def attempt(
    platform: Platform,
    publication: Publication,
    claimed: Row[Any],
    stamp: Stamp,
    policy: RetryPolicy,
) -> Outcome:
    """Bring one claimed delivery as far as it gets now; every platform error becomes an outcome."""
    try:
        if claimed.commit_started_at is not None:
            settled = await _settle(platform, publication, claimed)
            if settled is not None:
                return settled
        async with asyncio.timeout(PREPARE_BUDGET.total_seconds()):
            await platform.prepare(publication)
            wait = await platform.check(publication)
        if wait is not None:
            return _waiting(wait, claimed)
        return await _commit(platform, publication, stamp)
    except TimeoutError:
        seconds = PREPARE_BUDGET.total_seconds()
        return _failed(Transient(f"Uploading took longer than {seconds:g} s"), claimed, policy)
    except Ambiguous as error:
        if not _repeatable(platform, publication):
            return _looked_up_later(platform, error)
        return _failed(error, claimed, policy)
    except PlatformError as error:
        return _failed(error, claimed, policy)
    except ClaimLost:
        raise
    except Exception as error:  # a fault of ours must use up a retry, or it is repeated for ever
        log.exception("unexpected error before the commit")
        return _failed(Transient(_unexpected(error)), claimed, policy)


async def _commit(platform: Platform, publication: Publication, stamp: Stamp) -> Outcome:
    publication.committed_since = await stamp(platform.commit_deadline)
    try:
        async with asyncio.timeout(platform.commit_deadline.total_seconds()):
            published = await platform.commit(publication)
    except TimeoutError:
        seconds = platform.commit_deadline.total_seconds()
        raise Ambiguous(f"{platform.title} did not answer within {seconds:g} s") from None
    except PlatformError:
        raise
    except Exception as error:  # whatever went wrong here, the post may be out
        log.exception("unexpected error at the commit")
        raise Ambiguous(_unexpected(error)) from error
    return Outcome(DeliveryState.PUBLISHED, published=published)


def _unexpected(error: Exception) -> str:
    return f"Unexpected {type(error).__name__}: {error}; the log has the details"


def _repeatable(platform: Platform, publication: Publication) -> bool:
    """Whether the platform would recognise a repeat of the first commit as the same post."""
    since = publication.committed_since
    return since is not None and now() - since < platform.repeat_window


async def _settle(
    platform: Platform, publication: Publication, claimed: Row[Any]
) -> Outcome | None:
    """Find out about an earlier commit; None means that committing (again) is safe."""
    if _repeatable(platform, publication):
        return None
    visible_at = claimed.commit_started_at + platform.commit_deadline + platform.visibility_lag
    if claimed.claimed_at < visible_at:
        return Outcome(
            DeliveryState.WAITING,
            delay=visible_at - claimed.claimed_at,
            error="Waiting to see whether an unanswered attempt came through",
            counts=False,
            uncertain=True,
        )
    found = await platform.reconcile(publication)
    if isinstance(found, Published):
        return Outcome(DeliveryState.PUBLISHED, published=found)
    if isinstance(found, Absent) and platform.repeat_window > timedelta(0):
        publication.committed_since = None
        return None
    reason = "it cannot be seen there" if isinstance(found, Absent) else found.reason
    return Outcome(
        DeliveryState.UNCONFIRMED,
        error=f"{platform.title} may or may not have taken the post: {reason}",
        uncertain=True,
    )


def _waiting(wait: Wait, claimed: Row[Any]) -> Outcome:
    if claimed.claimed_at - claimed.due_at > WAIT_BUDGET:
        raise Transient(f"Not ready an hour after the due time: {wait.reason}")
    return Outcome(
        DeliveryState.WAITING,
        delay=timedelta(seconds=wait.seconds),
        error=wait.reason,
        counts=False,
        uncertain=claimed.commit_started_at is not None,
    )


def _looked_up_later(platform: Platform, error: Ambiguous) -> Outcome:
    return Outcome(
        DeliveryState.WAITING,
        delay=platform.commit_deadline + platform.visibility_lag,
        error=error.message,
        uncertain=True,
    )


def _failed(error: PlatformError, claimed: Row[Any], policy: RetryPolicy) -> Outcome:
    """Return what a platform error means for the delivery."""
    message = error.message
    uncertain = isinstance(error, Ambiguous) or claimed.commit_started_at is not None
    given_up = DeliveryState.UNCONFIRMED if uncertain else DeliveryState.FAILED
    match error:
        case RateLimited():
            delay = max(error.until - now(), timedelta(seconds=1))
            return Outcome(DeliveryState.WAITING, delay, message, counts=False, uncertain=uncertain)
        case AuthFailed():
            return Outcome(DeliveryState.HELD, error=message, uncertain=uncertain)
        case Rejected():
            return Outcome(given_up, error=message, uncertain=uncertain)
    backoff = rules.retry_delay(claimed.attempts + 1, policy.retries, policy.base)
    if backoff is None:
        return Outcome(given_up, error=message, uncertain=uncertain)
    return Outcome(DeliveryState.RETRYING, backoff, message, uncertain=uncertain)


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
    """Return what became of a batch so far."""
    async with runtime.unit_of_work() as uow:
        return rules.batch_report(await queries.batch_deliveries(uow.session, batch_id))
