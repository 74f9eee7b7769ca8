"""Use cases of what is counted of the community."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.audit import note
from service.access.caller import Caller
from service.community import analytics_queries as queries
from service.community import jobs
from service.community.figure_schemas import CleanupIn
from service.community.models import DailyAnalytics
from service.db.session import UnitOfWork
from service.errors import InvalidInput, NotFound, Problem
from service.kit.clock import now

MOST_DAYS = 366
SHOWN = timedelta(days=29)
"""Before `to`, where a request does not say from when."""


async def clean(uow: UnitOfWork, caller: Caller, wanted: CleanupIn) -> str:
    """Have old posts counted, archived or deleted; return the job's id."""
    (job_id,) = uow.enqueue(jobs.clean_posts(dry_run=wanted.dry_run, mode=wanted.mode))
    detail = {"dry_run": wanted.dry_run, "mode": wanted.mode, "job": job_id}
    await note(uow.session, caller.actor, "feed.clean", "feed", **detail)
    return job_id


async def analyse(uow: UnitOfWork, caller: Caller, day: date) -> str:
    """Have a day counted anew; return the job's id.

    Raises:
        InvalidInput: it is still to come.
    """
    if day > now().date():
        raise InvalidInput([Problem("day", "is still to come")])
    (job_id,) = uow.enqueue(jobs.analyse_day(day=day))
    await note(uow.session, caller.actor, "analytics.day", f"day:{day}", job=job_id)
    return job_id


async def days(
    session: AsyncSession, first: date | None, last: date | None
) -> Sequence[DailyAnalytics]:
    """Return the days that were counted, by default of the last 30.

    Raises:
        InvalidInput: the time is empty or too long.
    """
    end = last or now().date()
    begin = first or end - min(SHOWN, end - date.min)
    if begin > end:
        raise InvalidInput([Problem("from", "is after 'to'")])
    if (end - begin).days >= MOST_DAYS:
        raise InvalidInput([Problem("from", f"is more than {MOST_DAYS} days before 'to'")])
    return await queries.days(session, begin, end)


async def day(session: AsyncSession, wanted: date) -> DailyAnalytics:
    """Return what was counted of a day.

    Raises:
        NotFound: it was not counted.
    """
    found = await queries.day(session, wanted)
    if found is None:
        raise NotFound("This day has not been counted: POST to this address has it counted")
    return found
