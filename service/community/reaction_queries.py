"""Every SQL statement that counts at a post: likes, shares, comments, views."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, column, delete, select, update, values
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.community.models import FeedPost, Reaction, ReactionKind

COUNTERS = {
    ReactionKind.LIKE: FeedPost.likes_count,
    ReactionKind.SHARE: FeedPost.shares_count,
}


async def react(
    session: AsyncSession, post_id: UUID, member_id: UUID, kind: ReactionKind, now: datetime
) -> int:
    """Let a member, who is held, do this with a post, which is locked; return the new count."""
    row = {"post_id": post_id, "member_id": member_id, "kind": kind, "created_at": now}
    added = insert(Reaction).values(row).on_conflict_do_nothing().returning(Reaction.post_id)
    step = 0 if await session.scalar(added) is None else 1
    return await _count(session, post_id, kind, step)


async def unreact(session: AsyncSession, post_id: UUID, member_id: UUID, kind: ReactionKind) -> int:
    """Take back what a member did with a post, which is locked; return the new count."""
    gone = delete(Reaction).where(
        Reaction.post_id == post_id, Reaction.member_id == member_id, Reaction.kind == kind
    )
    step = 0 if await session.scalar(gone.returning(Reaction.post_id)) is None else -1
    return await _count(session, post_id, kind, step)


async def _count(session: AsyncSession, post_id: UUID, kind: ReactionKind, step: int) -> int:
    counter = COUNTERS[kind]
    if step == 0:
        found = await session.scalar(select(counter).where(FeedPost.id == post_id))
    else:
        counted = update(FeedPost).where(FeedPost.id == post_id).values({counter: counter + step})
        unsynchronized = counted.execution_options(synchronize_session=False)
        found = await session.scalar(unsynchronized.returning(counter))
    assert found is not None, "the post is locked"
    return found


async def count_comments(session: AsyncSession, post_id: UUID, step: int) -> None:
    """Count comments that a post, which is locked, has more or (negative) less."""
    counted = update(FeedPost).where(FeedPost.id == post_id)
    counted = counted.values(comments_count=FeedPost.comments_count + step)
    await session.execute(counted.execution_options(synchronize_session=False))


async def count_views(session: AsyncSession, views: Mapping[UUID, int]) -> set[UUID]:
    """Count so many more views of each of these posts; return those that there are."""
    locked = select(FeedPost.id).where(FeedPost.id.in_(views)).order_by(FeedPost.id)
    found = set(await session.scalars(locked.with_for_update(key_share=True)))
    if found:
        given = values(column("id", Uuid), column("more", BigInteger), name="given")
        given = given.data([(each, views[each]) for each in found])
        counted = update(FeedPost).where(FeedPost.id == given.c.id)
        counted = counted.values(views_count=FeedPost.views_count + given.c.more)
        await session.execute(counted.execution_options(synchronize_session=False))
    return found
