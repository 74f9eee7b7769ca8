"""What follows a post: the rest of a thread, comments. Each has a delivery row of its own.

A follow-up is blocked until the delivery that it answers is out; whoever records that releases it
in the same statement. What a person does to a post is done to what follows it as well.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.kit.clock import now
from service.kit.ids import uuid7
from service.posts import rules
from service.posts.composing import Part, Target
from service.posts.models import (
    IDLE_STATES,
    UNSCHEDULED,
    Delivery,
    DeliveryState,
    Post,
)

BLOCKED_UNTIL = datetime(9000, 1, 1, tzinfo=UTC)
"""When a blocked follow-up runs: no list of what is due or late shows it."""


def plan(post: Post, main: Delivery, thread: Sequence[Part]) -> list[Delivery]:
    """Return the follow-ups of one delivery, which are yet to be stored."""
    made: list[Delivery] = []
    last = main
    for position, part in enumerate(thread, start=1):
        answered = main if part["kind"] == "comment" else last
        follow_up = Delivery(
            id=uuid7(),
            owner_id=post.owner_id,
            post_id=post.id,
            account_id=main.account_id,
            platform=main.platform,
            kind=part["kind"],
            text=part["text"],
            media=part["media"],
            options={},
            position=position,
            after_id=answered.id,
            gap=timedelta(seconds=part["delay"]),
            version=1,
            attempts=0,
            handles={},
            details={},
            created_at=post.created_at,
            **_waiting_for(main),
        )
        made.append(follow_up)
        last = follow_up if part["kind"] == "thread" else last
    return made


def _waiting_for(main: Delivery) -> dict[str, object]:
    draft = main.state in UNSCHEDULED
    return {
        "state": main.state if draft else DeliveryState.SCHEDULED,
        "due_at": main.due_at,
        "next_run_at": BLOCKED_UNTIL,
        "blocked": True,
    }


async def replan(session: AsyncSession, post: Post, targets: Sequence[Target]) -> None:
    """Give the open deliveries of a post other follow-ups; nothing of it is out yet."""
    for follow_up in post.follow_ups:
        await session.delete(follow_up)
    post.follow_ups.clear()
    await session.flush()  # their places must be free
    wanted = {target.account.id: target.thread for target in targets}
    for main in post.deliveries:
        if main.state != DeliveryState.CANCELLED:
            post.follow_ups += plan(post, main, wanted.get(main.account_id, ()))


def state_of(post: Post) -> str:
    """Return a post's state, from those of its deliveries and of what may follow by now."""
    mains = rules.post_state([main.state for main in post.deliveries])
    rest = [follow_up.state for follow_up in post.follow_ups if not follow_up.blocked]
    if mains != DeliveryState.PUBLISHED or not rest:
        return mains
    whole = rules.post_state([mains, *rest])
    return "publishing" if whole == DeliveryState.SCHEDULED else whole


def threads(post: Post) -> dict[UUID, list[Part]]:
    """Return what follows a post for each of its accounts, as it was planned."""
    found: dict[UUID, list[Part]] = {main.account_id: [] for main in post.deliveries}
    for follow_up in post.follow_ups:
        found[follow_up.account_id].append(
            {
                "kind": follow_up.kind,
                "text": follow_up.text or "",
                "media": follow_up.media or [],
                "delay": int((follow_up.gap or timedelta()).total_seconds()),
            }
        )
    return found


def adapt(post: Post) -> list[Delivery]:
    """Put what follows a post into the state that the post's own deliveries make due.

    Returns:
        what may go out now, because a person said that what it answers is out.
    """
    states = {main.id: main for main in post.deliveries}
    mains = {main.account_id: main for main in post.deliveries}
    released = []
    for follow_up in post.follow_ups:
        main, answered = mains[follow_up.account_id], states.get(follow_up.after_id or follow_up.id)
        if follow_up.state not in (*IDLE_STATES, DeliveryState.CANCELLED) or not follow_up.blocked:
            continue
        if answered is not None and answered.state == DeliveryState.PUBLISHED:
            if follow_up.state != DeliveryState.CANCELLED:
                _set(follow_up, DeliveryState.SCHEDULED, now() + (follow_up.gap or timedelta()))
                follow_up.blocked = False
                released.append(follow_up)
        elif main.state == DeliveryState.CANCELLED:
            _set(follow_up, DeliveryState.CANCELLED, BLOCKED_UNTIL)
        else:
            wanted = main.state if main.state in UNSCHEDULED else DeliveryState.SCHEDULED
            _set(follow_up, DeliveryState(wanted), BLOCKED_UNTIL)
            follow_up.due_at = main.due_at
    return released


def _set(follow_up: Delivery, state: DeliveryState, next_run_at: datetime) -> None:
    if (follow_up.state, follow_up.next_run_at) != (state, next_run_at):
        follow_up.state, follow_up.next_run_at = state, next_run_at
        follow_up.version += 1
        follow_up.error = follow_up.hold = follow_up.began_at = None
