"""Every SQL statement of posts that a person's request needs; publishing has its own file."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, case, exists, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from service.access.caller import Caller
from service.kit.pagination import Page, Rows, encode_cursor
from service.posts.models import DUE_STATES, Attempt, Batch, Delivery, DeliveryState, Hold, Post


def _visible(caller: Caller) -> Select[Post]:
    statement = select(Post).options(selectinload(Post.deliveries), selectinload(Post.follow_ups))
    return statement if caller.is_admin else statement.where(Post.owner_id == caller.user_id)


async def post(session: AsyncSession, caller: Caller, post_id: UUID) -> Post | None:
    """Return a post with its deliveries, if the caller may see it."""
    return await session.scalar(_visible(caller).where(Post.id == post_id))


async def post_for_change(session: AsyncSession, caller: Caller, post_id: UUID) -> Post | None:
    """Return a post with its deliveries, locked in one order until the transaction ends."""
    await _lock(session, [post_id])
    locked = select(Delivery.id).where(Delivery.post_id == post_id).order_by(Delivery.id)
    await session.execute(locked.with_for_update())
    # What this session read before the lock may have changed since.
    fresh = _visible(caller).execution_options(populate_existing=True)
    return await session.scalar(fresh.where(Post.id == post_id))


async def _lock(session: AsyncSession, ids: Collection[UUID]) -> None:
    """Let nobody change these posts, nor give them deliveries, until the transaction ends."""
    locked = select(Post.id).where(Post.id.in_(ids)).order_by(Post.id)
    await session.execute(locked.with_for_update(key_share=True))


async def posts_for_change(
    session: AsyncSession, caller: Caller, ids: Collection[UUID]
) -> list[Post]:
    """Return those of these posts that the caller may see, locked; their deliveries are not."""
    await _lock(session, ids)
    return await posts_by_id(session, caller, ids)


async def posts_by_id(session: AsyncSession, caller: Caller, ids: Collection[UUID]) -> list[Post]:
    """Return those of these posts that the caller may see."""
    return list(await session.scalars(_visible(caller).where(Post.id.in_(ids))))


async def list_posts(
    session: AsyncSession, caller: Caller, page: Page, state: DeliveryState | None
) -> Rows[Post]:
    """Return a page of posts, newest first; with `state`, those with a delivery in that state."""
    statement = _visible(caller).order_by(Post.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(Post.id < page.before)
    if state:
        with_such = exists().where(Delivery.post_id == Post.id, Delivery.state == state)
        statement = statement.where(with_such)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    more = len(rows) > page.limit
    return Rows(items, encode_cursor(items[-1].id) if more else None)


async def attempts(session: AsyncSession, delivery_ids: Collection[UUID]) -> Sequence[Attempt]:
    """Return all attempts of these deliveries, oldest first."""
    found = await session.scalars(
        select(Attempt)
        .where(Attempt.delivery_id.in_(delivery_ids))
        .order_by(Attempt.delivery_id, Attempt.started_at)
    )
    return found.all()


async def batch(session: AsyncSession, caller: Caller, batch_id: UUID) -> Batch | None:
    """Return a batch if the caller may see it."""
    statement = select(Batch).where(Batch.id == batch_id)
    if not caller.is_admin:
        statement = statement.where(Batch.owner_id == caller.user_id)
    return await session.scalar(statement)


async def any_batch(session: AsyncSession, batch_id: UUID) -> Batch:
    """Return a batch, whoever owns it; raise NoResultFound if there is none."""
    return await session.get_one(Batch, batch_id)


async def batch_deliveries(session: AsyncSession, batch_id: UUID) -> Sequence[Delivery]:
    """Return the deliveries of a batch."""
    found = await session.scalars(
        select(Delivery).where(Delivery.batch_id == batch_id).order_by(Delivery.id)
    )
    return found.all()


async def delivery(session: AsyncSession, delivery_id: UUID) -> Delivery | None:
    """Return one delivery, whoever owns it."""
    return await session.get(Delivery, delivery_id)


async def release_held(session: AsyncSession, account_id: UUID) -> Sequence[Delivery]:
    """Schedule the deliveries again that waited for their account; return them."""
    released = await session.scalars(
        update(Delivery)
        .where(
            Delivery.account_id == account_id,
            Delivery.state == DeliveryState.HELD,
            func.coalesce(Delivery.hold, Hold.ACCOUNT) == Hold.ACCOUNT,
        )
        .values(
            state=DeliveryState.SCHEDULED,
            attempts=0,  # being refused used none up
            version=Delivery.version + 1,
            next_run_at=func.greatest(Delivery.due_at, func.now()),
            hold=None,
            error=None,
        )
        .returning(Delivery)
    )
    return released.all()


async def feed_entries(
    session: AsyncSession, account_id: UUID, limit: int
) -> Sequence[Row[Delivery, Post]]:
    """Return what an account of ours has published, newest first."""
    found = await session.execute(
        select(Delivery, Post)
        .join(Post, Post.id == Delivery.post_id)
        .where(
            Delivery.account_id == account_id,
            Delivery.state == DeliveryState.PUBLISHED,
            Delivery.removed_at.is_(None),
        )
        .order_by(Delivery.published_at.desc(), Delivery.id.desc())
        .limit(limit)
    )
    return found.all()


async def published_media(
    session: AsyncSession, account_id: UUID, media_id: UUID
) -> dict[str, Any] | None:
    """Return an image's entry in a published post of this account, if it is in one."""
    found = await session.scalar(
        select(Post.media)
        .join(Delivery, Delivery.post_id == Post.id)
        .where(
            Delivery.account_id == account_id,
            Delivery.state == DeliveryState.PUBLISHED,
            Post.media.contains([{"id": str(media_id)}]),
        )
        .limit(1)
    )
    return next((entry for entry in found or () if entry["id"] == str(media_id)), None)


async def due_deliveries(
    session: AsyncSession, until: datetime, after: tuple[datetime, UUID], limit: int
) -> Sequence[Row[UUID, int, datetime]]:
    """Return id, version and time of what should be queued, in pages ordered by time and id.

    That is what is due until then, and what a worker claimed and let go without a word.
    """
    at = case(
        (Delivery.state == DeliveryState.PUBLISHING, Delivery.claimed_until),
        else_=Delivery.next_run_at,
    )
    waiting = and_(Delivery.state.in_(DUE_STATES), Delivery.next_run_at <= until, ~Delivery.blocked)
    abandoned = and_(
        Delivery.state == DeliveryState.PUBLISHING, Delivery.claimed_until <= func.now()
    )
    found = await session.execute(
        select(Delivery.id, Delivery.version, at.label("at"))
        .where(or_(waiting, abandoned), tuple_(at, Delivery.id) > after)
        .order_by("at", Delivery.id)
        .limit(limit)
    )
    return found.all()
