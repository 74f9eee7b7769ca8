"""One attempt to bring a claimed delivery to its platform, and what each failure means.

The outcome is a closed set; what cannot be known stays `uncertain` and is looked up before anything
is sent again.
"""

import asyncio
import logging
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Row

from service.errors import AlmanacError
from service.kit.clock import now
from service.kit.redaction import redact
from service.platforms.contract import Absent, Platform, Publication, Published, Refused, Wait
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from service.posts import rules
from service.posts.models import DeliveryState, Hold

PREPARE_BUDGET = timedelta(seconds=30)
"""What comes before the commit of one attempt."""
VIDEO_BUDGET = timedelta(minutes=4)
"""The same with a video; longer uploads go on in the next run. Both fit into the job's limit."""
WAIT_BUDGET = timedelta(hours=1)
"""How long a post may wait for its media, once it was begun, before that counts as a failure."""

TAKEN = "almanac:taken"
"""The handle of a delivery that its platform has taken and still works on."""

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
    hold: Hold | None = None
    limited: RateLimited | None = None
    """What nothing else of the account, or of all accounts there, shall run into."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retries after the first attempt; the delay doubles from `base`."""

    retries: int
    base: timedelta


class Stamp(Protocol):
    """Commits the fenced mark that the irreversible call follows; returns the first one's time."""

    async def __call__(self, deadline: timedelta) -> datetime: ...


class Renew(Protocol):
    """Gives the publication's destination a session with tokens that are good.

    Wait: another worker is at it. Raises AuthFailed when the account must be reconnected.
    """

    async def __call__(self, *, refused: bool) -> Wait | None: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker may do while the delivery is its own."""

    stamp: Stamp
    renew: Renew


async def attempt(
    platform: Platform,
    publication: Publication,
    claimed: Row[Any],
    claim: Claim,
    policy: RetryPolicy,
) -> Outcome:
    """Bring one claimed delivery as far as it gets now; every platform error becomes an outcome."""
    try:
        if wait := await claim.renew(refused=False):
            return _waiting(wait, claimed)
        try:
            return await _advance(platform, publication, claimed, claim.stamp)
        except TokenExpired:
            # The refused call has done nothing, and what was done before it is in the handles.
            if wait := await claim.renew(refused=True):
                return _waiting(wait, claimed)
            return await _advance(platform, publication, claimed, claim.stamp)
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


async def _advance(
    platform: Platform, publication: Publication, claimed: Row[Any], stamp: Stamp
) -> Outcome:
    if claimed.commit_started_at is not None:
        settled = await _settle(platform, publication, claimed)
        if settled is not None:
            return settled
    _check(platform, publication)
    if wait := await _prepare(platform, publication):
        return _waiting(wait, claimed)
    return await _commit(platform, publication, claimed, stamp)


def _check(platform: Platform, publication: Publication) -> None:
    """Refuse what no longer fits; it did when it was scheduled, but limits and accounts change."""
    if publication.reply_to is not None and not publication.reply_to.remote_id:
        raise Rejected("Nobody knows the address of the post that this answers")
    if problems := platform.validate(publication.content, publication.destination.limits):
        found = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise Rejected(f"{platform.title} does not take this any more: {found}")


async def _prepare(platform: Platform, publication: Publication) -> Wait | None:
    """Upload what is missing; what takes longer than one run goes on in the next."""
    moves = any(file.is_video for file in publication.content.media)
    budget = (VIDEO_BUDGET if moves else PREPARE_BUDGET).total_seconds()
    before = deepcopy(publication.handles)
    try:
        async with asyncio.timeout(budget):
            await platform.prepare(publication)
            return await platform.check(publication)
    except TimeoutError:
        if publication.handles != before:
            return Wait(0, "The upload goes on")
        raise Transient(f"Uploading took longer than {budget:g} s") from None


async def _commit(
    platform: Platform, publication: Publication, claimed: Row[Any], stamp: Stamp
) -> Outcome:
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
    if isinstance(published, Wait):
        publication.committed_since = None
        publication.handles[TAKEN] = True
        await publication.save(dict(publication.handles))
        return _waiting(published, claimed, uncertain=False)
    return _published(platform, published)


def _published(platform: Platform, published: Published) -> Outcome:
    limited = None
    if published.pause_until is not None:
        text = f"{platform.title}: the account's limit is used up"
        limited = RateLimited(text, until=published.pause_until)
    return Outcome(DeliveryState.PUBLISHED, published=published, limited=limited)


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
    match found:
        case Published():
            return _published(platform, found)
        case Refused():
            return Outcome(DeliveryState.FAILED, error=found.reason)
        case Wait():
            return _waiting(found, claimed)
        case Absent() if platform.absence_is_proof or platform.repeat_window > timedelta(0):
            publication.committed_since = None
            return None
    reason = "it cannot be seen there" if isinstance(found, Absent) else found.reason
    return Outcome(
        DeliveryState.UNCONFIRMED,
        error=f"{platform.title} may or may not have taken the post: {reason}",
        uncertain=True,
    )


def _waiting(wait: Wait, claimed: Row[Any], *, uncertain: bool | None = None) -> Outcome:
    if claimed.claimed_at - claimed.began_at > WAIT_BUDGET:
        raise Transient(f"Not ready after an hour: {wait.reason}")
    if uncertain is None:
        uncertain = claimed.commit_started_at is not None
    return Outcome(
        DeliveryState.WAITING,
        delay=timedelta(seconds=wait.seconds),
        error=wait.reason,
        counts=False,
        uncertain=uncertain,
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
            return Outcome(
                DeliveryState.WAITING,
                delay,
                message,
                counts=False,
                uncertain=uncertain,
                limited=error,
            )
        case AuthFailed():
            state, hold = DeliveryState.HELD, Hold.ACCOUNT
            return Outcome(state, error=message, uncertain=uncertain, hold=hold)
        case Rejected():
            return Outcome(given_up, error=message, uncertain=uncertain)
    backoff = rules.retry_delay(claimed.attempts + 1, policy.retries, policy.base)
    if backoff is None:
        if TAKEN in claimed.handles:
            given_up = DeliveryState.UNCONFIRMED
        return Outcome(given_up, error=message, uncertain=uncertain)
    return Outcome(DeliveryState.RETRYING, backoff, message, uncertain=uncertain)
