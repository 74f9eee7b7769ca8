"""Use cases of comments."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.community import comment_queries, feed_actions, feed_queries, reaction_queries
from service.community.models import Comment
from service.community.schemas import CommentIn
from service.errors import InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.kit.ids import uuid7


async def create(session: AsyncSession, caller: Caller, post_id: UUID, body: CommentIn) -> Comment:
    """Let a member say something to a post that they see.

    Raises:
        NotFound: the member sees no such post.
        InvalidInput: there is no such member, or no such comment to answer.
        Conflict: the member is deactivated.
    """
    _refuse_blank(body.content)
    await feed_actions.hold_post_for(session, post_id, body.author_id, "author_id")
    if body.parent_id is not None:
        parent = await comment_queries.comment(session, post_id, body.parent_id)
        if parent is None:
            raise InvalidInput([Problem("parent_id", "is no comment of this post")])
    made = Comment(
        id=uuid7(),
        owner_id=caller.user_id,
        post_id=post_id,
        created_at=now(),
        **body.model_dump(),
    )
    session.add(made)
    await session.flush()
    await session.refresh(made)
    await reaction_queries.count_comments(session, post_id, 1)
    return made


async def change(session: AsyncSession, post_id: UUID, comment_id: UUID, content: str) -> Comment:
    """Let a comment say something else.

    Raises:
        NotFound: the post has no such comment.
        InvalidInput: it would say nothing.
    """
    _refuse_blank(content)
    found = await comment_queries.comment(session, post_id, comment_id)
    if found is None:
        raise _no_comment()
    found.content, found.edited_at = content, now()
    await session.flush()
    return found


async def delete(session: AsyncSession, post_id: UUID, comment_id: UUID) -> int:
    """Delete a comment and the answers below it; return how many there were.

    Raises:
        NotFound: the post has no such comment.
    """
    held = await feed_queries.post_for_change(session, post_id, None)
    if held is None or await comment_queries.comment(session, post_id, comment_id) is None:
        raise _no_comment()
    gone = await comment_queries.delete_comment(session, comment_id)
    await reaction_queries.count_comments(session, post_id, -gone)
    return gone


def _refuse_blank(content: str) -> None:
    if not content.strip():
        raise InvalidInput([Problem("content", "says nothing")])


def _no_comment() -> NotFound:
    return NotFound("There is no such comment")
