"""SQL of the lists that people look through: by state, by account, by words in the text.

A list walks along an index and stops: at a full page, or after `SCANNED` rows; then it says from
where one can look on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    literal,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.kit.pagination import no_cursor, pack, unpack
from service.posts import queries
from service.posts.counting_queries import LATE, TROUBLED
from service.posts.models import DUE_STATES, UNSCHEDULED, Delivery, DeliveryState, Post

SCANNED = 5_000
"""Rows in which one request looks for words or an account."""
PER_POST = 8
"""Deliveries that are read for each post of a page where nothing else is asked."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


Walk = Select[datetime, UUID, UUID, bool]
Walked = Row[datetime, UUID, UUID, bool]
"""When, the row itself, its post, and whether it is looked for."""


class Show(StrEnum):
    """Which posts are listed."""

    ALL = "all"
    SCHEDULED = "scheduled"
    DRAFTS = "drafts"
    TO_APPROVE = "to approve"
    FAILED = "failed"
    LATE = "late"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for."""

    show: Show = Show.ALL
    text: str = ""
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of posts; from `cursor` one can look on."""

    posts: Sequence[Post]
    cursor: str | None
    bounded: bool = False
    """Whether it ended because enough rows were looked at, not because the page was full."""


def _in(states: Sequence[DeliveryState]) -> ColumnElement[bool]:
    """Written out, not bound: only so do indexes that are limited to states serve."""
    return Delivery.state.in_([literal_column(f"'{state}'") for state in states])


SOONEST_FIRST = {Show.SCHEDULED, Show.LATE}
STATES: Mapping[Show, ColumnElement[bool]] = {
    Show.SCHEDULED: _in(DUE_STATES),
    Show.LATE: _in(DUE_STATES),
    Show.FAILED: _in(TROUBLED),
    Show.PUBLISHED: _in([DeliveryState.PUBLISHED]),
}
"""What is listed by when it is due; the rest is by when it was written."""


async def search(  # noqa: PLR0913, PLR0917 - a list: whose, which, when, how much, from where
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    now: datetime,
    limit: int,
    cursor: str | None = None,
) -> Found:
    """Return a page of what somebody looks for, of what they may see.

    Raises:
        InvalidInput: the cursor is of no such list.
    """
    after = _unpack(cursor) if cursor else None
    if wanted.show in STATES:
        statement, filtered = _due(wanted, now, after), bool(wanted.text)
        mine = Delivery.owner_id == caller.user_id
    else:
        statement = _written(wanted, after)
        filtered = bool(wanted.text) or wanted.account_id is not None
        mine = Post.owner_id == caller.user_id
    if not caller.is_admin:
        statement = statement.where(mine)
    most = SCANNED if filtered else (limit + 1) * PER_POST
    rows = (await session.execute(statement.limit(most))).all()
    ids, last = _first_posts(rows, limit)
    found = {post.id: post for post in await queries.posts_by_id(session, caller, ids)}
    posts = [found[post_id] for post_id in ids if post_id in found]
    if last is not None:
        return Found(posts, _pack(last))
    more = len(rows) == most
    return Found(posts, _pack(rows[-1]) if more else None, bounded=more and filtered)


def _first_posts(rows: Sequence[Walked], limit: int) -> tuple[list[UUID], Walked | None]:
    """Return the posts of a page, and the row after which the next begins if there is one."""
    ids: dict[UUID, None] = {}
    for index, row in enumerate(rows):
        if row.fits and row.post_id not in ids:
            if len(ids) == limit:
                return list(ids), rows[index - 1]
            ids[row.post_id] = None
    return list(ids), None


def _due(wanted: Wanted, now: datetime, after: tuple[datetime, UUID] | None) -> Walk:
    """Walk along deliveries; a post stands where its first one does."""
    soonest_first = wanted.show in SOONEST_FIRST
    at = Delivery.next_run_at if soonest_first else Delivery.due_at
    keys = (at, Delivery.id) if soonest_first else (at.desc(), Delivery.id.desc())
    fits = _says(wanted.text, Delivery.text)
    statement = (
        select(at.label("at"), Delivery.id, Delivery.post_id, fits.label("fits"))
        .join(Post, Post.id == Delivery.post_id)
        .where(STATES[wanted.show])
        .order_by(*keys)
    )
    if wanted.account_id is not None:
        statement = statement.where(Delivery.account_id == wanted.account_id)
    if wanted.show is Show.LATE:
        statement = statement.where(at < now - LATE)
    if wanted.show is Show.PUBLISHED:
        statement = statement.where(at <= now)  # begins the walk where such ones are
    if after is not None:
        place = tuple_(at, Delivery.id)
        statement = statement.where(place > after if soonest_first else place < after)
    return statement


def _written(wanted: Wanted, after: tuple[datetime, UUID] | None) -> Walk:
    """Walk along posts, the newest first."""
    fits = _says(wanted.text)
    if wanted.account_id is not None:
        fits &= Post.deliveries.any(Delivery.account_id == wanted.account_id)
    at = literal(BEGINNING).label("at")
    statement = select(at, Post.id, Post.id.label("post_id"), fits.label("fits"))
    statement = statement.order_by(Post.id.desc())
    if wanted.show is not Show.ALL:
        # A draft that went with its account is cancelled.
        drafted = Post.deliveries.any(_in(UNSCHEDULED)) | not_(Post.deliveries.any())
        statement = statement.where(Post.drafted, drafted)
    if wanted.show is Show.TO_APPROVE:
        statement = statement.where(Post.submitted_at.is_not(None))
    if after is not None:
        statement = statement.where(Post.id < after[1])
    return statement


def _says(words: str, *others: Any) -> ColumnElement[bool]:
    if not words:
        return literal(value=True)
    columns = (Post.text, Post.link, *others)
    return or_(*(column.icontains(words, autoescape=True).is_(True) for column in columns))


def _pack(row: Walked) -> str:
    micros = round((row.at - BEGINNING).total_seconds() * 1_000_000)
    return pack(micros.to_bytes(8, "big", signed=True) + row.id.bytes)


def _unpack(cursor: str) -> tuple[datetime, UUID]:
    try:
        content = unpack(cursor)
        micros = int.from_bytes(content[:8], "big", signed=True)
        at = datetime.fromtimestamp(micros // 1_000_000, UTC)
        return at.replace(microsecond=micros % 1_000_000), UUID(bytes=content[8:])
    except (ValueError, OverflowError, OSError):
        raise no_cursor() from None
