"""Posts and comments as the API shows them: with who wrote them and what who looks thinks."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.community import feed_queries, member_queries, rules, schemas
from service.community.feed_cursors import Order, Place, cursor_of
from service.community.models import Comment, FeedPost, Member, Visibility


async def show_posts(
    session: AsyncSession, posts: Sequence[FeedPost], viewer: UUID | None = None
) -> list[schemas.FeedPostOut]:
    """Return posts as they are shown to a member, or to nobody in particular."""
    authors = await _authors(session, posts)
    ids = [post.id for post in posts]
    liked = await feed_queries.liked(session, viewer, ids) if viewer else None
    return [_post(post, authors, liked) for post in posts]


async def show_post(
    session: AsyncSession, post: FeedPost, viewer: UUID | None = None
) -> schemas.FeedPostOut:
    """Return one post as `show_posts` does."""
    (shown,) = await show_posts(session, [post], viewer)
    return shown


async def show_page(
    session: AsyncSession,
    order: Order,
    posts: Sequence[FeedPost],
    limit: int,
    viewer: UUID | None = None,
) -> schemas.FeedList:
    """Return a page of posts, of which one more than `limit` was asked for."""
    items, cursor = posts[:limit], None
    if len(posts) > limit:
        last = items[-1]
        key = last.engagement_score if order is Order.TOP else last.created_at
        cursor = cursor_of(order, Place(key, last.id))
    return schemas.FeedList(items=await show_posts(session, items, viewer), next_cursor=cursor)


async def show_comments(
    session: AsyncSession, comments: Sequence[Comment]
) -> list[schemas.CommentOut]:
    """Return comments as they are shown."""
    authors = await _authors(session, comments)
    return [
        schemas.CommentOut(
            id=each.id,
            post_id=each.post_id,
            author=_author(each.author_id, authors),
            parent_id=each.parent_id,
            content=each.content,
            created_at=each.created_at,
            edited_at=each.edited_at,
        )
        for each in comments
    ]


async def _authors(
    session: AsyncSession, rows: Sequence[FeedPost] | Sequence[Comment]
) -> Mapping[UUID, Member]:
    ids = {row.author_id for row in rows if row.author_id is not None}
    return await member_queries.members_by_id(session, ids) if ids else {}


def _author(author_id: UUID | None, authors: Mapping[UUID, Member]) -> schemas.AuthorOut | None:
    found = authors.get(author_id) if author_id else None
    return schemas.AuthorOut.model_validate(found) if found else None


def _post(
    post: FeedPost, authors: Mapping[UUID, Member], liked: set[UUID] | None
) -> schemas.FeedPostOut:
    return schemas.FeedPostOut(
        id=post.id,
        author=_author(post.author_id, authors),
        content=post.content,
        media_ids=post.media_ids,
        hashtags=list(rules.hashtags_of(post.content)),
        visibility=Visibility(post.visibility),
        likes_count=post.likes_count,
        comments_count=post.comments_count,
        shares_count=post.shares_count,
        views_count=post.views_count,
        engagement_score=float(post.engagement_score),
        liked=None if liked is None else post.id in liked,
        created_at=post.created_at,
        edited_at=post.edited_at,
        archived_at=post.archived_at,
    )
