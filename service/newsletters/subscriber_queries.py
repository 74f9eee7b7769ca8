"""Every SQL statement of subscribers and their subscriptions; imports have their own file."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.emails.models import Suppression
from service.kit.ids import uuid7
from service.kit.pagination import Page, Rows, encode_cursor
from service.newsletters.models import (
    DUE_STATES,
    DeliveryState,
    Issue,
    IssueDelivery,
    Newsletter,
    Subscriber,
    SubscriberState,
    Subscription,
    SubscriptionState,
)

EXPORTED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which subscribers a list shows; None is any."""

    newsletter_id: UUID | None = None
    state: str | None = None
    tag: str | None = None
    search: str | None = None
    """Part of the address or the name."""


def _visible(caller: Caller) -> Select[Subscriber]:
    statement = select(Subscriber)
    return statement if caller.is_admin else statement.where(Subscriber.owner_id == caller.user_id)


async def subscriber(
    session: AsyncSession, caller: Caller, subscriber_id: UUID
) -> Subscriber | None:
    """Return a subscriber if the caller may see them."""
    return await session.scalar(_visible(caller).where(Subscriber.id == subscriber_id))


async def subscriber_for_change(
    session: AsyncSession, caller: Caller, subscriber_id: UUID
) -> Subscriber | None:
    """Return a subscriber, locked until the transaction ends, if the caller may see them."""
    statement = _visible(caller).where(Subscriber.id == subscriber_id)
    return await session.scalar(statement.with_for_update(key_share=True))


async def of_address(session: AsyncSession, owner_id: UUID, key: str) -> Subscriber | None:
    """Return a user's subscriber of this address, locked until the transaction ends."""
    statement = select(Subscriber).where(Subscriber.owner_id == owner_id, Subscriber.key == key)
    return await session.scalar(statement.with_for_update(key_share=True))


async def add_subscriber(session: AsyncSession, values: Mapping[str, Any]) -> bool:
    """Write a new subscriber; return False if there is one of the address."""
    new = insert(Subscriber).values(id=uuid7(), **values).on_conflict_do_nothing()
    return await session.scalar(new.returning(Subscriber.id)) is not None


async def list_subscribers(
    session: AsyncSession, caller: Caller, page: Page, wanted: Wanted
) -> Rows[Subscriber]:
    """Return a page of subscribers, newest first."""
    statement = _filtered(_visible(caller), wanted)
    if page.before:
        statement = statement.where(Subscriber.id < page.before)
    statement = statement.order_by(Subscriber.id.desc()).limit(page.limit + 1)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


def _filtered(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    if wanted.newsletter_id:
        among = exists().where(
            Subscription.subscriber_id == Subscriber.id,
            Subscription.newsletter_id == wanted.newsletter_id,
            *([Subscription.state == wanted.state] if wanted.state in _SUBSCRIBED else []),
        )
        statement = statement.where(among)
    if wanted.state and not (wanted.newsletter_id and wanted.state in _SUBSCRIBED):
        statement = statement.where(Subscriber.state == wanted.state)
    if wanted.tag:
        statement = statement.where(Subscriber.tags.contains([wanted.tag]))
    if wanted.search:
        words = wanted.search.casefold()
        statement = statement.where(
            or_(
                Subscriber.key.contains(words, autoescape=True),
                func.lower(Subscriber.name).contains(words, autoescape=True),
            )
        )
    return statement


_SUBSCRIBED = frozenset(SubscriptionState)


async def subscriptions(
    session: AsyncSession, subscriber_ids: Collection[UUID]
) -> Mapping[UUID, list[Subscription]]:
    """Return the subscriptions of these subscribers, oldest first."""
    found = await session.scalars(
        select(Subscription)
        .where(Subscription.subscriber_id.in_(subscriber_ids))
        .order_by(Subscription.id)
    )
    by_subscriber: dict[UUID, list[Subscription]] = {each: [] for each in subscriber_ids}
    for row in found:
        by_subscriber[row.subscriber_id].append(row)
    return by_subscriber


async def latest_deliveries(
    session: AsyncSession, subscriber_id: UUID, limit: int
) -> Sequence[Any]:
    """Return the last issues that went to a person, each with what became of it."""
    found = await session.execute(
        select(
            Issue.id.label("issue_id"),
            Issue.subject,
            IssueDelivery.state,
            IssueDelivery.error,
            IssueDelivery.sent_at,
            IssueDelivery.delivered_at,
            IssueDelivery.opened_at,
            IssueDelivery.complained_at,
            IssueDelivery.unsubscribed_at,
        )
        .join(Issue, Issue.id == IssueDelivery.issue_id)
        .where(IssueDelivery.subscriber_id == subscriber_id)
        .order_by(Issue.id.desc())
        .limit(limit)
    )
    return found.all()


async def suppressions(session: AsyncSession, keys: Collection[str]) -> Mapping[str, str]:
    """Return why nothing is mailed to addresses, by their keys; for the others nothing."""
    found = await session.execute(
        select(Suppression.address, Suppression.reason).where(Suppression.address.in_(keys))
    )
    return {row.address: row.reason for row in found}


async def add_subscription(
    session: AsyncSession, newsletter_id: UUID, subscriber_id: UUID
) -> Subscription:
    """Return a person's subscription to a newsletter, locked; a new one is pending."""
    new = insert(Subscription).values(
        id=uuid7(), newsletter_id=newsletter_id, subscriber_id=subscriber_id
    )
    await session.execute(new.on_conflict_do_nothing())
    found = await session.scalars(
        select(Subscription)
        .where(
            Subscription.newsletter_id == newsletter_id,
            Subscription.subscriber_id == subscriber_id,
        )
        .with_for_update()
    )
    return found.one()


async def subscription(session: AsyncSession, subscription_id: UUID) -> Any:
    """Return a subscription, locked, with its subscriber and newsletter."""
    found = await session.execute(
        select(Subscription, Subscriber, Newsletter)
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .join(Newsletter, Newsletter.id == Subscription.newsletter_id)
        .where(Subscription.id == subscription_id)
        .with_for_update(of=(Subscription, Subscriber))
    )
    return found.one_or_none()


async def of_delivery(session: AsyncSession, delivery_id: UUID) -> Any:
    """Return a delivery, locked, with its issue's newsletter."""
    found = await session.execute(
        select(IssueDelivery, Newsletter)
        .join(Issue, Issue.id == IssueDelivery.issue_id)
        .join(Newsletter, Newsletter.id == Issue.newsletter_id)
        .where(IssueDelivery.id == delivery_id)
        .with_for_update(of=IssueDelivery)
    )
    return found.one_or_none()


async def unsubscribe(
    session: AsyncSession, newsletter_id: UUID, subscriber_id: UUID, now: datetime
) -> bool:
    """End a subscription; return False if there is none that is pending or active."""
    ended = await session.scalar(
        update(Subscription)
        .where(
            Subscription.newsletter_id == newsletter_id,
            Subscription.subscriber_id == subscriber_id,
            Subscription.state != SubscriptionState.UNSUBSCRIBED,
        )
        .values(
            state=SubscriptionState.UNSUBSCRIBED,
            unsubscribed_at=now,
            confirmed_at=None,
            round=Subscription.round + 1,
        )
        .returning(Subscription.id)
    )
    left = exists().where(
        Subscription.subscriber_id == subscriber_id,
        Subscription.state != SubscriptionState.UNSUBSCRIBED,
    )
    await session.execute(
        update(Subscriber)
        .where(
            Subscriber.id == subscriber_id,
            Subscriber.state.in_((SubscriberState.ACTIVE, SubscriberState.PENDING)),
            ~left,
        )
        .values(state=SubscriberState.UNSUBSCRIBED)
    )
    await hold_back(session, subscriber_id, newsletter_id)
    return ended is not None


async def unsubscribe_all(session: AsyncSession, subscriber_id: UUID, now: datetime) -> None:
    """End all subscriptions of a person."""
    await session.execute(
        update(Subscription)
        .where(
            Subscription.subscriber_id == subscriber_id,
            Subscription.state != SubscriptionState.UNSUBSCRIBED,
        )
        .values(
            state=SubscriptionState.UNSUBSCRIBED,
            unsubscribed_at=now,
            confirmed_at=None,
            round=Subscription.round + 1,
        )
    )
    await hold_back(session, subscriber_id)


async def hold_back(
    session: AsyncSession, subscriber_id: UUID, newsletter_id: UUID | None = None
) -> None:
    """Let mails not go out that wait for a person, of one newsletter or of all."""
    statement = (
        update(IssueDelivery)
        .where(
            IssueDelivery.subscriber_id == subscriber_id,
            IssueDelivery.state.in_((*DUE_STATES, DeliveryState.CLAIMED)),
        )
        .values(
            state=DeliveryState.SUPPRESSED,
            error="the reader has left meanwhile",
            claim_token=None,
            claimed_until=None,
        )
    )
    if newsletter_id is not None:
        issues = select(Issue.id).where(Issue.newsletter_id == newsletter_id)
        statement = statement.where(IssueDelivery.issue_id.in_(issues))
    await session.execute(statement)


async def set_state(session: AsyncSession, subscriber_id: UUID, state: SubscriberState) -> None:
    """Note what became of a person who was active or pending."""
    await session.execute(
        update(Subscriber)
        .where(
            Subscriber.id == subscriber_id,
            Subscriber.state.in_((SubscriberState.ACTIVE, SubscriberState.PENDING)),
        )
        .values(state=state)
    )


async def forget(session: AsyncSession, subscriber_id: UUID) -> None:
    """Delete a person; the figures of issues stay, without address and name."""
    ended = (*DUE_STATES, DeliveryState.CLAIMED)
    await hold_back(session, subscriber_id)
    nobody = func.concat("deleted:", IssueDelivery.id)
    await session.execute(
        update(IssueDelivery)
        .where(IssueDelivery.subscriber_id == subscriber_id, IssueDelivery.state.not_in(ended))
        .values(address="", key=nobody, name="", error=None)
    )
    await session.execute(delete(Subscriber).where(Subscriber.id == subscriber_id))


async def exported(
    session: AsyncSession, caller: Caller, newsletter_id: UUID
) -> AsyncIterator[Sequence[Row[Any]]]:
    """Yield the subscribers of a newsletter in batches, oldest first."""
    after: UUID | None = None
    while True:
        statement = (
            select(
                Subscription.id,
                Subscriber.address,
                Subscriber.name,
                Subscriber.state.label("person"),
                Subscription.state,
                Subscriber.tags,
                Subscriber.attributes,
                Subscriber.consent,
                Subscription.confirmed_at,
                Subscription.unsubscribed_at,
                Subscription.created_at,
            )
            .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
            .where(Subscription.newsletter_id == newsletter_id)
            .order_by(Subscription.id)
            .limit(EXPORTED_AT_ONCE)
        )
        if not caller.is_admin:
            statement = statement.where(Subscriber.owner_id == caller.user_id)
        if after is not None:
            statement = statement.where(Subscription.id > after)
        rows = (await session.execute(statement)).all()
        if not rows:
            return
        yield rows
        after = rows[-1].id
