"""Every SQL statement that reads the feed, as a member sees it or as everybody does."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Select,
    and_,
    exists,
    or_,
    select,
    text,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.community.feed_cursors import Order, Place
from service.community.models import (
    PUBLIC,
    FeedPost,
    Follow,
    Reaction,
    ReactionKind,
    Visibility,
)

# Written out, not sent as parameters: a plan that is kept for all parameters could use no partial
# index.
FOLLOWERS = text("visibility = 'followers' AND archived_at IS NULL")
PRIVATE = text("visibility = 'private' AND archived_at IS NULL")
KEYS = {Order.TOP: FeedPost.engagement_score, Order.NEW: FeedPost.created_at}


async def feed(
    session: AsyncSession, order: Order, viewer: UUID | None, after: Place | None, limit: int
) -> list[FeedPost]:
    """Return posts as a member sees them, or everybody (None), after a place of this order."""
    ids = feed_ids(order, viewer, after, limit).subquery()
    key = KEYS[order]
    statement = select(FeedPost).join(ids, ids.c.id == FeedPost.id)
    return list(await session.scalars(statement.order_by(key.desc(), FeedPost.id.desc())))


def feed_ids(order: Order, viewer: UUID | None, after: Place | None, limit: int) -> Select[UUID]:
    """Select the ids of a page of the feed.

    What one sees comes of up to four walks, each along an index in the order that is wanted and no
    further than a page: public posts, one's own that are not, and those that the members one
    follows show to followers. So the work grows with the page and with how many one follows, not
    with how much there is that one does not see.
    """
    walks = [_walk(order, after, limit, PUBLIC)]
    if viewer is not None:
        own = FeedPost.author_id == viewer
        walks += [_walk(order, after, limit, kind, own) for kind in (FOLLOWERS, PRIVATE)]
        walks.append(_of_followed(order, viewer, after, limit))
    found = union_all(*(select(each) for each in (walk.subquery() for walk in walks))).subquery()
    return select(found.c.id).order_by(found.c.key.desc(), found.c.id.desc()).limit(limit)


def _walk(order: Order, after: Place | None, limit: int, *conditions: Any) -> Select[UUID, Any]:
    key = KEYS[order]
    walk = select(FeedPost.id, key.label("key")).where(*conditions)
    if after is not None:
        walk = walk.where(tuple_(key, FeedPost.id) < (after.key, after.id))
    return walk.order_by(key.desc(), FeedPost.id.desc()).limit(limit)


def _of_followed(order: Order, viewer: UUID, after: Place | None, limit: int) -> Select[UUID, Any]:
    followed = select(Follow.followed_id).where(Follow.follower_id == viewer).subquery()
    theirs = FeedPost.author_id == followed.c.followed_id
    walk = _walk(order, after, limit, FOLLOWERS, theirs).correlate(followed).lateral()
    return select(walk.c.id, walk.c.key).join_from(followed, walk, true())


async def feed_of(  # noqa: PLR0913, PLR0917 - a list: whose, which, in which order, from where
    session: AsyncSession,
    author_id: UUID,
    kinds: Collection[str],
    order: Order,
    after: Place | None,
    limit: int,
) -> list[FeedPost]:
    """Return an author's posts of these visibilities, after a place of this order."""
    key = KEYS[order]
    statement = select(FeedPost).where(
        FeedPost.author_id == author_id,
        FeedPost.visibility.in_(kinds),
        FeedPost.archived_at.is_(None),
    )
    if after is not None:
        statement = statement.where(tuple_(key, FeedPost.id) < (after.key, after.id))
    ordered = statement.order_by(key.desc(), FeedPost.id.desc()).limit(limit)
    return list(await session.scalars(ordered))


async def post(session: AsyncSession, post_id: UUID, viewer: UUID | None) -> FeedPost | None:
    """Return a post if a member sees it; with None as who looks, whatever it is."""
    return await session.scalar(_one(post_id, viewer))


async def post_for_change(
    session: AsyncSession, post_id: UUID, viewer: UUID | None
) -> FeedPost | None:
    """Return a post as `post` does, locked until the transaction ends."""
    locked = _one(post_id, viewer).with_for_update(key_share=True, of=FeedPost)
    return await session.scalar(locked.execution_options(populate_existing=True))


def _one(post_id: UUID, viewer: UUID | None) -> Select[FeedPost]:
    statement = select(FeedPost).where(FeedPost.id == post_id)
    if viewer is None:
        return statement
    follows = exists().where(Follow.follower_id == viewer, Follow.followed_id == FeedPost.author_id)
    seen = or_(
        FeedPost.visibility == Visibility.PUBLIC,
        FeedPost.author_id == viewer,
        and_(FeedPost.visibility == Visibility.FOLLOWERS, follows),
    )
    return statement.where(seen, FeedPost.archived_at.is_(None))


async def liked(session: AsyncSession, viewer: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Return which of these posts a member likes."""
    likes = select(Reaction.post_id).where(
        Reaction.post_id.in_(ids),
        Reaction.member_id == viewer,
        Reaction.kind == ReactionKind.LIKE,
    )
    return set(await session.scalars(likes))
