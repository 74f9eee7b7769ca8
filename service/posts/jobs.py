"""Jobs of posts."""

import re
from datetime import datetime
from uuid import UUID

from service.errors import Forbidden
from service.posts.rules import BatchReport
from service.queue import JobCall, Queue, RetryPolicy, job

PUBLISH_TIMEOUT = 300
"""Seconds; most of it is for the upload of a video."""
PUBLISH_JOB_ID = re.compile(r"publish:([0-9a-f-]{36}):([0-9]{1,9})")


@job(
    "posts.publish",
    queue=Queue.PUBLISHING,
    coroutine="workers.publishing.publish",
    timeout=PUBLISH_TIMEOUT,
    keep_result=0,
    owner="service.posts.owner.DeliveryOwner",
    history="none",
)
async def publish(delivery_id: UUID, version: int) -> None:
    """Publish one delivery at its time.

    The row decides: a job whose version is stale, or whose delivery is no longer due, ends
    without effect. Retries (3, after 60·2ⁿ s), waits and every outcome are kept in the row and in
    the table of attempts, so no result is kept in Redis.
    """


@job(
    "posts.publish_batch",
    queue=Queue.PUBLISHING,
    coroutine="workers.publishing.publish_batch",
    timeout=30,
    retry=RetryPolicy(permanent=(Forbidden,)),
)
async def publish_batch(batch_id: UUID) -> BatchReport:
    """Report on a batch once all its deliveries have ended.

    The deliveries are published by `posts.publish`, one job each, so that one failure stops
    nothing else. Returns `published` and `failed` (counts of posts) and `results` per post and
    platform.
    """


@job(
    "posts.sweep",
    queue=Queue.PUBLISHING,
    coroutine="workers.publishing.sweep",
    timeout=25,
)
async def sweep() -> dict[str, int]:
    """Queue every delivery that should be queued and is not.

    Finds deliveries due within the horizon and those whose worker died, and asks the queue itself
    which are missing. Returns `processed` (due, queued now) and `deferred` (due later, queued now).
    """


@job(
    "posts.remove",
    queue=Queue.PUBLISHING,
    coroutine="workers.publishing.remove",
    timeout=60,
    keep_result=0,
    retry=RetryPolicy(tries=6, delay=30),
)
async def remove(delivery_id: UUID) -> None:
    """Remove a published delivery from its platform; one that is gone already is removed as well.

    A refusal for good is noted at the delivery, which stays published.
    """


def publish_job_id(delivery_id: UUID, version: int) -> str:
    """Return the one job id of a delivery's version."""
    return f"publish:{delivery_id}:{version}"


def parse_publish_job_id(job_id: str) -> tuple[UUID, int] | None:
    """Return delivery and version of such an id, None for any other."""
    match = PUBLISH_JOB_ID.fullmatch(job_id)
    return (UUID(match[1]), int(match[2])) if match else None


def publish_call(delivery_id: UUID, version: int, at: datetime) -> JobCall:
    """Return the job that publishes a delivery's version at its time."""
    call = publish(delivery_id=delivery_id, version=version)
    return call.deferred(until=at, job_id=publish_job_id(delivery_id, version))


def remove_call(delivery_id: UUID) -> JobCall:
    """Return the job that takes a delivery back."""
    return remove(delivery_id=delivery_id).deferred(job_id=f"remove:{delivery_id}")


def batch_call(batch_id: UUID) -> JobCall:
    """Return the job that reports on a batch."""
    return publish_batch(batch_id=batch_id).deferred(job_id=batch_job_id(batch_id))


def batch_job_id(batch_id: UUID) -> str:
    """Return the job id of a batch's report."""
    return f"batch:{batch_id}"
