"""The statements of what is told of mails."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.emails.models import Email, StoredEvent
from service.emails.rules import OUT

MOST_SHOWN = 100


async def add(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Write events down; return the ids of those that were not told before."""
    statement = insert(StoredEvent).on_conflict_do_nothing(index_elements=[StoredEvent.event_id])
    result = await session.execute(statement.returning(StoredEvent.event_id), list(rows))
    return set(result.scalars())


async def emails_for_change(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Email]:
    """Return those of these that are mails, locked in one order until the transaction ends."""
    found = await session.scalars(
        select(Email).where(Email.id.in_(ids)).order_by(Email.id).with_for_update()
    )
    return {row.id: row for row in found}


async def last_to(session: AsyncSession, address: str) -> UUID | None:
    """Return the last mail that went out to an address."""
    statement = select(Email.id).where(Email.address == address, Email.state.in_(OUT))
    return await session.scalar(statement.order_by(Email.id.desc()).limit(1))


async def of_email(session: AsyncSession, email_id: UUID) -> Sequence[StoredEvent]:
    """Return what was told of a mail, oldest first."""
    told = select(StoredEvent).where(StoredEvent.subject_id == email_id)
    return (await session.scalars(told.order_by(StoredEvent.at).limit(MOST_SHOWN))).all()
