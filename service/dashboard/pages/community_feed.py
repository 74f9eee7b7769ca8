"""The feed: what everybody sees, one post with what was said to it, and taking posts out."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.access.caller import Scope
from service.community import comment_routes, feed_routes, hashtag_routes, routes, schemas
from service.community.feed_cursors import Order
from service.community.schemas import FeedPostChange
from service.dashboard.operations.wording import count
from service.dashboard.view import ContentReader, ContentWriter, View
from service.errors import NotFound
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
PAGE = 20
Text = Annotated[str, Query(max_length=101, pattern=schemas.LINE)]
Cursor = Annotated[str, Query(max_length=300)]


@router.get("/community/feed")
async def show_all(  # noqa: PLR0913, PLR0917 - one parameter is one of the query
    view: ContentReader,
    uow: Uow,
    order: Order = Order.TOP,
    tag: Text = "",
    cursor: Cursor = "",
    by: UUID | None = None,
) -> Response:
    """Show the feed that everybody sees, the posts that have a hashtag, or all of a member."""
    after, tag = cursor or None, tag.strip().lstrip("#\N{FULLWIDTH NUMBER SIGN}")
    hashtag, found = None, schemas.FeedList(items=[], next_cursor=None)
    if tag:
        try:
            hashtag = await hashtag_routes.show(tag, view.caller, uow)
            found = await hashtag_routes.posts(tag, view.caller, uow, PAGE, after)
        except NotFound:
            hashtag = None
    else:
        found = await feed_routes.show_feed(
            view.caller, uow, viewer=by, author=by, order=order, limit=PAGE, cursor=after
        )
    return await view.page(
        "community_feed.html",
        posts=found.items,
        cursor=found.next_cursor,
        first=not cursor,
        order=order.value,
        tag=tag,
        hashtag=hashtag,
        author=await routes.show(by, view.caller, uow) if by else None,
    )


@router.get("/community/feed/{post_id}")
async def show(view: ContentReader, uow: Uow, page: Paging, post_id: UUID) -> Response:
    """Show a post, whoever may see it, with its comments."""
    post = await feed_routes.show(post_id, view.caller, uow)
    said = await comment_routes.list_comments(post_id, view.caller, page, uow)
    return await view.page(
        "community_post.html",
        post=post,
        comments=said.items,
        cursor=said.next_cursor,
        may_write=view.caller.may(Scope.CONTENT_WRITE),
    )


@router.post("/community/feed/{post_id}/archive")
async def archive(view: ContentWriter, uow: Uow, post_id: UUID) -> Response:
    """Take a post out of all feeds; unless that was confirmed, ask first."""
    post = await feed_routes.show(post_id, view.caller, uow)
    if view.form.get("confirmed") != "yes":
        sentences = [
            _quoted(post.content),
            "It is taken out of every feed, and nobody finds it by its hashtags. Nothing is"
            " deleted: it can be put back.",
        ]
        return await _ask(view, post_id, "Archive this post?", sentences, "archive")
    await _set_archived(view, post_id, archived=True)
    return view.go(f"/community/feed/{post_id}", "The post is out of all feeds")


@router.post("/community/feed/{post_id}/restore")
async def restore(view: ContentWriter, post_id: UUID) -> Response:
    """Put an archived post back into the feeds."""
    await _set_archived(view, post_id, archived=False)
    return view.go(f"/community/feed/{post_id}", "The post is back in the feeds")


async def _set_archived(view: View, post_id: UUID, *, archived: bool) -> None:
    async with view.runtime.unit_of_work() as uow:
        await feed_routes.change(post_id, FeedPostChange(archived=archived), view.caller, uow)


@router.post("/community/feed/{post_id}/delete")
async def delete(view: ContentWriter, uow: Uow, post_id: UUID) -> Response:
    """Delete a post; unless that was confirmed, say what goes with it."""
    post = await feed_routes.show(post_id, view.caller, uow)
    if view.form.get("confirmed") != "yes":
        goes = (
            f"{count(post.comments_count, 'comment')}, {count(post.likes_count, 'like')} and"
            f" {count(post.shares_count, 'share')} go with it. This cannot be undone."
        )
        sentences = [_quoted(post.content), goes]
        return await _ask(view, post_id, "Delete this post?", sentences, "delete")
    async with view.runtime.unit_of_work() as own:
        await feed_routes.delete(post_id, view.caller, own)
    return view.go("/community/feed", "The post is deleted")


@router.post("/community/feed/{post_id}/comments/{comment_id}/delete")
async def delete_comment(view: ContentWriter, post_id: UUID, comment_id: UUID) -> Response:
    """Delete a comment; unless that was confirmed, ask first."""
    back = f"/community/feed/{post_id}"
    if view.form.get("confirmed") != "yes":
        sentences = ["All answers below it go with it. This cannot be undone."]
        verb = f"comments/{comment_id}/delete"
        return await _ask(view, post_id, "Delete this comment?", sentences, verb)
    try:
        async with view.runtime.unit_of_work() as uow:
            await comment_routes.delete(post_id, comment_id, view.caller, uow)
    except NotFound as error:
        return view.refused(back, error)
    return view.go(back, "The comment is deleted")


def _quoted(content: str) -> str:
    """Return the beginning of what somebody wrote, in quotation marks."""
    line = " ".join(content.split())
    if not line:
        return "It has no text."
    return f"“{line[:200]}{'…' if len(line) > 200 else ''}”"


async def _ask(
    view: View, post_id: UUID, question: str, sentences: list[str], verb: str
) -> Response:
    """Ask before what is done at the address below the post's page that `verb` names."""
    back = f"/community/feed/{post_id}"
    return await view.page(
        "access_confirm.html",
        question=question,
        sentences=sentences,
        action=f"{back}/{verb}",
        button="Archive it" if verb == "archive" else "Delete it",
        back=back,
    )
