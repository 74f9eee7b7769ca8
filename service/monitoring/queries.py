"""Every SQL statement of monitoring."""

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Executable, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.monitoring.models import JobRecord


def record_job(values: dict[str, Any]) -> Executable:
    """Return the statement that keeps a finished job; a repeated finish changes nothing."""
    return insert(JobRecord).values(values).on_conflict_do_nothing()


async def job_record(session: AsyncSession, job_id: str) -> JobRecord | None:
    """Return the record of a finished job."""
    return await session.get(JobRecord, job_id)


async def delete_records(session: AsyncSession, before: datetime) -> int:
    """Delete the records of jobs that finished before; return how many."""
    result = await session.execute(delete(JobRecord).where(JobRecord.finished_at < before))
    assert isinstance(result, CursorResult)
    return result.rowcount
