"""SQL of the report on how jobs fare."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Date, Row, cast, exists, func, literal, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.db.outbox import DurableJob
from service.monitoring.models import JobRun

ENDS = ("succeeded", "failed")


async def tallies(
    session: AsyncSession, since: datetime
) -> Sequence[Row[date, str, str | None, str, int]]:
    """Return day (UTC), name, path, state and number of the jobs that ended since then.

    Durable jobs are counted by their rows, which know who ran them; others by the history, as far
    as it is kept: those ran in a queue. Cancelled jobs are nobody's success or failure.
    """
    row, run = DurableJob, JobRun
    durable = select(row.finished_at, row.name, row.path, row.state).where(
        row.finished_at >= since, row.state.in_(ENDS)
    )
    others = select(run.finished_at, run.name, literal("queue"), run.state).where(
        run.finished_at >= since, run.state.in_(ENDS), ~exists().where(row.id == run.job_id)
    )
    both = union_all(durable, others).subquery().c
    day = cast(func.timezone("UTC", both.finished_at), Date)
    counted = select(day, both.name, both.path, both.state, func.count())
    # By position: an expression with parameters is not known again in GROUP BY.
    return (await session.execute(counted.group_by(text("1, 2, 3, 4")))).all()
