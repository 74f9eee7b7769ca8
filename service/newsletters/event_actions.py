"""What becomes of a delivery by what is told of it: by a provider, or by the reader's own click."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import NotFound
from service.kit.clock import now
from service.newsletters import reader_queries, subscriber_queries
from service.newsletters.models import (
    DeliveryState,
    IssueDelivery,
    Newsletter,
    Subscriber,
    SubscriberState,
    Subscription,
    SubscriptionState,
)
from service.newsletters.subscriber_actions import GONE, activate
from service.providers.mail.events import MailEvent, MailEventKind

ARRIVED = (MailEventKind.ACCEPTED, MailEventKind.DELIVERED)
BACK = (MailEventKind.BOUNCED, MailEventKind.SOFT_BOUNCED)


async def mail_event(session: AsyncSession, delivery_id: UUID, event: MailEvent) -> bool:
    """Note what a provider tells of a mail of an issue; return False if it is none.

    Bounces and complaints of the address are the caller's to count. An event that comes again
    changes nothing but the counts of opens and clicks; whoever calls tells it once.
    """
    found = await subscriber_queries.of_delivery(session, delivery_id)
    if found is None:
        return False
    delivery: IssueDelivery = found.IssueDelivery
    newsletter: Newsletter = found.Newsletter
    if event.kind in ARRIVED:
        await reader_queries.put_event(session, delivery.id, DeliveryState.SENT, event.at, None)
        if event.kind == MailEventKind.DELIVERED:
            delivery.delivered_at = delivery.delivered_at or event.at
    elif event.kind in BACK:
        state = DeliveryState.BOUNCED
        await reader_queries.put_event(session, delivery.id, state, event.at, event.reason)
        delivery.code = event.code or delivery.code
        if event.kind == MailEventKind.BOUNCED:
            await _gone(session, delivery, SubscriberState.BOUNCED)
    elif event.kind == MailEventKind.COMPLAINED:
        delivery.complained_at = delivery.complained_at or event.at
        await _gone(session, delivery, SubscriberState.COMPLAINED)
    elif event.kind == MailEventKind.UNSUBSCRIBED:
        await _leave(session, delivery, newsletter)
    elif event.kind == MailEventKind.OPENED:
        await reader_queries.count_open(session, delivery.id, event.at)
    await session.flush()
    return True


async def unsubscribe(session: AsyncSession, delivery_id: UUID) -> Newsletter:
    """End the subscription that a mail was sent for; return its newsletter. Raises NotFound."""
    found = await subscriber_queries.of_delivery(session, delivery_id)
    if found is None:
        raise NotFound("There is no such mail any more")
    newsletter: Newsletter = found.Newsletter
    await _leave(session, found.IssueDelivery, newsletter)
    await session.flush()
    return newsletter


async def confirm(session: AsyncSession, subscription_id: UUID, round_: int) -> Newsletter:
    """Confirm a subscription; a second time changes nothing.

    Raises:
        NotFound: there is no such subscription, or it has ended since the mail was sent.
    """
    found = await subscriber_queries.subscription(session, subscription_id)
    if found is None or found.Subscription.round != round_:
        raise NotFound("This link has ended: subscribe again")
    row: Subscription = found.Subscription
    person: Subscriber = found.Subscriber
    newsletter: Newsletter = found.Newsletter
    if person.state in GONE:
        raise NotFound("This link has ended: subscribe again")
    if row.state == SubscriptionState.PENDING:
        activate(row, person)
    await session.flush()
    return newsletter


async def _gone(session: AsyncSession, delivery: IssueDelivery, state: SubscriberState) -> None:
    if delivery.subscriber_id is not None:
        await subscriber_queries.set_state(session, delivery.subscriber_id, state)
        await subscriber_queries.hold_back(session, delivery.subscriber_id)


async def _leave(session: AsyncSession, delivery: IssueDelivery, newsletter: Newsletter) -> None:
    moment = now()
    delivery.unsubscribed_at = delivery.unsubscribed_at or moment
    if delivery.subscriber_id is not None:
        await subscriber_queries.unsubscribe(session, newsletter.id, delivery.subscriber_id, moment)


async def opened(session: AsyncSession, delivery_id: UUID) -> None:
    """Count that a mail was opened, where its newsletter counts that."""
    await reader_queries.count_open(session, delivery_id, now())


async def clicked(session: AsyncSession, delivery_id: UUID, number: int) -> str:
    """Count a click; return where the link leads, as the issue has it. Raises NotFound."""
    url = await reader_queries.link(session, delivery_id, number)
    if url is None:
        raise NotFound("The issue has no such link")
    await reader_queries.count_click(session, delivery_id, number, now())
    return url
