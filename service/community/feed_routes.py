"""HTTP of the community's feed: posts, and what members do with them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.audit import note
from service.community import actions, feed_actions, feed_queries, member_queries, rules, schemas
from service.community.comment_routes import router as comments_router
from service.community.feed_cursors import Order, place_of
from service.community.feed_parameters import Cursor, Limit, Viewer
from service.community.feed_showing import show_page, show_post
from service.community.models import ReactionKind
from service.kit.pagination import DEFAULT_LIMIT
from service.web import ERRORS, ContentReader, ContentWriter, OnceOnly, Uow

router = APIRouter(prefix="/v1/feed", tags=["community"], responses=ERRORS)
router.include_router(comments_router)


@router.get("")
async def show_feed(  # noqa: PLR0913, PLR0917 - a list: whose, in which order, from where
    caller: ContentReader,
    uow: Uow,
    viewer: Viewer = None,
    author: Annotated[UUID | None, Query(description="Only this member's posts")] = None,
    order: Annotated[Order, Query(description="`top` is by score, then newest")] = Order.TOP,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> schemas.FeedList:
    """Show the feed as a member sees it, or without `viewer` what everybody sees.

    A member sees public posts, their own, and those for followers of whom they follow. Posts that
    are added meanwhile shift no page. Scores change once a day: a page of `top` that is asked for
    before and one after may share a post, or miss one.
    """
    await actions.need_members(uow.session, viewer=viewer, author=author)
    after = place_of(order, cursor) if cursor else None
    if author is None:
        found = await feed_queries.feed(uow.session, order, viewer, after, limit + 1)
    else:
        kinds = await _visible_kinds(uow.session, author, viewer)
        found = await feed_queries.feed_of(uow.session, author, kinds, order, after, limit + 1)
    return await show_page(uow.session, order, found, limit, viewer)


async def _visible_kinds(session: AsyncSession, author: UUID, viewer: UUID | None) -> list[str]:
    follows = viewer is not None and await member_queries.follows(session, viewer, author)
    return rules.visible_kinds(is_author=viewer == author, follows=follows)


@router.post("", status_code=201, response_model=schemas.FeedPostOut)
async def create(
    body: schemas.FeedPostIn, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Let a member post."""
    made = await feed_actions.create(uow.session, caller, body)
    return await once.reply(await show_post(uow.session, made))


@router.post("/views", response_model=schemas.ViewsOut)
async def count_views(
    body: schemas.ViewsIn, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Count how often posts were seen, `{post_id: count}`, of up to 1,000 posts at once.

    Each request adds to the views: give it an Idempotency-Key to be able to repeat it.
    """
    unknown = await feed_actions.count_views(uow.session, body.root)
    counted = len(body.root) - len(unknown)
    return await once.reply(schemas.ViewsOut(counted=counted, unknown=sorted(unknown)), 200)


@router.get("/{feed_post_id}")
async def show(
    feed_post_id: UUID, caller: ContentReader, uow: Uow, viewer: Viewer = None
) -> schemas.FeedPostOut:
    """Show a post if `viewer` sees it; without one whatever it is, archived ones too."""
    found = await feed_actions.seen(uow.session, feed_post_id, viewer)
    return await show_post(uow.session, found, viewer)


@router.patch("/{feed_post_id}")
async def change(
    feed_post_id: UUID, body: schemas.FeedPostChange, caller: ContentWriter, uow: Uow
) -> schemas.FeedPostOut:
    """Change a post, or take it out of all feeds with `archived: true`."""
    changed = await feed_actions.change(uow.session, caller, feed_post_id, body)
    fields = sorted(body.model_fields_set)
    await note(uow.session, caller.actor, "feed.change", f"feed:{feed_post_id}", fields=fields)
    return await show_post(uow.session, changed)


@router.delete("/{feed_post_id}", status_code=204)
async def delete(feed_post_id: UUID, caller: ContentWriter, uow: Uow) -> Response:
    """Delete a post with its comments, likes and shares."""
    await feed_actions.delete(uow.session, feed_post_id)
    await note(uow.session, caller.actor, "feed.delete", f"feed:{feed_post_id}")
    return Response(status_code=204)


@router.put("/{feed_post_id}/likes/{member_id}")
async def like(
    feed_post_id: UUID, member_id: UUID, caller: ContentWriter, uow: Uow
) -> schemas.ReactionOut:
    """Let a member like a post that they see; a second time changes nothing."""
    count = await feed_actions.react(uow.session, feed_post_id, member_id, ReactionKind.LIKE)
    return _reaction(feed_post_id, member_id, count)


@router.delete("/{feed_post_id}/likes/{member_id}")
async def unlike(
    feed_post_id: UUID, member_id: UUID, caller: ContentWriter, uow: Uow
) -> schemas.ReactionOut:
    """Take a member's like back; a second time changes nothing."""
    count = await feed_actions.unreact(uow.session, feed_post_id, member_id, ReactionKind.LIKE)
    return _reaction(feed_post_id, member_id, count, active=False)


@router.put("/{feed_post_id}/shares/{member_id}")
async def share(
    feed_post_id: UUID, member_id: UUID, caller: ContentWriter, uow: Uow
) -> schemas.ReactionOut:
    """Count that a member shared a post that they see; each member counts once."""
    count = await feed_actions.react(uow.session, feed_post_id, member_id, ReactionKind.SHARE)
    return _reaction(feed_post_id, member_id, count)


def _reaction(
    post_id: UUID, member_id: UUID, count: int, *, active: bool = True
) -> schemas.ReactionOut:
    return schemas.ReactionOut(post_id=post_id, member_id=member_id, active=active, count=count)
