"""Use cases of posts. None commits, none awaits the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import Conflict, InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.kit.ids import uuid7
from service.posts import composing, jobs, queries, rules
from service.posts.desk import Desk as Desk  # what its callers give it
from service.posts.models import DUE_STATES, IDLE_STATES, Batch, Delivery, DeliveryState, Post
from service.posts.schemas import BatchIn, PostChange, PostIn, RetryIn


async def schedule(desk: Desk, body: PostIn) -> Post:
    """Store a post with one delivery per account, and queue those due soon.

    Raises:
        InvalidInput: with every problem of every account; nothing is stored.
    """
    moment = now()
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
    )
    due_at = max(composed.publish_at or moment, moment)
    post.deliveries = [_delivery(post, target, due_at) for target in composed.targets]
    desk.session.add(post)
    await desk.session.flush()
    _wake(desk, post.deliveries)
    return post


def _delivery(
    post: Post, target: composing.Target, due_at: datetime, batch_id: UUID | None = None
) -> Delivery:
    return Delivery(
        id=uuid7(),
        owner_id=post.owner_id,
        post_id=post.id,
        account_id=target.account.id,
        batch_id=batch_id,
        platform=target.account.platform,
        text=target.text,
        state=DeliveryState.SCHEDULED,
        version=1,
        attempts=0,
        handles={},
        due_at=due_at,
        next_run_at=due_at,
        created_at=post.created_at,
    )


def _wake(desk: Desk, deliveries: Sequence[Delivery]) -> None:
    """Queue the deliveries due within the horizon; the sweep finds the later ones."""
    last = now() + desk.horizon
    due = [d for d in deliveries if d.state in DUE_STATES and d.next_run_at <= last]
    desk.uow.enqueue(*(jobs.publish_call(d.id, d.version, d.next_run_at) for d in due))


async def _found(desk: Desk, post_id: UUID) -> Post:
    post = await queries.post_for_change(desk.session, desk.caller, post_id)
    if post is None:
        raise NotFound("There is no such post")
    return post


def _change(delivery: Delivery, state: DeliveryState, **values: Any) -> None:
    """Put a delivery into a state; the grown version ends every job of the older one."""
    delivery.state = state
    delivery.version += 1
    delivery.claim_token = None
    delivery.claimed_until = None
    for name, value in values.items():
        setattr(delivery, name, value)


async def change(desk: Desk, post_id: UUID, body: PostChange) -> Post:
    """Move or edit a post of which nothing has gone out.

    Raises:
        Conflict: a delivery has ended, is being published or may be out already.
        InvalidInput: the new time or text does not fit; nothing is changed.
    """
    post = await _found(desk, post_id)
    open_deliveries = [d for d in post.deliveries if d.state != DeliveryState.CANCELLED]
    busy = [d for d in open_deliveries if not _changeable(d)]
    if busy:
        states = ", ".join(f"{d.platform} is {d.state}" for d in busy)
        raise Conflict(f"The post cannot be changed any more: {states}")
    await _edit_content(desk, post, open_deliveries, body)
    due_at = _new_time(body, post)
    if due_at is not None:
        post.publish_at = due_at
        post.zone = body.zone or post.zone
    for delivery in open_deliveries:
        moment = due_at or delivery.next_run_at
        state = DeliveryState(delivery.state)
        _change(delivery, state, due_at=due_at or delivery.due_at, next_run_at=moment)
    await desk.session.flush()
    _wake(desk, open_deliveries)
    return post


def _changeable(delivery: Delivery) -> bool:
    return delivery.state in IDLE_STATES and delivery.commit_started_at is None


def _new_time(body: PostChange, post: Post) -> datetime | None:
    if body.publish_at is None:
        return None
    zone = rules.parse_zone(body.zone or post.zone)
    if isinstance(zone, Problem):
        raise InvalidInput([zone])
    named = zone if body.zone else None
    instant = rules.parse_instant(body.publish_at, named, now())
    if isinstance(instant, Problem):
        raise InvalidInput([instant])
    return instant


async def _edit_content(
    desk: Desk, post: Post, deliveries: Sequence[Delivery], body: PostChange
) -> None:
    if body.text is not None:
        post.text = body.text
    if "link" in body.model_fields_set:
        post.link = body.link
    problems: list[Problem] = []
    accounts = await composing.choose_accounts(
        desk, [d.account_id for d in deliveries], (), problems
    )
    texts = {d.account_id: d.text for d in deliveries}
    targets = [composing.Target(account, texts[account.id]) for account in accounts]
    problems += composing.link_problems(post.link)
    problems += composing.content_problems(desk.platforms, targets, post)
    if problems:
        raise InvalidInput(problems)


async def cancel(desk: Desk, post_id: UUID) -> Post:
    """Cancel every delivery that is not out yet.

    Raises:
        Conflict: none could be cancelled; says why.
    """
    post = await _found(desk, post_id)
    stoppable = [d for d in post.deliveries if _stoppable(d)]
    if not stoppable:
        states = ", ".join(f"{d.platform} is {d.state}" for d in post.deliveries) or "a draft"
        raise Conflict(f"Nothing is left to cancel: {states}")
    for delivery in stoppable:
        _change(delivery, DeliveryState.CANCELLED, error=None)
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
    delivery, current = await _delivery_of(desk, job_id)
    if not current or not _stoppable(delivery):
        raise Conflict(f"The job cannot be cancelled: its delivery is {delivery.state}")
    _change(delivery, DeliveryState.CANCELLED, error=None)
    await desk.session.flush()


async def replay_publish_job(desk: Desk, job_id: str) -> None:
    """Publish the delivery of a dead job again, by a job of its own.

    Raises:
        NotFound: the caller has no such delivery.
        Conflict: it is out, may be out or was cancelled; or the job is of an older version.
    """
    delivery, current = await _delivery_of(desk, job_id)
    if current and delivery.state in (DeliveryState.FAILED, DeliveryState.HELD):
        _try_again(delivery)
    elif current and delivery.state in DUE_STATES and delivery.commit_started_at is None:
        _change(delivery, DeliveryState(delivery.state), next_run_at=now())
    else:
        raise Conflict(f"The job cannot be replayed: its delivery is {delivery.state}")
    await desk.session.flush()
    _wake(desk, [delivery])


async def _delivery_of(desk: Desk, job_id: str) -> tuple[Delivery, bool]:
    """Return the delivery of a job, locked, and whether the job is of its present version."""
    job = await publish_job(desk.session, desk.caller, job_id)
    if job is None:
        raise NotFound("There is no such job")
    post = await _found(desk, job.delivery.post_id)
    delivery = next(d for d in post.deliveries if d.id == job.delivery.id)
    return delivery, delivery.version == job.version


def _try_again(delivery: Delivery) -> None:
    _change(
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
    post = await _found(desk, post_id)
    unconfirmed = [d for d in post.deliveries if d.state == DeliveryState.UNCONFIRMED]
    if unconfirmed and body.unconfirmed is None:
        names = ", ".join(d.platform for d in unconfirmed)
        raise Conflict(
            f"Nobody knows whether {names} took the post. Look there, then send "
            '{"unconfirmed": "post_again"} or {"unconfirmed": "mark_published"}'
        )
    failed = [d for d in post.deliveries if d.state in (DeliveryState.FAILED, DeliveryState.HELD)]
    if not (failed or unconfirmed):
        raise Conflict("No delivery of this post has failed")
    if body.unconfirmed == "mark_published":
        settled = {"commit_started_at": None, "committed_since": None, "error": None}
        for delivery in unconfirmed:
            _change(delivery, DeliveryState.PUBLISHED, published_at=now(), **settled)
    else:
        failed += unconfirmed
    for delivery in failed:
        _try_again(delivery)
    await desk.session.flush()
    _wake(desk, failed)
    return post


async def publish_batch(desk: Desk, body: BatchIn) -> Batch:
    """Publish several posts now, each to the same accounts; a job reports when all have ended.

    Raises:
        InvalidInput: with every problem of every post; nothing is published.
    """
    problems: list[Problem] = []
    session = desk.session
    accounts = await composing.choose_accounts(desk, body.accounts, body.platforms, problems)
    if not (accounts or problems):
        problems.append(Problem("platforms", "is needed, or accounts", "missing"))
    found = {post.id: post for post in await queries.posts_by_id(session, desk.caller, body.posts)}
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
        _delivery(post, target, moment, batch.id) for post in found.values() for target in targets
    ]
    session.add_all(made)
    await session.flush()
    _wake(desk, made)
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
    state = rules.publish_job_state(delivery.state, delivery.next_run_at, now(), stale=stale)
    return PublishJob(delivery, parts[1], state)
