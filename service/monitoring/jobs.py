"""Jobs of monitoring."""

from service.queue import Queue, job


@job(
    "monitoring.clean",
    queue=Queue.MAINTENANCE,
    coroutine="workers.maintenance.clean",
    timeout=300,
    history="all",
)
async def clean() -> dict[str, int]:
    """Delete what has outlived its retention.

    Records of finished jobs (`ALMANAC_HISTORY_RETENTION`, 7 days) and remembered replies of
    repeated requests (`ALMANAC_IDEMPOTENCY_RETENTION`, 24 hours). Returns the count of each.
    """
