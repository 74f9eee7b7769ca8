"""Every SQL statement of comments."""

from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.community.models import Comment
from service.kit.pagination import Page, Rows, encode_cursor


async def list_comments(session: AsyncSession, post_id: UUID, page: Page) -> Rows[Comment]:
    """Return a page of a post's comments, the newest first."""
    statement = select(Comment).where(Comment.post_id == post_id).order_by(Comment.id.desc())
    if page.before:
        statement = statement.where(Comment.id < page.before)
    rows = list(await session.scalars(statement.limit(page.limit + 1)))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def comment(session: AsyncSession, post_id: UUID, comment_id: UUID) -> Comment | None:
    """Return a comment of this post, locked until the transaction ends."""
    of_post = select(Comment).where(Comment.id == comment_id, Comment.post_id == post_id)
    return await session.scalar(of_post.with_for_update(key_share=True))


async def delete_comment(session: AsyncSession, comment_id: UUID) -> int:
    """Delete a comment and all answers below it; its post is locked. Return how many."""
    below = select(Comment.id).where(Comment.id == comment_id).cte(recursive=True)
    answers = select(Comment.id).join(below, Comment.parent_id == below.c.id)
    tree = below.union_all(answers)
    gone = delete(Comment).where(Comment.id.in_(select(tree.c.id))).returning(Comment.id)
    unsynchronized = gone.execution_options(synchronize_session=False)
    return len((await session.scalars(unsynchronized)).all())
