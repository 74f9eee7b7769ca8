"""Every SQL statement of issues that a person's request needs."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from service.access.caller import Caller
from service.kit.pagination import Page, Rows, encode_cursor
from service.newsletters.models import (
    DUE_STATES,
    OPEN_STATES,
    DeliveryState,
    Issue,
    IssueClick,
    IssueDelivery,
    IssueLink,
    IssueState,
)


def _visible(caller: Caller) -> Select[Issue]:
    statement = select(Issue)
    return statement if caller.is_admin else statement.where(Issue.owner_id == caller.user_id)


async def issue(session: AsyncSession, caller: Caller, issue_id: UUID) -> Issue | None:
    """Return an issue with what it says, if the caller may see it."""
    statement = _visible(caller).options(undefer(Issue.content))
    return await session.scalar(statement.where(Issue.id == issue_id))


async def issue_for_change(session: AsyncSession, caller: Caller, issue_id: UUID) -> Issue | None:
    """Return an issue, locked until the transaction ends, if the caller may see it."""
    statement = _visible(caller).options(undefer(Issue.content)).where(Issue.id == issue_id)
    return await session.scalar(statement.with_for_update(key_share=True))


async def any_issue(session: AsyncSession, issue_id: UUID, *, lock: bool = False) -> Issue | None:
    """Return an issue with what it says, whoever owns it."""
    statement = select(Issue).options(undefer(Issue.content)).where(Issue.id == issue_id)
    return await session.scalar(statement.with_for_update(key_share=True) if lock else statement)


async def list_issues(
    session: AsyncSession,
    caller: Caller,
    page: Page,
    newsletter_id: UUID | None = None,
    state: IssueState | None = None,
) -> Rows[Issue]:
    """Return a page of issues, newest first."""
    statement = _visible(caller).order_by(Issue.id.desc()).limit(page.limit + 1)
    if newsletter_id:
        statement = statement.where(Issue.newsletter_id == newsletter_id)
    if page.before:
        statement = statement.where(Issue.id < page.before)
    if state:
        statement = statement.where(Issue.state == state)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def latest_issues(
    session: AsyncSession, newsletter_ids: Collection[UUID]
) -> Mapping[UUID, Issue]:
    """Return the last issue of each newsletter that went out, or is going out."""
    found = await session.scalars(
        select(Issue)
        .ext(distinct_on(Issue.newsletter_id))
        .where(Issue.newsletter_id.in_(newsletter_ids), Issue.started_at.is_not(None))
        .order_by(Issue.newsletter_id, Issue.number.desc())
    )
    return {row.newsletter_id: row for row in found}


async def add_issue(session: AsyncSession, values: Mapping[str, Any]) -> UUID | None:
    """Write a new issue with the next number; None: its period has one already.

    The newsletter must be locked, else two issues could want the same number.
    """
    number = (
        select(func.coalesce(func.max(Issue.number), 0) + 1)
        .where(Issue.newsletter_id == values["newsletter_id"])
        .scalar_subquery()
    )
    new = insert(Issue).values(**values, number=number)
    new = new.on_conflict_do_nothing(index_elements=[Issue.newsletter_id, Issue.period])
    return await session.scalar(new.returning(Issue.id))


async def issue_of_period(session: AsyncSession, newsletter_id: UUID, period: str) -> Issue | None:
    """Return the issue of a period."""
    return await session.scalar(
        select(Issue)
        .options(undefer(Issue.content))
        .where(Issue.newsletter_id == newsletter_id, Issue.period == period)
    )


async def oldest_approved(session: AsyncSession, newsletter_id: UUID) -> Issue | None:
    """Return the approved issue that has waited longest, locked."""
    return await session.scalar(
        select(Issue)
        .options(undefer(Issue.content))
        .where(Issue.newsletter_id == newsletter_id, Issue.state == IssueState.APPROVED)
        .order_by(Issue.id)
        .limit(1)
        .with_for_update(key_share=True)
    )


def _in(*states: DeliveryState) -> Any:
    return func.count().filter(IssueDelivery.state.in_(states))


async def counts(
    session: AsyncSession, issue_ids: Collection[UUID]
) -> Mapping[UUID, Mapping[str, int]]:
    """Return what became of the mails of issues, by the names of `schemas.Counts`."""
    found = await session.execute(
        select(
            IssueDelivery.issue_id,
            func.count().label("recipients"),
            _in(*OPEN_STATES).label("open"),
            _in(DeliveryState.SENT).label("sent"),
            func.count(IssueDelivery.delivered_at).label("delivered"),
            _in(DeliveryState.REFUSED).label("refused"),
            _in(DeliveryState.BOUNCED).label("bounced"),
            _in(DeliveryState.SUPPRESSED).label("suppressed"),
            _in(DeliveryState.UNCONFIRMED).label("unconfirmed"),
            _in(DeliveryState.CANCELLED).label("cancelled"),
            func.count(IssueDelivery.complained_at).label("complaints"),
            func.count(IssueDelivery.unsubscribed_at).label("unsubscribed"),
            func.count(IssueDelivery.opened_at).label("readers"),
            func.coalesce(func.sum(IssueDelivery.opens), 0).label("opens"),
        )
        .where(IssueDelivery.issue_id.in_(issue_ids))
        .group_by(IssueDelivery.issue_id)
    )
    clicked = await session.execute(
        select(
            IssueClick.issue_id,
            func.count(IssueClick.delivery_id.distinct()).label("clickers"),
            func.sum(IssueClick.clicks).label("clicks"),
        )
        .where(IssueClick.issue_id.in_(issue_ids))
        .group_by(IssueClick.issue_id)
    )
    clicks = {row.issue_id: {"clickers": row.clickers, "clicks": row.clicks} for row in clicked}
    return {
        row.issue_id: {
            **{name: value for name, value in row._mapping.items() if name != "issue_id"},
            **clicks.get(row.issue_id, {}),
        }
        for row in found
    }


async def links(session: AsyncSession, issue_id: UUID) -> Sequence[Any]:
    """Return the links of an issue with their clicks, most clicked first."""
    clickers = func.count(IssueClick.delivery_id)
    found = await session.execute(
        select(
            IssueLink.number,
            IssueLink.url,
            clickers.label("clickers"),
            func.coalesce(func.sum(IssueClick.clicks), 0).label("clicks"),
        )
        .outerjoin(
            IssueClick,
            (IssueClick.issue_id == IssueLink.issue_id) & (IssueClick.number == IssueLink.number),
        )
        .where(IssueLink.issue_id == issue_id)
        .group_by(IssueLink.number, IssueLink.url)
        .order_by(clickers.desc(), IssueLink.number)
    )
    return found.all()


async def times(session: AsyncSession, issue_id: UUID) -> Any:
    """Return when the first and the last mail of an issue went out."""
    sent = IssueDelivery.sent_at
    found = await session.execute(
        select(func.min(sent).label("first"), func.max(sent).label("last")).where(
            IssueDelivery.issue_id == issue_id
        )
    )
    return found.one()


async def list_deliveries(
    session: AsyncSession, issue_id: UUID, page: Page, state: DeliveryState | None
) -> Rows[IssueDelivery]:
    """Return a page of an issue's deliveries."""
    statement = select(IssueDelivery).where(IssueDelivery.issue_id == issue_id)
    if page.before:
        statement = statement.where(IssueDelivery.id < page.before)
    if state:
        statement = statement.where(IssueDelivery.state == state)
    statement = statement.order_by(IssueDelivery.id.desc()).limit(page.limit + 1)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def archive(session: AsyncSession, newsletter_id: UUID, limit: int) -> Sequence[Issue]:
    """Return the issues of a newsletter that were sent, newest first."""
    found = await session.scalars(
        select(Issue)
        .options(undefer(Issue.content))
        .where(
            Issue.newsletter_id == newsletter_id,
            Issue.state == IssueState.SENT,
            Issue.period.is_(None) | Issue.period.not_like("job:%"),
        )
        .order_by(Issue.sent_at.desc(), Issue.number.desc())
        .limit(limit)
    )
    return found.all()


async def archived(session: AsyncSession, newsletter_id: UUID, number: int) -> Issue | None:
    """Return an issue that was sent, by its number."""
    return await session.scalar(
        select(Issue)
        .options(undefer(Issue.content))
        .where(
            Issue.newsletter_id == newsletter_id,
            Issue.number == number,
            Issue.state == IssueState.SENT,
            Issue.period.is_(None) | Issue.period.not_like("job:%"),
        )
    )


async def at_work(session: AsyncSession, newsletter_id: UUID) -> bool:
    """Whether an issue of a newsletter is being written or sent."""
    found = await session.scalar(
        select(Issue.id)
        .where(
            Issue.newsletter_id == newsletter_id,
            Issue.state.in_((IssueState.WRITING, IssueState.SENDING, IssueState.SCHEDULED)),
        )
        .limit(1)
    )
    return found is not None


async def cancel_deliveries(session: AsyncSession, issue_id: UUID) -> None:
    """Cancel the mails of an issue that are not on their way."""
    await session.execute(
        update(IssueDelivery)
        .where(
            IssueDelivery.issue_id == issue_id,
            IssueDelivery.state.in_((*DUE_STATES, DeliveryState.CLAIMED)),
        )
        .values(state=DeliveryState.CANCELLED, claim_token=None, claimed_until=None)
    )


async def send_unconfirmed_again(session: AsyncSession, issue_id: UUID) -> int:
    """Let the mails wait again of which nobody knows whether they arrived; return how many."""
    found = await session.execute(
        update(IssueDelivery)
        .where(
            IssueDelivery.issue_id == issue_id,
            IssueDelivery.state == DeliveryState.UNCONFIRMED,
        )
        .values(
            state=DeliveryState.WAITING,
            attempts=0,
            next_run_at=func.now(),
            claim_token=None,
            claimed_until=None,
        )
        .returning(IssueDelivery.id)
    )
    return len(found.all())
