"""HTTP of what is said to the posts of the feed."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from service.access.audit import note
from service.community import comment_actions, comment_queries, feed_actions, schemas
from service.community.feed_parameters import Viewer
from service.community.feed_showing import show_comments
from service.web import ContentReader, ContentWriter, OnceOnly, Paging, Uow

router = APIRouter()


@router.get("/{feed_post_id}/comments")
async def list_comments(
    feed_post_id: UUID, caller: ContentReader, page: Paging, uow: Uow, viewer: Viewer = None
) -> schemas.CommentList:
    """List the comments of a post that `viewer` sees, the newest first."""
    await feed_actions.seen(uow.session, feed_post_id, viewer)
    rows = await comment_queries.list_comments(uow.session, feed_post_id, page)
    items = await show_comments(uow.session, rows.items)
    return schemas.CommentList(items=items, next_cursor=rows.next_cursor)


@router.post("/{feed_post_id}/comments", status_code=201, response_model=schemas.CommentOut)
async def create(
    feed_post_id: UUID, body: schemas.CommentIn, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Let a member say something to a post that they see, or answer a comment of it."""
    made = await comment_actions.create(uow.session, caller, feed_post_id, body)
    (shown,) = await show_comments(uow.session, [made])
    return await once.reply(shown)


@router.patch("/{feed_post_id}/comments/{comment_id}")
async def change(
    feed_post_id: UUID,
    comment_id: UUID,
    body: schemas.CommentChange,
    caller: ContentWriter,
    uow: Uow,
) -> schemas.CommentOut:
    """Change what a comment says."""
    made = await comment_actions.change(uow.session, feed_post_id, comment_id, body.content)
    await note(uow.session, caller.actor, "comments.change", f"comment:{comment_id}")
    (shown,) = await show_comments(uow.session, [made])
    return shown


@router.delete("/{feed_post_id}/comments/{comment_id}", status_code=204)
async def delete(feed_post_id: UUID, comment_id: UUID, caller: ContentWriter, uow: Uow) -> Response:
    """Delete a comment, with all answers below it."""
    gone = await comment_actions.delete(uow.session, feed_post_id, comment_id)
    subject = f"comment:{comment_id}"
    await note(uow.session, caller.actor, "comments.delete", subject, comments=gone)
    return Response(status_code=204)
