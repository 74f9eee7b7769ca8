"""A post that comes again: what it says as a request, and what takes an occurrence back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from service.errors import Conflict, Forbidden, NotFound
from service.posts import following, queries
from service.posts.composing import Part
from service.posts.desk import Desk
from service.posts.models import END_STATES, Delivery, DeliveryState, Post
from service.posts.schemas import PostIn


async def repeatable(desk: Desk, post_id: UUID) -> Post:
    """Return a post that may come again as it is.

    Raises:
        NotFound: the caller has no such post.
        Conflict: it goes to no account.
        Forbidden: it needs an approval first.
    """
    post = await queries.post(desk.session, desk.caller, post_id)
    if post is None:
        raise NotFound("There is no such post")
    states = {d.state for d in post.deliveries} - {DeliveryState.CANCELLED}
    if not states:
        raise Conflict("The post goes to no account: choose at least one")
    if DeliveryState.DRAFT in states and not desk.may_schedule:
        raise Forbidden("The post needs an approval first: submit it")
    return post


async def is_open(desk: Desk, post_id: UUID) -> bool:
    """Whether anything of a post may still go out; the post is locked."""
    post = await queries.post_for_change(desk.session, desk.caller, post_id)
    return post is not None and any(d.state not in END_STATES for d in post.deliveries)


def content_of(post: Post) -> dict[str, Any]:
    """Return what a post says and where it goes, as JSON that `body_of` reads.

    What differs for an account stays different; deliveries that were cancelled are left out.
    """
    deliveries = [d for d in post.deliveries if d.state != DeliveryState.CANCELLED]
    planned = following.threads(post)
    return {
        "text": post.text,
        "link": post.link,
        "media": _references(post.media),
        "thread": _parts(post.thread),
        "late": post.late,
        "content_id": post.content_ref,
        "accounts": [str(delivery.account_id) for delivery in deliveries],
        "overrides": {
            str(d.account_id): differing
            for d in deliveries
            if (differing := _override(d, planned[d.account_id], post.thread))
        },
    }


def body_of(content: dict[str, Any], at: datetime, zone: str) -> PostIn:
    """Return the request that makes such a post again for another time."""
    return PostIn.model_validate({**content, "publish_at": at.isoformat(), "zone": zone})


def _override(
    delivery: Delivery, planned: Sequence[Part], thread: Sequence[Part]
) -> dict[str, Any]:
    """Return what differs for an account; nothing if nothing does."""
    found: dict[str, Any] = {}
    if delivery.text is not None:
        found["text"] = delivery.text
    if delivery.media is not None:
        found["media"] = _references(delivery.media)
    if delivery.options:
        found["options"] = delivery.options
    if planned != thread:
        found["thread"] = _parts(planned)
    return found


def _parts(thread: Sequence[Part]) -> list[dict[str, Any]]:
    return [{**part, "media": _references(part["media"])} for part in thread]


def _references(media: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": file["id"], "alt": file["alt"]} for file in media]
