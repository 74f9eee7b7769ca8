"""SQL of single durable jobs."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.outbox import DurableJob


async def take_id(session: AsyncSession, job_id: str) -> bool:
    """Keep others from taking an id until the end of the transaction; return whether it is used."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(job_id, 0))))
    return await session.get(DurableJob, job_id) is not None
