"""Into the queue: each account's delivery at the account's own next free slot."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.queries import Account
from service.errors import InvalidInput, Problem
from service.planning import queries as planning
from service.posts.models import Delivery, DeliveryState, Post
from service.posts.schemas import NEXT_SLOT

Times = Mapping[UUID, datetime]
"""When something goes out, by account."""


async def take(
    session: AsyncSession,
    publish_at: str | None,
    accounts: Sequence[Account],
    moment: datetime,
    problems: list[Problem],
) -> Times:
    """Return the next free slot of each account, if that is what a request wants.

    The slots stay free for this transaction: the accounts are locked until it ends.
    """
    if publish_at != NEXT_SLOT:
        return {}
    if not accounts:
        problems.append(Problem("publish_at", "next_slot needs accounts, whose slots they are"))
        return {}
    found = await planning.take_slots(session, [account.id for account in accounts], moment)
    problems += [
        Problem("publish_at", _why_not(account)) for account in accounts if account.id not in found
    ]
    return found


def _why_not(account: Account) -> str:
    return (
        f"{account.platform} account {account.handle} has no free slot: give it times of the week "
        f"with PUT /v1/accounts/{account.id}/slots, or on its page"
    )


async def taken(
    session: AsyncSession, publish_at: str | None, accounts: Sequence[Account], moment: datetime
) -> Times:
    """Return slots as `take` does. Raises InvalidInput for an account without one."""
    problems: list[Problem] = []
    found = await take(session, publish_at, accounts, moment, problems)
    if problems:
        raise InvalidInput(problems)
    return found


async def zone_of(session: AsyncSession, times: Times) -> str:
    """Return the zone of the plan that the first of these slots is of."""
    plan = await planning.slot_plan(session, min(times, key=times.__getitem__))
    return plan.zone if plan else "UTC"


def put(post: Post, times: Times) -> None:
    """Give the open deliveries of a post their own times."""
    for delivery in post.deliveries:
        if delivery.account_id in times and delivery.state != DeliveryState.CANCELLED:
            delivery.due_at = delivery.next_run_at = times[delivery.account_id]


def own_time(delivery: Delivery, post: Post, moment: datetime) -> datetime:
    """Return when a draft's delivery is to go out: in its slot, if that is after the first one."""
    if post.publish_at is None:
        return moment
    return max(delivery.due_at, post.publish_at, moment)
