"""The statements of an import of subscribers: a batch in a few round trips."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.emails.models import Suppression
from service.kit.ids import uuid7
from service.newsletters.models import (
    Subscriber,
    Subscription,
    SubscriptionState,
)


async def expect_growth(session: AsyncSession) -> None:
    """Plan every statement of this transaction anew, as the tables are by then.

    Plans that PostgreSQL made while they were small, also of foreign keys, would look at every row
    for each new one.
    """
    await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))


async def present(
    session: AsyncSession, owner_id: UUID, newsletter_id: UUID, keys: Sequence[str]
) -> Mapping[str, Any]:
    """Return the person and the subscription of those of these addresses that are known."""
    found = await session.execute(
        select(Subscriber.key, Subscriber.state.label("person"), Subscription.state)
        .outerjoin(
            Subscription,
            and_(
                Subscription.subscriber_id == Subscriber.id,
                Subscription.newsletter_id == newsletter_id,
            ),
        )
        .where(Subscriber.owner_id == owner_id, Subscriber.key.in_(keys))
    )
    return {row.key: row for row in found}


async def suppressed(session: AsyncSession, keys: Sequence[str]) -> set[str]:
    """Return those of these addresses, as keys, that nothing is mailed to."""
    found = select(Suppression.address).where(Suppression.address.in_(keys))
    return set(await session.scalars(found))


async def put_people(
    session: AsyncSession, rows: Sequence[Mapping[str, Any]], *, confirmed: bool
) -> Mapping[str, UUID]:
    """Write people, or complete who is there; return their ids by key.

    Args:
        session: of the caller's transaction.
        rows: in the order of their keys, so that two imports do not lock each other out.
        confirmed: whether they have said yes, so that who was never asked is active from here on.
    """
    new = insert(Subscriber)
    tags = text(
        "ARRAY(SELECT tag FROM unnest(subscribers.tags || excluded.tags) WITH ORDINALITY "
        "AS t(tag, n) GROUP BY tag ORDER BY min(n))"
    )
    values: dict[str, Any] = {
        "name": func.coalesce(func.nullif(Subscriber.name, ""), new.excluded.name),
        "tags": tags,
        "attributes": Subscriber.attributes.op("||")(new.excluded.attributes),
    }
    if confirmed:
        values["state"] = text(
            "CASE subscribers.state WHEN 'pending' THEN 'active' ELSE subscribers.state END"
        )
        values["confirmed_at"] = func.coalesce(Subscriber.confirmed_at, new.excluded.confirmed_at)
        values["consent"] = func.coalesce(func.nullif(Subscriber.consent, ""), new.excluded.consent)
    statement = new.on_conflict_do_update(
        index_elements=[Subscriber.owner_id, Subscriber.key], set_=values
    ).returning(Subscriber.key, Subscriber.id)
    found = await session.execute(statement, [{"id": uuid7(), **row} for row in rows])
    return {row.key: row.id for row in found}


async def put_subscriptions(
    session: AsyncSession,
    newsletter_id: UUID,
    subscriber_ids: Sequence[UUID],
    now: datetime,
    *,
    confirmed: bool,
) -> Sequence[Subscription]:
    """Subscribe people; return the subscriptions that are new, or confirmed by it."""
    state = SubscriptionState.ACTIVE if confirmed else SubscriptionState.PENDING
    new = insert(Subscription)
    rows = [
        {
            "id": uuid7(),
            "newsletter_id": newsletter_id,
            "subscriber_id": each,
            "state": state,
            "asked_at": None if confirmed else now,
            "confirmed_at": now if confirmed else None,
        }
        for each in subscriber_ids
    ]
    if not rows:
        return []
    key = [Subscription.newsletter_id, Subscription.subscriber_id]
    if confirmed:
        new = new.on_conflict_do_update(
            index_elements=key,
            set_={"state": new.excluded.state, "confirmed_at": new.excluded.confirmed_at},
            where=Subscription.state == SubscriptionState.PENDING,
        )
    else:
        new = new.on_conflict_do_nothing(index_elements=key)
    found = await session.scalars(new.returning(Subscription), rows)
    return found.all()
