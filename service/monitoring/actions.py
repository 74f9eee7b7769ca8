"""Use cases of monitoring."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.access import actions as access
from service.kit.clock import now
from service.monitoring import queries


async def clean(
    session: AsyncSession, history_retention: timedelta, reply_retention: timedelta
) -> dict[str, int]:
    """Delete records and replies past their retention; return how many of each."""
    moment = now()
    return {
        "job_records": await queries.delete_records(session, moment - history_retention),
        "replies": await access.forget_replies(session, moment - reply_retention),
    }
