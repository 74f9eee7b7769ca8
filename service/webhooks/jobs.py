"""Jobs of webhooks."""

from uuid import UUID

from service.queue import Concurrency, JobCall, Queue, Rate, job

DELIVER_TIMEOUT = 30


@job(
    "webhooks.deliver",
    queue=Queue.WEBHOOKS,
    coroutine="workers.webhooks.deliver",
    timeout=DELIVER_TIMEOUT,
    keep_result=0,
    concurrency=Concurrency(5, key="endpoint_id"),
    rate=Rate(50, per=1, key="endpoint_id"),
    history="failures",
)
async def deliver(delivery_id: UUID, endpoint_id: UUID, version: int) -> None:
    """Send one event to one endpoint, signed.

    Retries (after `ALMANAC_WEBHOOK_GAPS`, hours in all) and every answer are kept in the delivery's
    row; between two attempts the job snoozes. A job whose version is stale ends without effect.
    `endpoint_id` is what the limits go by, so that a slow receiver holds up nobody else.
    """


def deliver_call(delivery_id: UUID, endpoint_id: UUID, version: int) -> JobCall:
    """Return the one job of a delivery's version."""
    call = deliver(delivery_id=delivery_id, endpoint_id=endpoint_id, version=version)
    return call.deferred(job_id=f"webhook:{delivery_id}:{version}")
