"""What became of an attempt: the delivery, its attempt, what follows, what to spare."""

import logging
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError
from sqlalchemy import Row

from service.accounts import refreshing
from service.db.session import Database
from service.platforms.failures import RateLimited
from service.posts import actions, claim_queries, jobs
from service.posts.attempting import ClaimLost, Outcome
from service.posts.models import Hold
from service.runtime import Runtime

log = logging.getLogger(__name__)


async def record(
    runtime: Runtime, claimed: Row[Any], token: UUID, outcome: Outcome, worker: str
) -> None:
    """Write the outcome, and queue what follows a post that is out.

    Raises:
        ClaimLost: the claim was taken over or the delivery changed meanwhile; nothing was written.
    """
    database, published = runtime.database, outcome.published
    rows = await database.execute(
        claim_queries.RECORD,
        {
            "delivery": claimed.id,
            "token": token,
            "new_state": outcome.state,
            "delay": outcome.delay,
            "counts": outcome.counts,
            "uncertain": outcome.uncertain,
            "new_error": outcome.error,
            "new_remote_id": published.remote_id if published else None,
            "new_remote_url": published.url if published else None,
            "new_details": published.details if published else {},
            "new_hold": outcome.hold,
            "worker": worker,
            "started_at": claimed.claimed_at,
        },
    )
    if not rows:
        raise ClaimLost
    await _wake(runtime, [row for row in rows if row.follower is not None])
    if outcome.limited is not None:
        await limit(database, claimed.account_id, claimed.platform, outcome.limited)
    if outcome.hold is Hold.ACCOUNT:
        await _disconnected(runtime, claimed, outcome.error or "")


async def _wake(runtime: Runtime, released: list[Row[Any]]) -> None:
    """Queue what follows a post that is out."""
    if not released:
        return
    calls = [jobs.publish_call(row.follower, row.version, row.next_run_at) for row in released]
    try:
        await runtime.queue.requeue_many(calls)
    except (RedisError, OSError) as error:
        log.warning("queue away, %d follow-ups left to the sweep: %s", len(calls), error)


async def _disconnected(runtime: Runtime, claimed: Row[Any], reason: str) -> None:
    """Take an account out of service whose credentials are refused, unless it has new ones."""
    account_id, since = claimed.account_id, claimed.claimed_at
    if await refreshing.disconnected(runtime, account_id, reason, since=since):
        async with runtime.unit_of_work() as uow:
            await actions.release_held(uow, account_id)


async def limit(database: Database, account_id: UUID, platform: str, limited: RateLimited) -> None:
    """Let nothing else run into a limit that was met."""
    if limited.scope == "account":
        values = {"account": account_id, "wanted_until": limited.until}
        await database.execute(claim_queries.LIMIT_ACCOUNT, values)
    else:
        where = {"paused_platform": platform, "wanted_until": limited.until}
        await database.execute(
            claim_queries.PAUSE_PLATFORM, {**where, "new_error": limited.message}
        )
