"""Every SQL statement of hashtags, but of what makes them trend."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import case, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.community.feed_cursors import Place
from service.community.models import FeedPost, FeedPostHashtag, Hashtag
from service.kit.ids import uuid7


async def put_hashtags(session: AsyncSession, post: FeedPost, names: Collection[str]) -> None:
    """Give a post, which is new or locked, these hashtags and no others, and count their uses."""
    tagged = select(Hashtag.name, Hashtag.id).join(FeedPostHashtag)
    rows = await session.execute(tagged.where(FeedPostHashtag.post_id == post.id))
    present = {row.name: row.id for row in rows}
    new = set(names) - present.keys()
    gone = [hashtag_id for name, hashtag_id in present.items() if name not in names]
    if not (new or gone):
        return
    if new:
        # By name: of two that add the same new ones, one waits for the other.
        added = insert(Hashtag).values([{"id": uuid7(), "name": name} for name in sorted(new)])
        await session.execute(added.on_conflict_do_nothing(index_elements=[Hashtag.name]))
    either = or_(Hashtag.name.in_(new), Hashtag.id.in_(gone))
    locked = select(Hashtag.id).where(either).order_by(Hashtag.id).with_for_update(key_share=True)
    used = [found for found in await session.scalars(locked) if found not in gone]
    if used:
        uses = [
            {"post_id": post.id, "hashtag_id": found, "created_at": post.created_at}
            for found in used
        ]
        await session.execute(insert(FeedPostHashtag).values(uses))
    await session.execute(
        delete(FeedPostHashtag).where(
            FeedPostHashtag.post_id == post.id, FeedPostHashtag.hashtag_id.in_(gone)
        )
    )
    step = case((Hashtag.id.in_(gone), -1), else_=1)
    counted = update(Hashtag).where(Hashtag.id.in_([*used, *gone]))
    counted = counted.values(uses_count=Hashtag.uses_count + step)
    await session.execute(counted.execution_options(synchronize_session=False))


async def hashtag(session: AsyncSession, name: str) -> Hashtag | None:
    """Return a hashtag by its folded name."""
    return await session.scalar(select(Hashtag).where(Hashtag.name == name))


async def trending(session: AsyncSession) -> Sequence[Hashtag]:
    """Return the hashtags that trend, the most used first."""
    found = select(Hashtag).where(Hashtag.is_trending).order_by(Hashtag.trending_rank)
    return (await session.scalars(found)).all()


async def posts_of(
    session: AsyncSession, hashtag_id: UUID, after: Place | None, limit: int
) -> list[FeedPost]:
    """Return the public posts that have a hashtag, the newest first, after a place of theirs."""
    use = FeedPostHashtag
    statement = select(FeedPost).join(use, use.post_id == FeedPost.id)
    statement = statement.where(use.hashtag_id == hashtag_id, FeedPost.archived_at.is_(None))
    if after is not None:
        statement = statement.where(tuple_(use.created_at, use.post_id) < (after.key, after.id))
    ordered = statement.order_by(use.created_at.desc(), use.post_id.desc()).limit(limit)
    return list(await session.scalars(ordered))


async def discount(session: AsyncSession, post_ids: Collection[UUID]) -> None:
    """Count the hashtags of these posts less; the posts are locked, and deleted afterwards."""
    of_posts = select(FeedPostHashtag.hashtag_id).where(FeedPostHashtag.post_id.in_(post_ids))
    locked = select(Hashtag.id).where(Hashtag.id.in_(of_posts)).order_by(Hashtag.id)
    await session.execute(locked.with_for_update(key_share=True))
    uses = select(FeedPostHashtag.hashtag_id, func.count().label("uses")).where(
        FeedPostHashtag.post_id.in_(post_ids)
    )
    sums = uses.group_by(FeedPostHashtag.hashtag_id).subquery()
    less = update(Hashtag).where(Hashtag.id == sums.c.hashtag_id)
    less = less.values(uses_count=Hashtag.uses_count - sums.c.uses)
    await session.execute(less.execution_options(synchronize_session=False))
