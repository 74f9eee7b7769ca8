"""From a draft to a scheduled post: submitted, approved or sent back, scheduled.

Where approval is needed, nothing but an approval, or an admin, schedules what somebody wrote;
every later change by somebody else than an admin takes it back.
"""

from datetime import datetime
from uuid import UUID

from service.errors import Conflict, Forbidden, InvalidInput, Problem
from service.kit.clock import now
from service.notifications import actions as notifications
from service.posts import changing, composing, following, moving, rules, slotting
from service.posts.desk import Desk
from service.posts.models import UNSCHEDULED, Delivery, DeliveryState, Post
from service.posts.schemas import ApproveIn, ReturnIn, ScheduleIn


async def submit(desk: Desk, post_id: UUID) -> Post:
    """Ask for approval of a draft.

    Raises:
        Conflict: it waits already, or is no draft.
        InvalidInput: it does not fit its accounts, or its time has passed.
    """
    post = await _draft(desk, post_id)
    if post.submitted_at is not None:
        raise Conflict("The post waits for its approval already")
    if rules.post_state([d.state for d in post.deliveries]) == DeliveryState.APPROVED:
        raise Conflict("The post is approved already: schedule it")
    await _check_ready(desk, post)
    post.submitted_at, post.review_note = now(), None
    await desk.session.flush()
    return post


async def approve(desk: Desk, post_id: UUID, body: ApproveIn) -> Post:
    """Approve a post that waits for it, and schedule it unless its author is to do that.

    Raises:
        Forbidden: approval is needed here, and the caller is no admin.
        Conflict: it does not wait for approval, or was changed since it was read.
        InvalidInput: it does not fit its accounts, or its time has passed.
    """
    post = await _submitted(desk, post_id)
    if body.revision not in {None, post.revision}:
        raise Conflict("The post was changed since you read it: read it again")
    post.submitted_at = post.review_note = None
    if body.schedule:
        return await _release(desk, post)
    await _check_ready(desk, post)
    for delivery in _written(post):
        moving.put(delivery, DeliveryState.APPROVED)
    following.adapt(post)
    await desk.session.flush()
    return post


async def send_back(desk: Desk, post_id: UUID, body: ReturnIn) -> Post:
    """Send a post that waits for approval back to its author, who is told why.

    Raises:
        Forbidden: approval is needed here, and the caller is no admin.
        Conflict: it does not wait for approval.
    """
    post = await _submitted(desk, post_id)
    post.submitted_at, post.review_note = None, body.note
    await desk.session.flush()
    if post.owner_id != desk.caller.user_id:
        incident = notifications.Incident(
            kind="post.returned",
            key=f"post.returned:{post.id}:{post.revision}:{now().isoformat()}",
            title=f"{desk.caller.name} sent your post back",
            text=f"{body.note}\n\nPost {post.id}: {post.text[:200]}",
            owner_id=post.owner_id,
        )
        await notifications.report(desk.uow, incident, mail=False)
    return post


async def schedule_draft(desk: Desk, post_id: UUID, body: ScheduleIn) -> Post:
    """Schedule a draft for its time or another one; without any, publish it now.

    Raises:
        Forbidden: it needs an approval first.
        Conflict: it is no draft.
        InvalidInput: it does not fit its accounts, or the time has passed.
    """
    post = await _draft(desk, post_id)
    states = {d.state for d in _written(post)}
    if not desk.may_schedule and states != {DeliveryState.APPROVED}:
        raise Forbidden("The post needs an approval first: submit it")
    accounts = await composing.choose_accounts(desk, [d.account_id for d in _written(post)], (), [])
    slots = await slotting.taken(desk.session, body.publish_at, accounts, now())
    due_at = min(slots.values()) if slots else changing.new_time(body.publish_at, body.zone, post)
    if due_at is not None:
        post.publish_at, post.zone = due_at, body.zone or post.zone
        slotting.put(post, {d.account_id: slots.get(d.account_id, due_at) for d in _written(post)})
    return await _release(desk, post)


async def discard(desk: Desk, post_id: UUID) -> None:
    """Delete a draft; what was ever scheduled stays to be seen.

    Raises:
        Conflict: it is no draft, or a platform was asked for it before.
    """
    post = await _draft(desk, post_id)
    if any(d.attempts or d.state not in UNSCHEDULED for d in post.deliveries):
        raise Conflict("The post was scheduled before: cancel it instead")
    for delivery in [*post.follow_ups, *post.deliveries]:
        await desk.session.delete(delivery)
    await desk.session.flush()
    await desk.session.delete(post)
    await desk.session.flush()


async def _draft(desk: Desk, post_id: UUID) -> Post:
    post = await moving.found(desk, post_id)
    if not moving.is_draft(post):
        state = rules.post_state([d.state for d in post.deliveries])
        raise Conflict(f"The post is no draft: it is {state.replace('_', ' ')}")
    return post


async def _submitted(desk: Desk, post_id: UUID) -> Post:
    post = await moving.found(desk, post_id)
    if not desk.may_schedule:
        raise Forbidden("Somebody with the scope 'admin' must approve this")
    if post.submitted_at is None or not moving.is_draft(post):
        raise Conflict("The post does not wait for approval")
    return post


def _written(post: Post) -> list[Delivery]:
    return [d for d in post.deliveries if d.state in UNSCHEDULED]


async def _release(desk: Desk, post: Post) -> Post:
    await _check_ready(desk, post)
    moment = now()
    deliveries = _written(post)
    for delivery in deliveries:
        due_at = slotting.own_time(delivery, post, moment)
        moving.put(delivery, DeliveryState.SCHEDULED, due_at=due_at, next_run_at=due_at)
    following.adapt(post)
    post.drafted = False
    post.submitted_at = post.review_note = None
    await desk.session.flush()
    moving.wake(desk, deliveries)
    return post


async def _check_ready(desk: Desk, post: Post) -> None:
    problems: list[Problem] = []
    deliveries = _written(post)
    if not deliveries:
        problems.append(Problem("accounts", "is empty: choose at least one", "missing"))
    ids = [delivery.account_id for delivery in deliveries]
    accounts = await composing.choose_accounts(desk, ids, (), problems)
    written = {delivery.account_id: delivery for delivery in deliveries}
    threads = following.threads(post)
    targets = [
        composing.Target(a, d.text, d.media, d.options, threads[a.id])
        for a, d in ((account, written[account.id]) for account in accounts)
    ]
    problems += composing.content_problems(desk.platforms, targets, post)
    if post.publish_at is not None and _has_passed(post.publish_at):
        message = f"{post.publish_at:%Y-%m-%d %H:%M} UTC has passed: give it another time, or none"
        problems.append(Problem("publish_at", message))
    if problems:
        raise InvalidInput(problems)


def _has_passed(at: datetime) -> bool:
    return at < now() - rules.PAST_GRACE
