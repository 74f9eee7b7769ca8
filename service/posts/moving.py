"""What every change of a post by a person is made of: find it locked, change it, wake its jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from service.errors import NotFound
from service.kit.clock import now
from service.kit.ids import uuid7
from service.posts import composing, jobs, queries, rules
from service.posts.desk import Desk
from service.posts.models import DUE_STATES, UNSCHEDULED, Delivery, DeliveryState, Post


async def found(desk: Desk, post_id: UUID) -> Post:
    """Return a post with its deliveries, locked. Raises NotFound."""
    post = await queries.post_for_change(desk.session, desk.caller, post_id)
    if post is None:
        raise NotFound("There is no such post")
    return post


def new_delivery(
    post: Post,
    target: composing.Target,
    due_at: datetime,
    state: DeliveryState = DeliveryState.SCHEDULED,
    batch_id: UUID | None = None,
) -> Delivery:
    """Return a delivery of a post that is yet to be stored."""
    return Delivery(
        id=uuid7(),
        owner_id=post.owner_id,
        post_id=post.id,
        account_id=target.account.id,
        batch_id=batch_id,
        platform=target.account.platform,
        text=target.text,
        media=target.media,
        options=dict(target.options),
        kind="post",
        position=0,
        blocked=False,
        state=state,
        version=1,
        attempts=0,
        handles={},
        details={},
        due_at=due_at,
        next_run_at=due_at,
        created_at=post.created_at,
    )


def put(delivery: Delivery, state: DeliveryState, **values: Any) -> None:
    """Put a delivery into a state; the grown version ends every job of the older one."""
    delivery.state = state
    delivery.version += 1
    delivery.claim_token = None
    delivery.claimed_until = None
    delivery.began_at = None
    delivery.hold = None
    for name, value in values.items():
        setattr(delivery, name, value)


def wake(desk: Desk, deliveries: Sequence[Delivery]) -> None:
    """Queue the deliveries due within the horizon; the sweep finds the later ones."""
    last = now() + desk.horizon
    due = [
        d for d in deliveries if d.state in DUE_STATES and not d.blocked and d.next_run_at <= last
    ]
    desk.uow.enqueue(*(jobs.publish_call(d.id, d.version, d.next_run_at) for d in due))


def is_draft(post: Post) -> bool:
    """Whether nothing of a post is scheduled yet."""
    return rules.post_state([d.state for d in post.deliveries]) in UNSCHEDULED


def changed(post: Post) -> None:
    """Note that a post is another one than before."""
    post.revision += 1
    post.drafted = is_draft(post)
