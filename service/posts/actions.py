"""Use cases of posts. None commits, none awaits the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import Conflict, Forbidden, InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.kit.ids import uuid7
from service.posts import account_queries, composing, following, jobs, moving, queries, rules
from service.posts.changing import change as change  # a use case in a file of its own
from service.posts.desk import Desk as Desk  # what its callers give it
from service.posts.models import (
    DUE_STATES,
    IDLE_STATES,
    UNSCHEDULED,
    Batch,
    Delivery,
    DeliveryState,
    Hold,
    Post,
)
from service.posts.repeating import body_of as body_of  # for posts that come again
from service.posts.repeating import content_of as content_of
from service.posts.repeating import is_open as is_open
from service.posts.repeating import repeatable as repeatable
from service.posts.schemas import BatchIn, PostIn, RetryIn


async def schedule(desk: Desk, body: PostIn) -> Post:
    """Store a post with one delivery per account, and queue those due soon.

    A draft is stored as it is; what needs an approval is stored as a draft that waits for it.

    Raises:
        InvalidInput: with every problem of every account; nothing is stored.
    """
    post = await draw_up(desk, body, now())
    desk.session.add(post)
    await desk.session.flush()
    moving.wake(desk, post.deliveries)
    return post


async def draw_up(desk: Desk, body: PostIn, moment: datetime) -> Post:
    """Return a post with its deliveries, which are yet to be stored.

    Raises:
        InvalidInput: with every problem of every account.
    """
    composed = await composing.compose(desk, body, moment)
    post = Post(
        id=uuid7(),
        owner_id=desk.caller.user_id,
        text=composed.text,
        link=composed.link,
        media=composed.media,
        publish_at=composed.publish_at,
        zone=composed.zone,
        content_ref=None if body.content_id is None else str(body.content_id),
        created_at=moment,
        revision=1,
        thread=composed.thread,
        late=body.late,
    )
    waits = not (body.draft or desk.may_schedule) and bool(composed.targets)
    post.submitted_at = moment if waits else None
    state = DeliveryState.DRAFT if body.draft or waits else DeliveryState.SCHEDULED
    due_at = max(composed.publish_at or moment, moment)
    post.deliveries = [
        moving.new_delivery(post, t, composed.slots.get(t.account.id, due_at), state)
        for t in composed.targets
    ]
    post.follow_ups = [
        follow_up
        for main, target in zip(post.deliveries, composed.targets, strict=True)
        for follow_up in following.plan(post, main, target.thread)
    ]
    post.drafted = moving.is_draft(post)
    return post


async def cancel(desk: Desk, post_id: UUID) -> Post:
    """Cancel every delivery that is not out yet.

    Raises:
        Conflict: none could be cancelled; says why.
    """
    post = await moving.found(desk, post_id)
    everything = [*post.deliveries, *post.follow_ups]
    stoppable = [d for d in everything if _stoppable(d)]
    if not stoppable:
        states = ", ".join(f"{d.platform} is {d.state}" for d in everything) or "a draft"
        raise Conflict(f"Nothing is left to cancel: {states}")
    for delivery in stoppable:
        moving.put(delivery, DeliveryState.CANCELLED, error=None)
    moving.changed(post)
    post.submitted_at = None
    await desk.session.flush()
    return post


def _stoppable(delivery: Delivery) -> bool:
    """A stamped delivery may be out already; one that is still preparing loses its claim."""
    idle = delivery.state in (*IDLE_STATES, DeliveryState.PUBLISHING)
    return idle and delivery.commit_started_at is None


async def cancel_publish_job(desk: Desk, job_id: str) -> None:
    """Cancel the delivery that a job belongs to.

    Raises:
        NotFound: the caller has no such delivery.
        Conflict: it is out, may be out, or has ended; or the job is of an older version.
    """
    post, delivery, current = await _delivery_of(desk, job_id)
    if not current or not _stoppable(delivery):
        raise Conflict(f"The job cannot be cancelled: its delivery is {delivery.state}")
    moving.put(delivery, DeliveryState.CANCELLED, error=None)
    following.adapt(post)
    await desk.session.flush()


async def replay_publish_job(desk: Desk, job_id: str) -> None:
    """Publish the delivery of a dead job again, by a job of its own.

    Raises:
        NotFound: the caller has no such delivery.
        Conflict: it is out, may be out or was cancelled; or the job is of an older version.
    """
    _, delivery, current = await _delivery_of(desk, job_id)
    if current and delivery.state in (DeliveryState.FAILED, DeliveryState.HELD):
        _try_again(delivery)
    elif current and delivery.state in DUE_STATES and delivery.commit_started_at is None:
        moving.put(delivery, DeliveryState(delivery.state), next_run_at=now())
    else:
        raise Conflict(f"The job cannot be replayed: its delivery is {delivery.state}")
    await desk.session.flush()
    moving.wake(desk, [delivery])


async def _delivery_of(desk: Desk, job_id: str) -> tuple[Post, Delivery, bool]:
    """Return a job's delivery and its post, locked, and whether the job is of its version."""
    job = await publish_job(desk.session, desk.caller, job_id)
    if job is None:
        raise NotFound("There is no such job")
    post = await moving.found(desk, job.delivery.post_id)
    everything = [*post.deliveries, *post.follow_ups]
    delivery = next(d for d in everything if d.id == job.delivery.id)
    return post, delivery, delivery.version == job.version


def _try_again(delivery: Delivery) -> None:
    if delivery.hold == Hold.LATE:
        delivery.due_at = now()  # it has been given this time instead
    moving.put(
        delivery,
        DeliveryState.SCHEDULED,
        next_run_at=now(),
        attempts=0,
        commit_started_at=None,
        committed_since=None,
        error=None,
    )


async def retry(desk: Desk, post_id: UUID, body: RetryIn) -> Post:
    """Publish again what failed, now.

    Raises:
        Conflict: nothing failed, or an outcome is unknown and the request does not say what to do.
    """
    post = await moving.found(desk, post_id)
    everything = [*post.deliveries, *post.follow_ups]
    unconfirmed = [d for d in everything if d.state == DeliveryState.UNCONFIRMED]
    if unconfirmed and body.unconfirmed is None:
        names = ", ".join(d.platform for d in unconfirmed)
        raise Conflict(
            f"Nobody knows whether {names} took the post. Look there, then send "
            '{"unconfirmed": "post_again"} or {"unconfirmed": "mark_published"}'
        )
    failed = [d for d in everything if d.state in (DeliveryState.FAILED, DeliveryState.HELD)]
    if not (failed or unconfirmed):
        raise Conflict("No delivery of this post has failed")
    if body.unconfirmed == "mark_published":
        settled = {"commit_started_at": None, "committed_since": None, "error": None}
        for delivery in unconfirmed:
            moving.put(delivery, DeliveryState.PUBLISHED, published_at=now(), **settled)
    else:
        failed += unconfirmed
    for delivery in failed:
        _try_again(delivery)
    failed += following.adapt(post)
    await desk.session.flush()
    moving.wake(desk, failed)
    return post


async def publish_batch(desk: Desk, body: BatchIn) -> Batch:
    """Publish several posts now, each to the same accounts; a job reports when all have ended.

    Raises:
        Forbidden: posts need an approval, and this caller cannot give it.
        InvalidInput: with every problem of every post; nothing is published.
    """
    if not desk.may_schedule:
        raise Forbidden("Posts need an approval here: submit each of them instead")
    problems: list[Problem] = []
    session = desk.session
    accounts = await composing.choose_accounts(desk, body.accounts, body.platforms, problems)
    if not (accounts or problems):
        problems.append(Problem("platforms", "is needed, or accounts", "missing"))
    found = {
        post.id: post for post in await queries.posts_for_change(session, desk.caller, body.posts)
    }
    targets = [composing.Target(account) for account in accounts]
    for index, post_id in enumerate(body.posts):
        problems += _batch_problems(desk, f"posts[{index}]", found.get(post_id), targets)
    if problems:
        raise InvalidInput(problems)
    moment = now()
    batch = Batch(id=uuid7(), owner_id=desk.caller.user_id, post_ids=list(found), created_at=moment)
    session.add(batch)
    await session.flush()
    made = [
        moving.new_delivery(post, target, moment, batch_id=batch.id)
        for post in found.values()
        for target in targets
    ]
    for post in found.values():
        post.drafted, post.submitted_at = False, None
    session.add_all(made)
    await session.flush()
    moving.wake(desk, made)
    desk.uow.enqueue(jobs.batch_call(batch.id))
    return batch


def _batch_problems(
    desk: Desk, field: str, post: Post | None, targets: Sequence[composing.Target]
) -> list[Problem]:
    if post is None:
        return [Problem(field, "is not among your posts")]
    taken = {delivery.account_id for delivery in post.deliveries}
    problems = [
        Problem(field, f"already goes to {t.account.platform} account {t.account.handle}")
        for t in targets
        if t.account.id in taken
    ]
    found = composing.content_problems(desk.platforms, targets, post)
    return problems + [Problem(f"{field}.{p.field}", p.message, p.code) for p in found]


async def release_held(uow: UnitOfWork, account_id: UUID) -> None:
    """Queue what waited for an account that is connected again."""
    released = await queries.release_held(uow.session, account_id)
    moment = now()
    uow.enqueue(*(jobs.publish_call(d.id, d.version, max(d.next_run_at, moment)) for d in released))


async def leave_account(session: AsyncSession, account_id: UUID, *, cancel: bool) -> int:
    """Cancel what would go to an account that is being removed; return how many.

    Raises:
        Conflict: something is scheduled and not to be cancelled, or is on its way right now.
    """
    found = await account_queries.leaving(session, account_id)
    if found.on_their_way:
        raise Conflict("A post is on its way to this account right now; try again in a minute")
    if found.open and not cancel:
        raise Conflict(
            f"Posts still to go to this account: {found.open:,}. Cancel them as well, or move them "
            "to another account first"
        )
    return await account_queries.leave(session, account_id)


@dataclass(frozen=True, slots=True)
class PublishJob:
    """The job of a delivery's version, as its row tells."""

    delivery: Delivery
    version: int
    state: str


def is_publish_job(job_id: str) -> bool:
    """Whether a job of this id belongs to a delivery."""
    return jobs.parse_publish_job_id(job_id) is not None


async def publish_job(session: AsyncSession, caller: Caller, job_id: str) -> PublishJob | None:
    """Return the job of this id if it belongs to a delivery that the caller may see."""
    parts = jobs.parse_publish_job_id(job_id)
    delivery = await queries.delivery(session, parts[0]) if parts else None
    if parts is None or delivery is None or not caller.may_see(delivery.owner_id):
        return None
    stale = parts[1] != delivery.version
    if delivery.state in UNSCHEDULED and not stale:
        return None
    state = rules.publish_job_state(delivery.state, delivery.next_run_at, now(), stale=stale)
    return PublishJob(delivery, parts[1], state)
