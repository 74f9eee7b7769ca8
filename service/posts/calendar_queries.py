"""SQL of the calendar: what goes out on which day, read no further than a page shows."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    FromClause,
    Row,
    Select,
    Uuid,
    bindparam,
    exists,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.posts.models import Delivery, DeliveryState, Post

MOST_COUNTED = 100
"""Posts of a day that are counted."""
MOST_DRAFTS = 500

Rows = Sequence[Row[*tuple[Any, ...]]]
Span = tuple[datetime, datetime]
"""From an instant, to before another."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which posts: those that a caller may see, to any of these accounts, in any of these states.

    No accounts stand for all accounts.
    """

    caller: Caller
    states: Collection[str]
    accounts: Collection[UUID] = ()


class Due(NamedTuple):
    """A post, and an instant at which some of its deliveries are due."""

    post_id: UUID
    at: datetime


class Found(NamedTuple):
    """What is due within a span of time, and how many there are, up to `MOST_COUNTED`."""

    due: list[Due]
    total: int


async def due(
    session: AsyncSession, wanted: Wanted, spans: Sequence[Span], limit: int
) -> list[Found]:
    """Return the posts of each span, the earliest first; drafts have a question of their own.

    Args:
        session: reads them.
        wanted: which of them.
        spans: of time, such as the days of a month.
        limit: of posts in one span.
    """
    if not spans:
        return []
    span = _spans(spans)
    rows = (
        select(Delivery.due_at, Delivery.post_id)
        .distinct()
        .where(Delivery.due_at >= span.c.begins, Delivery.due_at < span.c.ends)
        .where(*_conditions(wanted))
    )
    one = rows.order_by(Delivery.due_at, Delivery.post_id).limit(limit).lateral("one")
    counted = rows.limit(MOST_COUNTED).correlate(span).subquery()
    total = select(func.count().label("posts")).select_from(counted).lateral("total")
    statement = (
        select(span.c.number, total.c.posts, one.c.post_id, one.c.due_at)
        .select_from(span.join(total, true()).outerjoin(one, true()))
        .order_by(span.c.number, one.c.due_at, one.c.post_id)
    )
    found = [Found([], 0) for _ in spans]
    for number, count, post_id, due_at in await session.execute(statement):
        found[number - 1] = Found(found[number - 1].due, count)
        if post_id is not None:
            found[number - 1].due.append(Due(post_id, due_at))
    return found


def _spans(spans: Sequence[Span]) -> FromClause:
    instants = ARRAY(DateTime(timezone=True))
    begins = bindparam("begins", [begin for begin, _ in spans], type_=instants)
    ends = bindparam("ends", [end for _, end in spans], type_=instants)
    rows = func.unnest(begins, ends)
    return rows.table_valued("begins", "ends", with_ordinality="number").render_derived("span")


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Delivery.state.in_(wanted.states)]
    if not wanted.caller.is_admin:
        conditions.append(Delivery.owner_id == wanted.caller.user_id)
    if wanted.accounts:
        conditions.append(Delivery.account_id.in_(wanted.accounts))
    return conditions


async def dated_drafts(session: AsyncSession, wanted: Wanted, span: Span) -> Sequence[Due]:
    """Return the drafts that have a time in this span, the earliest first."""
    statement = (
        _drafts(wanted)
        .where(Post.publish_at >= span[0], Post.publish_at < span[1])
        .order_by(Post.publish_at, Post.id)
        .limit(MOST_DRAFTS)
    )
    found = await session.execute(statement)
    return [Due(post_id, at) for post_id, at in found if at is not None]


async def undated_drafts(session: AsyncSession, wanted: Wanted, limit: int) -> Sequence[UUID]:
    """Return the newest drafts without a time."""
    statement = _drafts(wanted).where(Post.publish_at.is_(None)).order_by(Post.id.desc())
    return [post_id for post_id, _ in await session.execute(statement.limit(limit))]


def _drafts(wanted: Wanted) -> Select[UUID, datetime | None]:
    statement = select(Post.id, Post.publish_at).where(Post.drafted)
    if not wanted.caller.is_admin:
        statement = statement.where(Post.owner_id == wanted.caller.user_id)
    if wanted.accounts:
        chosen = Delivery.account_id.in_(wanted.accounts)
        statement = statement.where(exists().where(Delivery.post_id == Post.id, chosen))
    return statement


async def posts(
    session: AsyncSession, caller: Caller, ids: Collection[UUID], characters: int
) -> Rows:
    """Return id, the beginning of the text, link, time, zone and count of images of these posts."""
    statement = select(
        Post.id,
        func.left(Post.text, characters).label("text"),
        Post.link,
        Post.publish_at,
        Post.zone,
        func.jsonb_array_length(Post.media).label("images"),
    ).where(Post.id == func.any(_array(ids)))
    if not caller.is_admin:
        statement = statement.where(Post.owner_id == caller.user_id)
    return (await session.execute(statement)).all()


async def deliveries(session: AsyncSession, post_ids: Collection[UUID]) -> Rows:
    """Return what the calendar says of every delivery of these posts."""
    row = Delivery
    statement = (
        select(
            *(row.id, row.post_id, row.account_id, row.platform, row.state, row.due_at),
            *(row.next_run_at, row.attempts, row.published_at, row.remote_url, row.hold),
            func.left(row.error, 500).label("error"),
            row.commit_started_at.is_not(None).label("committing"),
        )
        .where(row.post_id == func.any(_array(post_ids)), row.position == 0)
        .order_by(row.id)
    )
    return (await session.execute(statement)).all()


def _array(ids: Collection[UUID]) -> ColumnElement[Any]:
    return literal(list(ids), ARRAY(Uuid))


async def last_published(
    session: AsyncSession, account_ids: Collection[UUID], since: datetime, limit: int
) -> dict[UUID, Counter[datetime]]:
    """Return when each of these accounts last published: up to so many instants of each."""
    account = func.unnest(_array(account_ids)).table_valued("id").render_derived("account")
    rows = (
        select(Delivery.published_at)
        .where(
            Delivery.account_id == account.c.id,
            Delivery.state == DeliveryState.PUBLISHED,
            Delivery.published_at > since,
        )
        .order_by(Delivery.published_at.desc())
        .limit(limit)
        .lateral("published")
    )
    statement = select(account.c.id, rows.c.published_at).join(rows, true())
    found: dict[UUID, Counter[datetime]] = {}
    for account_id, at in await session.execute(statement):
        found.setdefault(account_id, Counter())[at] += 1
    return found
