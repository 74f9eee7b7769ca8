"""Every SQL statement that deletes posts or members and keeps what is counted right."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, true, union, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.community import hashtag_queries, member_queries
from service.community.models import (
    Comment,
    FeedPost,
    Follow,
    Member,
    Reaction,
    ReactionKind,
    Visibility,
)

ALONE = {"synchronize_session": False}


async def delete_posts(session: AsyncSession, ids: Collection[UUID]) -> int:
    """Delete posts with all that belongs to them; return how many there were.

    Their authors' posts and their hashtags' uses are counted less.
    """
    authors = select(FeedPost.author_id).where(FeedPost.id.in_(ids))
    locked = select(Member.id).where(Member.id.in_(authors)).order_by(Member.id)
    await session.execute(locked.with_for_update(key_share=True))
    held = select(FeedPost.id).where(FeedPost.id.in_(ids)).order_by(FeedPost.id).with_for_update()
    found = (await session.scalars(held)).all()
    if not found:
        return 0
    await hashtag_queries.discount(session, found)
    written = select(FeedPost.author_id, func.count().label("posts"))
    sums = written.where(FeedPost.id.in_(found)).group_by(FeedPost.author_id).subquery()
    less = update(Member).where(Member.id == sums.c.author_id)
    less = less.values(posts_count=Member.posts_count - sums.c.posts)
    await session.execute(less.execution_options(**ALONE))
    await session.execute(delete(FeedPost).where(FeedPost.id.in_(found)).execution_options(**ALONE))
    return len(found)


async def delete_member(session: AsyncSession, member_id: UUID, *, keep: bool) -> bool:
    """Delete a member; return whether there was one.

    What they counted for at other members and at posts is counted less.

    Args:
        session: of the transaction.
        member_id: who.
        keep: whether their comments, and those of their posts that are public, stay without an
            author. Otherwise they are deleted, and so are the answers to their comments.
    """
    await session.execute(select(func.pg_advisory_xact_lock(member_queries.WHO_FOLLOWS)))
    around = union(
        select(Follow.followed_id).where(Follow.follower_id == member_id),
        select(Follow.follower_id).where(Follow.followed_id == member_id),
    )
    known = [member_id, *await session.scalars(around)]
    # FOR UPDATE: whoever does something as this member holds the row, and is waited for.
    locked = select(Member.id).where(Member.id.in_(known)).order_by(Member.id).with_for_update()
    if member_id not in set(await session.scalars(locked)):
        return False
    await _count_follows_less(session, member_id)
    theirs = await _lock_posts(session, member_id, keep=keep)
    await _count_reactions_less(session, member_id)
    if not keep:
        await _delete_comments(session, member_id)
    await hashtag_queries.discount(session, theirs)
    await session.execute(
        delete(FeedPost).where(FeedPost.id.in_(theirs)).execution_options(**ALONE)
    )
    await session.execute(delete(Member).where(Member.id == member_id).execution_options(**ALONE))
    return True


async def _count_follows_less(session: AsyncSession, member_id: UUID) -> None:
    followed = select(Follow.followed_id).where(Follow.follower_id == member_id)
    less = update(Member).where(Member.id.in_(followed))
    less = less.values(followers_count=Member.followers_count - 1)
    await session.execute(less.execution_options(**ALONE))
    followers = select(Follow.follower_id).where(Follow.followed_id == member_id)
    less = update(Member).where(Member.id.in_(followers))
    less = less.values(following_count=Member.following_count - 1)
    await session.execute(less.execution_options(**ALONE))


async def _lock_posts(session: AsyncSession, member_id: UUID, *, keep: bool) -> list[UUID]:
    """Lock all posts that a member wrote or counts at; return their own that are to go."""
    touched = union(
        select(FeedPost.id).where(FeedPost.author_id == member_id),
        select(Reaction.post_id).where(Reaction.member_id == member_id),
        select(Comment.post_id).where(Comment.author_id == member_id),
    )
    locked = select(FeedPost.id).where(FeedPost.id.in_(touched)).order_by(FeedPost.id)
    await session.execute(locked.with_for_update())
    goes: ColumnElement[bool] = FeedPost.visibility != Visibility.PUBLIC if keep else true()
    own = select(FeedPost.id).where(FeedPost.author_id == member_id, goes)
    return list(await session.scalars(own))


async def _count_reactions_less(session: AsyncSession, member_id: UUID) -> None:
    likes, shares = (
        func.count().filter(Reaction.kind == kind).label(kind.value)
        for kind in (ReactionKind.LIKE, ReactionKind.SHARE)
    )
    of_member = select(Reaction.post_id, likes, shares).where(Reaction.member_id == member_id)
    sums = of_member.group_by(Reaction.post_id).subquery()
    less = update(FeedPost).where(FeedPost.id == sums.c.post_id)
    less = less.values(
        likes_count=FeedPost.likes_count - sums.c.like,
        shares_count=FeedPost.shares_count - sums.c.share,
    )
    await session.execute(less.execution_options(**ALONE))


async def _delete_comments(session: AsyncSession, member_id: UUID) -> None:
    """Delete a member's comments with all answers below them, and count them less."""
    below = select(Comment.id).where(Comment.author_id == member_id).cte(recursive=True)
    answers = select(Comment.id).join(below, Comment.parent_id == below.c.id)
    tree = below.union(answers)
    gone = delete(Comment).where(Comment.id.in_(select(tree.c.id)))
    deleted = gone.returning(Comment.post_id).cte("deleted")
    sums = select(deleted.c.post_id, func.count().label("comments")).group_by(deleted.c.post_id)
    counted = sums.subquery()
    less = update(FeedPost).where(FeedPost.id == counted.c.post_id)
    less = less.values(comments_count=FeedPost.comments_count - counted.c.comments)
    await session.execute(less.execution_options(**ALONE))
