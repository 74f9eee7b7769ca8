"""SQL of what goes to accounts: figures for their pages, and the end of an account."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    and_,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.models import Account
from service.posts.models import (
    DUE_STATES,
    END_STATES,
    UNSCHEDULED,
    Attempt,
    Delivery,
    DeliveryState,
    Post,
)

MOST_COUNTED = 1000
"""Where counting ends, of each kind and account."""
MOST_TROUBLED = 20_000
"""Where counting ends of what is held or failed, over all accounts asked for."""
LATELY = timedelta(days=7)
UNKNOWN = "The account was removed before it was known whether the post came through"


def _in(*states: DeliveryState) -> ColumnElement[bool]:
    """Written out, not bound: only so do indexes that are limited to states serve."""
    return Delivery.state.in_([literal_column(f"'{state}'") for state in states])


DUE = _in(*DUE_STATES)
PUBLISHED = _in(DeliveryState.PUBLISHED)
TROUBLED = _in(DeliveryState.FAILED, DeliveryState.UNCONFIRMED)
INDEXED_TROUBLE = _in(DeliveryState.FAILED, DeliveryState.UNCONFIRMED, DeliveryState.HELD)
HELD = and_(INDEXED_TROUBLE, Delivery.state == literal_column(f"'{DeliveryState.HELD}'"))
OPEN, DRAFTS = ~_in(*END_STATES, *UNSCHEDULED), _in(*UNSCHEDULED)


@dataclass(slots=True)
class Figures:
    """What goes to one account; `MOST_COUNTED` stands for as many or more."""

    scheduled: int = 0
    next_at: datetime | None = None
    held: int = 0
    failed: int = 0
    """Lately: failed for good, or of unknown outcome."""
    last_published: datetime | None = None


async def figures(
    session: AsyncSession, ids: Collection[UUID], now: datetime
) -> Mapping[UUID, Figures]:
    """Count what goes to these accounts."""
    theirs = Delivery.account_id == Account.id
    next_at = select(func.min(Delivery.next_run_at)).where(theirs, DUE)
    last = select(func.max(Delivery.published_at)).where(theirs, PUBLISHED)
    statement = select(
        Account.id, _counted(theirs, DUE), next_at.scalar_subquery(), last.scalar_subquery()
    )
    found = {
        account_id: Figures(scheduled, next_run_at, last_published=published_at)
        for account_id, scheduled, next_run_at, published_at in await session.execute(
            statement.where(Account.id.in_(ids))
        )
    }
    for account_id, state, count in await session.execute(_trouble(ids, now)):
        if state == DeliveryState.HELD:
            found[account_id].held = min(count, MOST_COUNTED)
        else:
            failed = found[account_id].failed + count
            found[account_id].failed = min(failed, MOST_COUNTED)
    return found


def _counted(*wanted: ColumnElement[bool]) -> ScalarSelect[int]:
    rows = select(Delivery.id).where(*wanted).limit(MOST_COUNTED).correlate(Account).subquery()
    return select(func.count()).select_from(rows).scalar_subquery()


def _trouble(ids: Collection[UUID], now: datetime) -> Select[UUID, str, int]:
    failed = and_(TROUBLED, Delivery.due_at > now - LATELY)
    chosen = select(Delivery.account_id, Delivery.state).where(
        Delivery.account_id.in_(ids), INDEXED_TROUBLE, or_(HELD, failed)
    )
    rows = chosen.limit(MOST_TROUBLED).subquery()
    return select(*rows.c, func.count()).group_by(*rows.c)


def _posts(account_id: UUID) -> Select[Delivery, str]:
    text = func.coalesce(Delivery.text, Post.text)
    joined = select(Delivery, func.left(text, 200).label("words")).join(
        Post, Post.id == Delivery.post_id
    )
    return joined.where(Delivery.account_id == account_id)


async def count_published(session: AsyncSession, account_id: UUID, since: datetime) -> int:
    """Count what an account has published since then."""
    theirs = Delivery.account_id == account_id
    counted = _counted(theirs, PUBLISHED, Delivery.published_at > since)
    return await session.scalar(select(counted)) or 0


class AccountPosts(NamedTuple):
    """Some posts of one account, each with how its text begins."""

    next: Sequence[Row[Delivery, str]]
    """The earliest first."""
    published: Sequence[Row[Delivery, str]]
    """The latest first, as the next."""
    troubled: Sequence[Row[Delivery, str]]


async def posts_of(session: AsyncSession, account_id: UUID, limit: int) -> AccountPosts:
    """Return what goes out next, what was published last, and what is held or failed."""
    due = _posts(account_id).where(DUE).order_by(Delivery.next_run_at)
    published = _posts(account_id).where(PUBLISHED).order_by(Delivery.published_at.desc())
    troubled = _posts(account_id).where(INDEXED_TROUBLE).order_by(Delivery.due_at.desc())
    found = [(await session.execute(s.limit(limit))).all() for s in (due, published, troubled)]
    return AccountPosts(*found)


class Refusal(NamedTuple):
    """What an account's platform said when it refused the credentials, and since when it does."""

    since: datetime
    error: str | None


async def refusals(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, Refusal]:
    """Return since when the platforms of these accounts refuse, as far as held posts tell."""
    row = Delivery
    statement = (
        select(row.account_id, Attempt.finished_at, Attempt.error)
        .join(Attempt, Attempt.delivery_id == row.id)
        .where(row.account_id.in_(ids), INDEXED_TROUBLE, HELD)
        .where(Attempt.outcome == DeliveryState.HELD)
        .order_by(row.account_id, Attempt.finished_at)
        .ext(distinct_on(row.account_id))
    )
    found = await session.execute(statement)
    return {account_id: Refusal(at, error) for account_id, at, error in found}


class Leaving(NamedTuple):
    """What has not ended when an account is removed."""

    open: int
    """Deliveries, those on their way among them."""
    on_their_way: int
    """Those that the platform is being sent right now."""
    drafts: int
    """What is not scheduled yet."""


async def leaving(session: AsyncSession, account_id: UUID) -> Leaving:
    """Count what has not ended on an account."""
    theirs = Delivery.account_id == account_id
    publishing = _in(DeliveryState.PUBLISHING)
    sent = and_(Delivery.commit_started_at.is_not(None), Delivery.claimed_until > func.now())
    drafts = select(func.count(Delivery.id)).join(Post, Post.id == Delivery.post_id)
    counts = [_all(theirs, state) for state in (DUE, HELD, publishing)]
    result = await session.execute(
        select(
            sum(counts[1:], start=counts[0]),
            _all(theirs, publishing, sent),
            drafts.where(theirs, DRAFTS, Post.drafted).scalar_subquery(),
        )
    )
    return Leaving(*result.one())


def _all(*wanted: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).where(*wanted).scalar_subquery()


async def leave(session: AsyncSession, account_id: UUID) -> int:
    """End what has not ended on an account; return how many were cancelled.

    What may be out already is not cancelled: nobody will know of it any more. Drafts stay, and are
    no longer for this account.
    """
    row = Delivery
    await session.execute(delete(row).where(row.account_id == account_id, DRAFTS))
    chosen = select(row.id).where(row.account_id == account_id, OPEN)
    locked = row.id.in_(chosen.order_by(row.id).with_for_update())
    ended = {"version": row.version + 1, "claim_token": None, "claimed_until": None}
    cancelled = await session.execute(
        update(row)
        .where(locked, row.commit_started_at.is_(None))
        .values(state=DeliveryState.CANCELLED, error=None, **ended)
        .returning(row.id)
    )
    count = len(cancelled.all())
    unknown = update(row).where(locked, row.commit_started_at.is_not(None))
    await session.execute(unknown.values(state=DeliveryState.UNCONFIRMED, error=UNKNOWN, **ended))
    return count
