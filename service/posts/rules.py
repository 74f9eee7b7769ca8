"""Pure rules of posts: instants, derived states, retry delays, what a claim means."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from service.errors import Problem
from service.kit import instants
from service.kit.instants import parse_zone as parse_zone
from service.posts.models import END_STATES, DeliveryState

PAST_GRACE = timedelta(seconds=60)
"""A time that has just passed means now: clocks differ and requests travel."""
FAR_FUTURE = timedelta(days=3660)
MAX_BACKOFF = timedelta(days=1)


def parse_instant(value: str, zone: ZoneInfo | None, now: datetime) -> datetime | Problem:
    """Return the instant that a person means, in UTC.

    Args:
        value: ISO 8601, with an offset, or as wall-clock time in `zone`.
        zone: the zone of a wall-clock time; None: the caller gave none.
        now: the present instant.
    """
    located = locate(value, zone)
    return located if isinstance(located, Problem) else _within_reach(located, now)


def locate(value: str, zone: ZoneInfo | None) -> datetime | Problem:
    """Return the instant that a person means, in UTC, whether it has passed or not.

    Args:
        value: ISO 8601, with an offset, or as wall-clock time in `zone`.
        zone: the zone of a wall-clock time; None: the caller gave none.
    """
    return instants.locate(value, zone, field="publish_at")


def _problem(message: str) -> Problem:
    return Problem("publish_at", message)


def _within_reach(instant: datetime, now: datetime) -> datetime | Problem:
    if instant < now - PAST_GRACE:
        return _problem(f"{instant:%Y-%m-%d %H:%M:%S} UTC has passed; leave it out to publish now")
    if instant > now + FAR_FUTURE:
        return _problem("lies more than ten years ahead")
    return instant


def post_state(states: Collection[str]) -> str:
    """Return a post's state from those of its deliveries."""
    present = set(states)
    if not present:
        return "draft"
    if present & {DeliveryState.PUBLISHING, DeliveryState.WAITING, DeliveryState.RETRYING}:
        return "publishing"
    for state in (
        DeliveryState.SCHEDULED,
        DeliveryState.HELD,
        DeliveryState.UNCONFIRMED,
        DeliveryState.APPROVED,
        DeliveryState.DRAFT,
    ):
        if state in present:
            return state
    present.discard(DeliveryState.CANCELLED)
    if not present:
        return DeliveryState.CANCELLED
    if len(present) > 1:
        return "partly_published"
    return present.pop()


def retry_delay(attempts: int, retries: int, base: timedelta) -> timedelta | None:
    """Return the wait before the next attempt: base · 2ⁿ, or None when retries are used up.

    Args:
        attempts: attempts made so far, at least 1.
        retries: how many may follow the first.
        base: the wait before the first retry.
    """
    if attempts > retries:
        return None
    return min(base * 2.0 ** min(attempts - 1, 32), MAX_BACKOFF)


def with_hashtags(caption: str, hashtags: Collection[str]) -> str:
    """Return the caption followed by those hashtags that it does not contain yet."""
    words = set(caption.lower().split())
    tags = ["#" + tag.lstrip("#") for tag in hashtags]
    missing = [tag for tag in tags if tag.lower() not in words]
    return " ".join([caption, *missing]) if missing else caption


class Delivered(Protocol):
    """What a batch's report needs of a delivery."""

    post_id: UUID
    account_id: UUID
    platform: str
    state: str
    remote_url: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one post on one platform."""

    post_id: UUID
    account_id: UUID
    platform: str
    state: str
    url: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of a batch: posts published everywhere, posts with a failure, posts under way."""

    published: int
    failed: int
    pending: int
    results: list[BatchResult]


def batch_report(deliveries: Sequence[Delivered]) -> BatchReport:
    """Count a batch by posts: one delivery that failed makes its post a failed one."""
    states = defaultdict(set)
    for delivery in deliveries:
        states[delivery.post_id].add(delivery.state)
    published = sum(found == {DeliveryState.PUBLISHED} for found in states.values())
    pending = sum(not found <= set(END_STATES) for found in states.values())
    return BatchReport(
        published=published,
        failed=len(states) - published - pending,
        pending=pending,
        results=[
            BatchResult(d.post_id, d.account_id, d.platform, d.state, d.remote_url, d.error)
            for d in deliveries
        ],
    )


JOB_STATES = {
    DeliveryState.PUBLISHING: "running",
    DeliveryState.WAITING: "retrying",
    DeliveryState.RETRYING: "retrying",
    DeliveryState.PUBLISHED: "succeeded",
    DeliveryState.FAILED: "failed",
    DeliveryState.UNCONFIRMED: "failed",
    DeliveryState.HELD: "deferred",
    DeliveryState.CANCELLED: "cancelled",
}


def publish_job_state(state: str, next_run_at: datetime, now: datetime, *, stale: bool) -> str:
    """Return the state of the job of a delivery's version; the row tells, not Redis."""
    if stale:
        return "cancelled"
    if state == DeliveryState.SCHEDULED:
        return "deferred" if next_run_at > now else "queued"
    return JOB_STATES[DeliveryState(state)]
