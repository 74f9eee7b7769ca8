"""Every SQL statement that reads measures."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.accounts.models import Account
from service.measures.claim_queries import IS_PUBLISHED
from service.measures.models import (
    AccountMeasure,
    AccountMeasuring,
    DeliveryMeasure,
    DeliveryMeasuring,
)
from service.measures.rules import Measure
from service.posts.models import Delivery, Post


class Plan(NamedTuple):
    """When somebody is asked for figures next, and how it went."""

    next_at: datetime | None = None
    measured_at: datetime | None = None
    error: str | None = None
    missing_since: datetime | None = None


class Sum(NamedTuple):
    """What the posts of an account came to."""

    account_id: UUID
    posts: int
    """How many have figures."""
    figures: dict[str, int]


@dataclass(slots=True)
class Measured:
    """What is known of a delivery."""

    delivery: Delivery
    plan: Plan | None = None
    series: list[Measure] = field(default_factory=list)
    """The oldest first."""


async def sees_post(session: AsyncSession, caller: Caller, post_id: UUID) -> bool:
    """Whether there is such a post for the caller."""
    statement = select(Post.id).where(Post.id == post_id, _seen(caller, Post.owner_id))
    return await session.scalar(statement) is not None


async def sees_account(session: AsyncSession, caller: Caller, account_id: UUID) -> bool:
    """Whether there is such an account for the caller."""
    statement = select(Account.id).where(Account.id == account_id, _seen(caller, Account.owner_id))
    return await session.scalar(statement) is not None


def _seen(caller: Caller, owner: Any) -> ColumnElement[bool]:
    return true() if caller.is_admin else owner == caller.user_id


async def of_post(session: AsyncSession, post_id: UUID) -> Sequence[Measured]:
    """Return what is known of the published deliveries of a post, in their order."""
    rows = await session.execute(
        select(Delivery, DeliveryMeasuring)
        .outerjoin(DeliveryMeasuring, DeliveryMeasuring.delivery_id == Delivery.id)
        .where(Delivery.post_id == post_id, IS_PUBLISHED)
        .order_by(Delivery.position, Delivery.id)
    )
    found = {delivery.id: Measured(delivery, _plan(plan)) for delivery, plan in rows}
    measures = await session.scalars(
        select(DeliveryMeasure)
        .where(DeliveryMeasure.delivery_id.in_(found))
        .order_by(DeliveryMeasure.delivery_id, DeliveryMeasure.at)
    )
    for measure in measures:
        found[measure.delivery_id].series.append(Measure(measure.at, measure.figures))
    return list(found.values())


def _plan(row: DeliveryMeasuring | AccountMeasuring | None) -> Plan | None:
    if row is None:
        return None
    return Plan(row.next_at, row.measured_at, row.error, row.missing_since)


async def plan_of_account(session: AsyncSession, account_id: UUID) -> Plan | None:
    """Return when an account is measured; None: nobody has planned it yet."""
    return _plan(await session.get(AccountMeasuring, account_id))


async def of_account(
    session: AsyncSession, account_id: UUID, begin: datetime, end: datetime
) -> list[Measure]:
    """Return the measures of an account from `begin` to before `end`, the oldest first."""
    rows = await session.execute(
        select(AccountMeasure.at, AccountMeasure.figures)
        .where(
            AccountMeasure.account_id == account_id,
            AccountMeasure.at >= begin,
            AccountMeasure.at < end,
        )
        .order_by(AccountMeasure.at)
    )
    return [Measure(at, figures) for at, figures in rows]


async def sums(session: AsyncSession, caller: Caller, since: datetime) -> list[Sum]:
    """Return the sums of the newest figures of what was published since then, by account."""
    newest = (
        select(DeliveryMeasure.figures)
        .where(DeliveryMeasure.delivery_id == Delivery.id)
        .order_by(DeliveryMeasure.at.desc())
        .limit(1)
        .lateral("newest")
    )
    out = (
        select(Delivery.account_id, newest.c.figures)
        .join(newest, true())
        .where(
            IS_PUBLISHED,
            Delivery.published_at >= since,
            _seen(caller, Delivery.owner_id),
        )
        .cte("out")
    )
    figure = func.jsonb_each_text(out.c.figures).table_valued("key", "value", name="figure")
    summed = (
        select(
            out.c.account_id,
            figure.c.key,
            func.sum(cast(figure.c.value, BigInteger)).label("total"),
        )
        .join(figure, true())
        .group_by(out.c.account_id, figure.c.key)
        .cte("summed")
    )
    counted = (
        select(out.c.account_id, func.count().label("posts")).group_by(out.c.account_id)
    ).cte("counted")
    statement = (
        select(
            counted.c.account_id,
            counted.c.posts,
            func.jsonb_object_agg(summed.c.key, summed.c.total),
        )
        .join(summed, summed.c.account_id == counted.c.account_id)
        .group_by(counted.c.account_id, counted.c.posts)
    )
    return [Sum(*row) for row in await session.execute(statement)]


async def accounts(session: AsyncSession, caller: Caller) -> Sequence[Account]:
    """Return every account of the caller; of those that were removed the posts still count."""
    found = await session.scalars(
        select(Account)
        .where(_seen(caller, Account.owner_id))
        .order_by(Account.platform, Account.handle, Account.id)
    )
    return found.all()


async def newest_of_accounts(
    session: AsyncSession, ids: Collection[UUID]
) -> Mapping[UUID, Measure]:
    """Return the newest measure of each of these accounts that has one."""
    newest = (
        select(AccountMeasure.at, AccountMeasure.figures)
        .where(AccountMeasure.account_id == Account.id)
        .order_by(AccountMeasure.at.desc())
        .limit(1)
        .lateral("newest")
    )
    rows = await session.execute(
        select(Account.id, newest.c.at, newest.c.figures)
        .join(newest, true())
        .where(Account.id.in_(ids))
    )
    return {account_id: Measure(at, figures) for account_id, at, figures in rows}
