"""Changing a post of which nothing has gone out: its text, its accounts, its time."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from service.accounts.queries import Account
from service.errors import Conflict, InvalidInput, Problem
from service.kit.clock import now
from service.posts import composing, following, moving, rules, slotting
from service.posts.composing import Part, Target
from service.posts.desk import Desk
from service.posts.models import IDLE_STATES, UNSCHEDULED, Delivery, DeliveryState, Hold, Post
from service.posts.schemas import PostChange

CONTENT = {"text", "link", "media", "overrides"}
"""Fields of a change after which the post is another one."""


async def change(desk: Desk, post_id: UUID, body: PostChange) -> Post:
    """Move or edit a post; what was approved waits for approval again.

    Raises:
        Conflict: a delivery has ended, is being published or may be out already.
        InvalidInput: the new time or content does not fit; nothing is changed.
    """
    post = await moving.found(desk, post_id)
    kept = _open(post)
    if busy := [d for d in kept if not _changeable(d)]:
        states = ", ".join(f"{d.platform} is {d.state}" for d in busy)
        raise Conflict(f"The post cannot be changed any more: {states}")
    if body.accounts is not None and post.deliveries and not kept:
        raise Conflict("The post was cancelled: make a new one of it")
    draft = moving.is_draft(post)
    targets = await _edit(desk, post, body, draft=draft)
    accounts = [target.account for target in targets]
    slots = await slotting.taken(desk.session, body.publish_at, accounts, now())
    due_at = min(slots.values()) if slots else new_time(body.publish_at, body.zone, post)
    if due_at is not None:
        post.publish_at = due_at
        post.zone = body.zone or post.zone
    elif draft and "publish_at" in body.model_fields_set:
        post.publish_at = None
    await _readdress(desk, post, targets, due_at)
    if body.model_fields_set & CONTENT:
        for delivery in _open(post):
            delivery.handles = {}  # what was prepared elsewhere holds the old text
    slotting.put(post, slots)
    await following.replan(desk.session, post, targets)
    if not desk.may_schedule:
        _take_approval_back(post)
    moving.changed(post)
    await desk.session.flush()
    moving.wake(desk, _open(post))
    return post


def _open(post: Post) -> list[Delivery]:
    return [d for d in post.deliveries if d.state != DeliveryState.CANCELLED]


def _changeable(delivery: Delivery) -> bool:
    """What a platform has refused may be mended, what may be out may not."""
    mendable = (*IDLE_STATES, DeliveryState.FAILED)
    return delivery.state in mendable and delivery.commit_started_at is None


def new_time(publish_at: str | None, zone_name: str | None, post: Post) -> datetime | None:
    """Return the instant that a person wants for a post; None: none was named.

    Raises:
        InvalidInput: it is none that can be meant.
    """
    if publish_at is None:
        return None
    zone = rules.parse_zone(zone_name or post.zone)
    if isinstance(zone, Problem):
        raise InvalidInput([zone])
    instant = rules.parse_instant(publish_at, zone if zone_name else None, now())
    if isinstance(instant, Problem):
        raise InvalidInput([instant])
    return instant


async def _edit(desk: Desk, post: Post, body: PostChange, *, draft: bool) -> Sequence[Target]:
    problems: list[Problem] = []
    if body.text is not None:
        post.text = body.text
    if "link" in body.model_fields_set:
        post.link = body.link
    if body.media is not None:
        post.media = await composing.choose_media(desk, body.media, problems)
    if body.thread is not None:
        post.thread = await composing.choose_parts(desk, body.thread, problems)
    if "late" in body.model_fields_set:
        post.late = body.late
    targets = await _targets(desk, post, body, problems)
    problems += composing.link_problems(post.link)
    if draft:
        if not (post.text or post.link or post.media):
            problems.append(Problem("text", "is needed, or a link, or media", "missing"))
    else:
        problems += composing.content_problems(desk.platforms, targets, post)
        if body.accounts == []:
            problems.append(Problem("accounts", "is empty: cancel the post instead", "missing"))
    if problems:
        raise InvalidInput(problems)
    return targets


async def _targets(
    desk: Desk, post: Post, body: PostChange, problems: list[Problem]
) -> Sequence[Target]:
    present = {d.account_id: d for d in _open(post)}
    ids = list(present) if body.accounts is None else body.accounts
    accounts = await composing.choose_accounts(desk, ids, (), problems)
    if body.overrides is not None:
        plain = [Target(account, thread=post.thread) for account in accounts]
        return await composing.choose_targets(desk, body.overrides, plain, problems)
    planned = following.threads(post)
    return [
        _as_it_is(account, present.get(account.id), planned.get(account.id), post.thread)
        if body.thread is None
        else _as_it_is(account, present.get(account.id), None, post.thread)
        for account in accounts
    ]


def _as_it_is(
    account: Account, delivery: Delivery | None, planned: list[Part] | None, thread: list[Part]
) -> Target:
    """Return a target with what differs for it already."""
    follow = thread if planned is None else planned
    if delivery is None:
        return Target(account, thread=follow)
    return Target(account, delivery.text, delivery.media, delivery.options, follow)


async def _readdress(
    desk: Desk, post: Post, targets: Sequence[Target], due_at: datetime | None
) -> None:
    """Give a post the deliveries to these accounts, each with its text and the new time."""
    moment = now()
    draft = moving.is_draft(post)
    wanted = {target.account.id: target for target in targets}
    for delivery in [d for d in _open(post) if d.account_id not in wanted]:
        await _drop(desk, post, delivery)
    present = {delivery.account_id: delivery for delivery in post.deliveries}
    when = max(post.publish_at or moment, moment)
    state = DeliveryState.DRAFT if draft else DeliveryState.SCHEDULED
    for account_id, target in wanted.items():
        if account_id not in present:
            post.deliveries.append(moving.new_delivery(post, target, when, state))
            continue
        delivery = present[account_id]
        if delivery.state == DeliveryState.CANCELLED:
            moving.put(delivery, state, attempts=0, due_at=when, next_run_at=when)
        else:
            moved = due_at
            if due_at is None and delivery.state in UNSCHEDULED:
                moved = slotting.own_time(delivery, post, moment)
            settled = delivery.hold == Hold.LATE or delivery.state == DeliveryState.FAILED
            moving.put(
                delivery,
                DeliveryState.SCHEDULED if settled and moved else DeliveryState(delivery.state),
                due_at=moved or delivery.due_at,
                next_run_at=moved or delivery.next_run_at,
            )
            if settled and moved:
                delivery.attempts, delivery.error = 0, None
        delivery.text, delivery.media = target.text, target.media
        delivery.options = dict(target.options)


async def _drop(desk: Desk, post: Post, delivery: Delivery) -> None:
    """Take a delivery away; one that was scheduled stays to be seen."""
    if delivery.state in UNSCHEDULED:
        post.deliveries.remove(delivery)
        await desk.session.delete(delivery)
    else:
        moving.put(delivery, DeliveryState.CANCELLED, error=None)


def _take_approval_back(post: Post) -> None:
    if taken := [d for d in _open(post) if d.state != DeliveryState.DRAFT]:
        post.submitted_at = now()
        for delivery in taken:
            moving.put(delivery, DeliveryState.DRAFT, error=None)
