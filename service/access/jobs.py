"""Jobs of access."""

from service.queue import Queue, RetryPolicy, job


@job(
    "access.clean_sessions",
    queue=Queue.MAINTENANCE,
    coroutine="workers.sessions.clean",
    timeout=300,
    retry=RetryPolicy(tries=4, delay=60, jitter=0),
)
async def clean_sessions() -> dict[str, int]:
    """End logins that nobody uses; API keys are never touched.

    Ended are sessions that expired (`expired`), those unused for `ALMANAC_SESSION_IDLE` (`idle`),
    and all of users whose last login is `ALMANAC_INACTIVE_AFTER` ago, 30 days, or, if they never
    logged in, whose making is (`of_inactive_users`). Returns how many of each.
    """
    raise NotImplementedError
