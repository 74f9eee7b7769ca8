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

    Runs in the history (`ALMANAC_HISTORY_RETENTION`, 7 days; failed ones
    `ALMANAC_HISTORY_RETENTION_FAILED`, 30 days), deliveries of webhooks, notices and workflows
    (likewise 30 days), rows of durable jobs that ended well (7 days), and remembered replies of
    repeated requests (`ALMANAC_IDEMPOTENCY_RETENTION`, 24 hours). Returns how many: `job_runs`,
    `durable_jobs`, `deliveries`, `notices`, `workflows` and `replies`.
    """
