"""Jobs of monitoring."""

from typing import Any

from service.queue import Queue, RetryPolicy, job


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
    `ALMANAC_HISTORY_RETENTION_FAILED`, 30 days), deliveries of webhooks, notices, resolved alerts
    and workflows (likewise 30 days), rows of durable jobs that ended well (7 days), and remembered
    replies of repeated requests (`ALMANAC_IDEMPOTENCY_RETENTION`, 24 hours). Returns how many:
    `job_runs`, `durable_jobs`, `deliveries`, `notices`, `alerts`, `workflows` and `replies`.
    """


@job(
    "monitoring.health",
    queue=Queue.MAINTENANCE,
    coroutine="workers.health.check",
    timeout=60,
    history="all",
)
async def health() -> dict[str, Any]:
    """Look whether everything is there that Almanac needs, for alerts and for those who ask later.

    Returns when (`at`), by which process (`worker`), and each check with `name`, `ok`, `detail` and
    `seconds`: PostgreSQL, Redis, storage, workers, maintenance.
    """
    raise NotImplementedError


@job(
    "monitoring.ping",
    queue=Queue.MAINTENANCE,
    coroutine="workers.answering.ping",
    timeout=10,
    keep_result=60,
    retry=RetryPolicy(tries=1),
    history="none",
    lane="high",
)
async def ping() -> str:
    """Return the name of the worker that runs this.

    Every queue's workers run it: `almanac verify` sends one through each queue that is served.
    """
    raise NotImplementedError
