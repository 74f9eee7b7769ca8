"""Every SQL statement of newsletters; subscribers, issues and sending have their own files."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, Text, cast, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.kit.pagination import Page, Rows, encode_cursor
from service.newsletters.models import (
    Newsletter,
    NewsletterState,
    Paid,
    Subscriber,
    SubscriberState,
    Subscription,
    SubscriptionState,
)


def _visible(caller: Caller) -> Select[Newsletter]:
    statement = select(Newsletter)
    return statement if caller.is_admin else statement.where(Newsletter.owner_id == caller.user_id)


async def newsletter(
    session: AsyncSession, caller: Caller, newsletter_id: UUID
) -> Newsletter | None:
    """Return a newsletter if the caller may see it."""
    return await session.scalar(_visible(caller).where(Newsletter.id == newsletter_id))


async def newsletter_for_change(
    session: AsyncSession, caller: Caller, newsletter_id: UUID
) -> Newsletter | None:
    """Return a newsletter, locked until the transaction ends, if the caller may see it."""
    statement = _visible(caller).where(Newsletter.id == newsletter_id)
    return await session.scalar(statement.with_for_update(key_share=True))


async def any_newsletter(
    session: AsyncSession, newsletter_id: UUID, *, lock: bool = False
) -> Newsletter | None:
    """Return a newsletter, whoever owns it."""
    statement = select(Newsletter).where(Newsletter.id == newsletter_id)
    return await session.scalar(statement.with_for_update(key_share=True) if lock else statement)


async def public_newsletter(session: AsyncSession, slug: str) -> Newsletter | None:
    """Return a newsletter that anybody may subscribe to."""
    return await session.scalar(
        select(Newsletter).where(
            Newsletter.slug == slug,
            Newsletter.public,
            Newsletter.status != NewsletterState.CANCELLED,
        )
    )


async def newsletter_named(session: AsyncSession, name: str) -> UUID | None:
    """Return the id of the newsletter of this id or name in addresses."""
    given = func.lower(name)
    is_it = (Newsletter.slug == given) | (cast(Newsletter.id, Text) == given)
    return await session.scalar(select(Newsletter.id).where(is_it))


async def list_newsletters(
    session: AsyncSession, caller: Caller, page: Page, status: NewsletterState | None
) -> Rows[Newsletter]:
    """Return a page of newsletters, newest first."""
    statement = _visible(caller).order_by(Newsletter.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(Newsletter.id < page.before)
    if status:
        statement = statement.where(Newsletter.status == status)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def slug_taken(session: AsyncSession, slug: str, but: UUID | None = None) -> bool:
    """Whether another newsletter has this name in addresses."""
    statement = select(Newsletter.id).where(Newsletter.slug == slug)
    found = await session.scalar(statement)
    return found is not None and found != but


async def slugs_like(session: AsyncSession, slug: str) -> set[str]:
    """Return the names in addresses that begin like this one."""
    statement = select(Newsletter.slug).where(Newsletter.slug.startswith(slug, autoescape=True))
    return set(await session.scalars(statement))


async def counts_by_state(
    session: AsyncSession, newsletter_ids: Collection[UUID]
) -> Mapping[UUID, Mapping[str, int]]:
    """Return how many subscriptions of each state newsletters have; a person who can not be
    written to any more counts as one who has unsubscribed."""
    reachable = Subscriber.state.in_((SubscriberState.ACTIVE, SubscriberState.PENDING))
    found = await session.execute(
        select(
            Subscription.newsletter_id,
            func.count().filter(Subscription.state == SubscriptionState.ACTIVE, reachable),
            func.count().filter(Subscription.state == SubscriptionState.PENDING, reachable),
            func.count(),
        )
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .where(Subscription.newsletter_id.in_(newsletter_ids))
        .group_by(Subscription.newsletter_id)
    )
    return {
        newsletter_id: {
            "active": active,
            "pending": pending,
            "unsubscribed": everybody - active - pending,
        }
        for newsletter_id, active, pending, everybody in found
    }


async def owned(
    session: AsyncSession, owner_id: UUID, newsletter_ids: Collection[UUID]
) -> Sequence[Newsletter]:
    """Return those of these newsletters that are this user's."""
    found = await session.scalars(
        select(Newsletter).where(Newsletter.owner_id == owner_id, Newsletter.id.in_(newsletter_ids))
    )
    return found.all()


async def delete_newsletter(session: AsyncSession, newsletter_id: UUID) -> None:
    """Delete a newsletter with its issues and subscriptions."""
    await session.execute(delete(Newsletter).where(Newsletter.id == newsletter_id))


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[Newsletter]:
    """Return newsletters that are due, locked; those that somebody else looks at are left out."""
    found = await session.scalars(
        select(Newsletter)
        .where(
            Newsletter.status == NewsletterState.ACTIVE,
            Newsletter.subscription_status == Paid.ACTIVE,
            Newsletter.next_due_at <= now,
        )
        .order_by(Newsletter.next_due_at)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return found.all()
