"""SQL of the overview: the few deliveries that matter now. Each statement reads along an index."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal_column, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.accounts.models import Account
from service.posts.counting_queries import LATE, TROUBLED
from service.posts.models import DUE_STATES, Delivery, DeliveryState, Post

SHOWN = 120
"""Characters of a text."""


class Glance(NamedTuple):
    """A delivery in one line."""

    post_id: UUID
    platform: str
    account: str
    text: str
    """The beginning of what is said."""
    state: str
    at: datetime
    """When it is due or, published, when that was."""
    error: str | None
    url: str | None
    """Where readers find it."""


async def troubled(
    session: AsyncSession, caller: Caller, since: datetime, limit: int
) -> list[Glance]:
    """Return the last deliveries, due since then, that do not go on without a person."""
    row = Delivery
    wanted = row.state.in_(_literal(TROUBLED)), row.due_at > since
    return await _deliveries(session, caller, wanted, row.due_at.desc(), limit)


async def late(session: AsyncSession, caller: Caller, now: datetime, limit: int) -> list[Glance]:
    """Return the deliveries that are late, the latest of them first."""
    row = Delivery
    wanted = row.state.in_(_literal(DUE_STATES)), row.next_run_at < now - LATE
    return await _deliveries(session, caller, wanted, row.next_run_at.asc(), limit)


async def coming(
    session: AsyncSession, caller: Caller, now: datetime, within: timedelta, limit: int
) -> list[Glance]:
    """Return what goes out next."""
    row = Delivery
    wanted = row.state.in_(_literal(DUE_STATES)), row.next_run_at.between(now, now + within)
    return await _deliveries(session, caller, wanted, row.next_run_at.asc(), limit)


async def published(session: AsyncSession, caller: Caller, limit: int) -> list[Glance]:
    """Return what went out last: the last of each account, for they have an index each."""
    row, account = Delivery, Account
    mine = true() if caller.is_admin else account.owner_id == caller.user_id
    last = (
        select(row.id)
        .where(
            row.account_id == account.id,
            row.state == literal_column("'published'"),
            row.published_at.is_not(None),
        )
        .order_by(row.published_at.desc())
        .limit(limit)
        .lateral()
    )
    found = select(last.c.id).select_from(account).join(last, true()).where(mine)
    return await _deliveries(session, caller, (row.id.in_(found),), row.published_at.desc(), limit)


async def _deliveries(
    session: AsyncSession,
    caller: Caller,
    wanted: Sequence[ColumnElement[bool]],
    order: ColumnElement[Any],
    limit: int,
) -> list[Glance]:
    row = Delivery
    mine = true() if caller.is_admin else row.owner_id == caller.user_id
    found = (
        select(
            *(row.post_id, row.platform, Account.handle),
            func.left(func.coalesce(row.text, Post.text), SHOWN),
            *(row.state, func.coalesce(row.published_at, row.next_run_at)),
            *(func.left(row.error, SHOWN), row.remote_url),
        )
        .join(Post, Post.id == row.post_id)
        .join(Account, Account.id == row.account_id)
        .where(mine, *wanted)
        .order_by(order, row.id)
        .limit(limit)
    )
    return [Glance(*values) for values in await session.execute(found)]


def _literal(states: Sequence[DeliveryState]) -> list[ColumnElement[str]]:
    """Return states as the conditions of the indexes have them."""
    return [literal_column(f"'{state}'") for state in states]
