"""The statements behind links of mails and events of providers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.newsletters.models import (
    DeliveryState,
    Issue,
    IssueClick,
    IssueDelivery,
    IssueLink,
    Newsletter,
)


async def count_open(session: AsyncSession, delivery_id: UUID, at: datetime) -> None:
    """Count that a mail was opened, where its newsletter counts that."""
    counted = (
        select(Issue.id)
        .join(Newsletter, Newsletter.id == Issue.newsletter_id)
        .where(Issue.id == IssueDelivery.issue_id, Newsletter.count_opens)
    )
    await session.execute(
        update(IssueDelivery)
        .where(IssueDelivery.id == delivery_id, counted.exists())
        .values(
            opens=IssueDelivery.opens + 1,
            opened_at=func.coalesce(IssueDelivery.opened_at, at),
        )
    )


async def link(session: AsyncSession, delivery_id: UUID, number: int) -> str | None:
    """Return where a link of a delivery's issue leads."""
    return await session.scalar(
        select(IssueLink.url)
        .join(IssueDelivery, IssueDelivery.issue_id == IssueLink.issue_id)
        .where(IssueDelivery.id == delivery_id, IssueLink.number == number)
    )


async def count_click(session: AsyncSession, delivery_id: UUID, number: int, at: datetime) -> None:
    """Count a click on a link of a delivery's issue."""
    row = IssueClick
    columns = [row.delivery_id, row.issue_id, row.number, row.clicked_at]
    moment = literal(at, DateTime(timezone=True))
    found = (
        select(IssueDelivery.id, IssueDelivery.issue_id, IssueLink.number, moment)
        .join(IssueLink, IssueLink.issue_id == IssueDelivery.issue_id)
        .where(IssueDelivery.id == delivery_id, IssueLink.number == number)
    )
    clicked = insert(IssueClick).from_select(columns, found)
    await session.execute(
        clicked.on_conflict_do_update(
            index_elements=[IssueClick.delivery_id, IssueClick.number],
            set_={"clicks": IssueClick.clicks + 1},
        )
    )


async def put_event(
    session: AsyncSession, delivery_id: UUID, state: DeliveryState, at: datetime, error: str | None
) -> None:
    """Note what a provider tells of a mail that it was given; what ended otherwise stays."""
    given = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNCONFIRMED)
    arrived = state == DeliveryState.SENT
    await session.execute(
        update(IssueDelivery)
        .where(IssueDelivery.id == delivery_id, IssueDelivery.state.in_(given))
        .values(
            state=state,
            error=error,
            sent_at=func.coalesce(IssueDelivery.sent_at, at) if arrived else IssueDelivery.sent_at,
            claimed_until=None,
        )
    )
