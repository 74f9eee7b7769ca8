"""Jobs of measures."""

from service.queue import Queue, job

MEASURE_TIMEOUT = 300
"""Seconds: a run begins nothing after 150, and what it has begun takes at most 135."""


@job(
    "analytics.measure",
    queue=Queue.ANALYTICS,
    coroutine="workers.analytics.measure",
    timeout=MEASURE_TIMEOUT,
)
async def measure() -> dict[str, int]:
    """Ask platforms how published posts and connected accounts do, as far as it is time.

    Posts are asked for hourly in their first 48 hours, every 6 hours for a week, daily until they
    are 30 days old; accounts daily. What a platform does not tell is never written as zero. Returns
    `measured`, `failed` (asked again later), `ended` (gone, or old) and `left` (for a later run).
    """
    raise NotImplementedError


@job("analytics.clean", queue=Queue.ANALYTICS, coroutine="workers.analytics.clean", timeout=300)
async def clean() -> int:
    """Delete measures that are older than 400 days, a batch at a time; return how many."""
    raise NotImplementedError
