"""Use cases of monitoring."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.access import actions as access
from service.db import outbox
from service.kit.clock import now
from service.monitoring import alert_queries, history_queries, minute_queries
from service.queue import JobState

DONE = (JobState.SUCCEEDED, JobState.CANCELLED)
WRONG = (JobState.FAILED, JobState.RETRYING)


async def clean(
    session: AsyncSession,
    history_retention: timedelta,
    history_retention_failed: timedelta,
    reply_retention: timedelta,
) -> dict[str, int]:
    """Delete what is past its retention; return how many of each.

    Minutes are kept for as long as any runs of theirs may be.

    Args:
        session: deletes them.
        history_retention: of runs and rows that succeeded or were cancelled.
        history_retention_failed: of runs that failed, for good or to be tried again, and of
            resolved alerts.
        reply_retention: of remembered replies.
    """
    moment = now()
    done, wrong = moment - history_retention, moment - history_retention_failed
    replies = await access.forget_replies(session, moment - reply_retention)
    first_kept = min(done, wrong).date()
    runs = await history_queries.delete_runs(session, first_kept, done, DONE)
    runs += await history_queries.delete_runs(session, first_kept, wrong, WRONG)
    minutes = await minute_queries.forget(session, min(done, wrong))
    # Dropping a partition locks the whole table, so it comes last.
    for day in await history_queries.days(session):
        if day < first_kept:
            runs += await history_queries.drop_day(session, day)
    rows = await outbox.forget(session, done)
    alerts = await alert_queries.forget(session, wrong)
    return {
        "job_runs": runs,
        "job_minutes": minutes,
        "durable_jobs": rows,
        "alerts": alerts,
        "replies": replies,
    }
