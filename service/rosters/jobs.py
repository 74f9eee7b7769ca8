"""Jobs of duty rosters."""

from service.queue import Queue, RetryPolicy, job


@job(
    "rosters.lock",
    queue=Queue.ROSTERS,
    coroutine="workers.rosters.lock",
    timeout=1800,
    soft_timeout=1500,
    retry=RetryPolicy(tries=4, delay=300, factor=1, jitter=0),
)
async def lock() -> int:
    """Lock the rosters of the days that are over; return how many were open."""
    raise NotImplementedError
