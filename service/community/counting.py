"""What is counted of the whole community: counters, scores, trending hashtags, days."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.community import analytics_queries, figure_rules, trending_queries
from service.community import counting_queries as queries
from service.community.models import CommunityPass, FeedPost, Member
from service.community.pass_queries import Looked
from service.community.passing import Counted, Plan, Tell, work_through
from service.db.session import UnitOfWork
from service.kit.clock import now
from service.runtime import Runtime

LOOK = 5_000
"""Rows that are looked at together."""
CHANGE = 500
"""Rows that one transaction locks and writes: some 20 ms."""


async def update_statistics(runtime: Runtime, tell: Tell) -> Counted:
    """Make the counters of every member what there is to count; only wrong ones are written.

    Args:
        runtime: of the process.
        tell: told which part is done.
    """
    plan = Plan("community.update_statistics", Member, _wrong_members, _right_members, CHANGE)
    return await work_through(runtime, plan, tell)


async def _wrong_members(session: AsyncSession, this: CommunityPass) -> list[Looked]:
    return await queries.wrong_members(session, this.after_id, LOOK)


async def _right_members(uow: UnitOfWork, _: CommunityPass, ids: Sequence[UUID]) -> int:
    return await queries.right_members(uow.session, ids)


async def update_scores(runtime: Runtime, tell: Tell) -> Counted:
    """Make the score of every post in the feed what its counters and its age give.

    A post of nine days or more keeps its score until its counters change: it is read, not written.

    Args:
        runtime: of the process.
        tell: told which part is done.
    """
    plan = Plan("community.update_scores", FeedPost, _wrong_scores, _score, CHANGE)
    return await work_through(runtime, plan, tell)


async def _wrong_scores(session: AsyncSession, this: CommunityPass) -> list[Looked]:
    return await queries.wrong_scores(session, this.after_id, LOOK, this.started_at)


async def _score(uow: UnitOfWork, this: CommunityPass, ids: Sequence[UUID]) -> int:
    return await queries.score_posts(uow.session, ids, this.started_at)


async def update_trending(runtime: Runtime) -> dict[str, int]:
    """Flag the hashtags that trend; return how many do, and how many began or ceased to."""
    async with runtime.unit_of_work() as uow:
        found = await trending_queries.flag(uow.session, now())
    return {"trending": found.trending, "changed": found.changed}


async def analyse_day(runtime: Runtime, day: date | None) -> dict[str, int]:
    """Count what happened on a day of UTC, by default yesterday, in the place of its row."""
    moment = now()
    wanted = day or figure_rules.yesterday(moment)
    async with runtime.unit_of_work() as uow:
        return await analytics_queries.keep_day(uow.session, wanted, moment)
