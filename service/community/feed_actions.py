"""Use cases of the feed: posts, and what members do with them."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.community import (
    actions,
    feed_queries,
    hashtag_queries,
    member_queries,
    reaction_queries,
    removal_queries,
    rules,
)
from service.community.models import FeedPost, ReactionKind, Visibility
from service.community.schemas import FeedPostChange, FeedPostIn
from service.errors import InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.kit.ids import uuid7
from service.media import queries as media


async def create(session: AsyncSession, caller: Caller, body: FeedPostIn) -> FeedPost:
    """Let a member post.

    Raises:
        InvalidInput: there is no such member, or what is posted is bad.
        Conflict: the member is deactivated.
    """
    problems = rules.content_problems(body.content, body.media_ids)
    problems += await _media_problems(session, caller, body.media_ids)
    if await member_queries.member(session, body.author_id) is None:
        problems.append(Problem("author_id", "is no member's id"))
    if problems:
        raise InvalidInput(problems)
    await actions.begin_acting(session, body.author_id, "author_id")
    await member_queries.count_post(session, body.author_id)
    made = FeedPost(id=uuid7(), owner_id=caller.user_id, created_at=now(), **body.model_dump())
    session.add(made)
    await session.flush()
    await session.refresh(made)
    await _tag(session, made)
    return made


async def change(
    session: AsyncSession, caller: Caller, post_id: UUID, body: FeedPostChange
) -> FeedPost:
    """Change what is named of a post.

    Raises:
        NotFound: there is no such post.
        InvalidInput: what it is to say is bad.
    """
    found = await feed_queries.post_for_change(session, post_id, None)
    if found is None:
        raise no_post()
    content = found.content if body.content is None else body.content
    files = found.media_ids if body.media_ids is None else body.media_ids
    problems = rules.content_problems(content, files)
    problems += await _media_problems(session, caller, body.media_ids or ())
    if problems:
        raise InvalidInput(problems)
    if (content, files) != (found.content, found.media_ids):
        found.content, found.media_ids, found.edited_at = content, files, now()
    found.visibility = body.visibility or found.visibility
    if body.archived is not None:
        found.archived_at = (found.archived_at or now()) if body.archived else None
    await session.flush()
    await session.refresh(found)
    await _tag(session, found)
    return found


async def _media_problems(
    session: AsyncSession, caller: Caller, ids: Sequence[UUID]
) -> list[Problem]:
    if not ids:
        return []
    known = {found.id for found in await media.media_by_id(session, caller, ids)}
    return [
        Problem(f"media_ids[{i}]", "is none of your files")
        for i, each in enumerate(ids)
        if each not in known
    ]


async def _tag(session: AsyncSession, post: FeedPost) -> None:
    is_public = post.visibility == Visibility.PUBLIC
    names = rules.hashtags_of(post.content) if is_public else ()
    await hashtag_queries.put_hashtags(session, post, names)


async def delete(session: AsyncSession, post_id: UUID) -> None:
    """Delete a post with its comments and all that is counted of it.

    Raises:
        NotFound: there is no such post.
    """
    if not await removal_queries.delete_posts(session, [post_id]):
        raise no_post()


async def seen(session: AsyncSession, post_id: UUID, viewer: UUID | None) -> FeedPost:
    """Return a post that a member sees; with None as the viewer whatever it is.

    Raises:
        InvalidInput: the viewer is no member.
        NotFound: there is no such post for them.
    """
    await actions.need_members(session, viewer=viewer)
    found = await feed_queries.post(session, post_id, viewer)
    if found is None:
        raise no_post()
    return found


async def react(session: AsyncSession, post_id: UUID, member_id: UUID, kind: ReactionKind) -> int:
    """Let a member like or share a post that they see, once; return how many do.

    Raises:
        NotFound: there is no such member, or no such post for them.
        Conflict: the member is deactivated.
    """
    await hold_post_for(session, post_id, member_id)
    return await reaction_queries.react(session, post_id, member_id, kind, now())


async def unreact(session: AsyncSession, post_id: UUID, member_id: UUID, kind: ReactionKind) -> int:
    """Take a member's like back; return how many like the post.

    They may have ceased to see it, or be deactivated.

    Raises:
        NotFound: there is no such member or post.
    """
    if await member_queries.hold(session, member_id) is None:
        raise actions.no_member()
    if await feed_queries.post_for_change(session, post_id, None) is None:
        raise no_post()
    return await reaction_queries.unreact(session, post_id, member_id, kind)


async def hold_post_for(
    session: AsyncSession, post_id: UUID, member_id: UUID, field: str | None = None
) -> None:
    """Begin what a member does with a post: hold the member, then lock the post.

    Args:
        session: of the transaction.
        post_id: of the post.
        member_id: who does it.
        field: as of `begin_acting`.

    Raises:
        NotFound: the member sees no such post; and as `begin_acting`.
        InvalidInput, Conflict: as `begin_acting`.
    """
    await actions.begin_acting(session, member_id, field)
    if await feed_queries.post_for_change(session, post_id, member_id) is None:
        raise no_post()


async def count_views(session: AsyncSession, views: Mapping[UUID, int]) -> set[UUID]:
    """Count views of posts; return the ids of which there is no post."""
    return views.keys() - await reaction_queries.count_views(session, views)


def no_post() -> NotFound:
    """Return the refusal of an id that is no post's."""
    return NotFound("There is no such post")
