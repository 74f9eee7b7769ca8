"""One attempt to bring a claimed delivery to its platform, and what each failure means.

The outcome is a closed set; what cannot be known stays `uncertain` and is looked up before anything
is sent again.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Row

from service.errors import AlmanacError
from service.kit.clock import now
from service.kit.redaction import redact
from service.platforms.contract import (
    Absent,
    Ambiguous,
    AuthFailed,
    Platform,
    PlatformError,
    Publication,
    Published,
    RateLimited,
    Rejected,
    Transient,
    Wait,
)
from service.posts import rules
from service.posts.models import DeliveryState

PREPARE_BUDGET = timedelta(seconds=15)
"""Uploads of one attempt; with the longest commit deadline it fits into the job's hard limit."""
WAIT_BUDGET = timedelta(hours=1)
"""How long after its due time a post may wait for its media before that counts as a failure."""

log = logging.getLogger(__name__)


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
    return redact(f"Unexpected {type(error).__name__}: {error}; the log has the details")


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
