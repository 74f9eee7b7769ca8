"""Jobs of accounts.

They are the maintenance queue's, which always runs: tokens end at night too.
"""

from service.queue import Queue, job

RENEWAL_TIMEOUT = 240
"""Seconds: a run begins nothing after 120, and one renewal takes at most 45."""


@job(
    "accounts.refresh_tokens",
    queue=Queue.MAINTENANCE,
    coroutine="workers.tokens.renew",
    timeout=RENEWAL_TIMEOUT,
)
async def refresh_tokens() -> dict[str, int]:
    """Renew the tokens of accounts before they end, whether or not a post is due.

    Returns accounts by what became of them: `renewed`, `failed` (tried again), `disconnected` (a
    person must connect them again) and `left` (to others, or to the next run).
    """
    raise NotImplementedError
