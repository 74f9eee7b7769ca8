"""The fenced statements of sending: claim, stamp, settle.

Every write after the claim has `token = mine`: a worker that lost its claim changes nothing.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.emails.models import Email, MailState

WAITING = (MailState.QUEUED, MailState.RETRYING)
UNDER_WAY = (*WAITING, MailState.SENDING)


async def claim(
    session: AsyncSession, email_id: UUID, token: UUID, now: datetime, length: timedelta
) -> Email | None:
    """Take a mail that waits, for so long; return None if it does not, or another has it."""
    free = or_(Email.claimed_until.is_(None), Email.claimed_until <= now)
    taken = update(Email).where(Email.id == email_id, Email.state.in_(WAITING), free)
    statement = taken.values(token=token, claimed_until=now + length).returning(Email)
    return await session.scalar(statement)


async def locked(session: AsyncSession, email_id: UUID) -> Email | None:
    """Return a mail, locked until the transaction ends."""
    return await session.scalar(select(Email).where(Email.id == email_id).with_for_update())


async def stamp(session: AsyncSession, email_id: UUID, token: UUID) -> bool:
    """Write down that a mail may be out from now on; return False if it is no longer ours."""
    mine = update(Email).where(Email.id == email_id, Email.token == token, Email.state.in_(WAITING))
    statement = mine.values(state=MailState.SENDING).returning(Email.id)
    return await session.scalar(statement) is not None


async def settle(
    session: AsyncSession, email_id: UUID, token: UUID, values: dict[str, Any]
) -> bool:
    """Write down what became of a mail, and give it back; return False if it is not ours."""
    mine = update(Email).where(
        Email.id == email_id, Email.token == token, Email.state.in_(UNDER_WAY)
    )
    freed = {"token": None, "claimed_until": None}
    statement = mine.values(**freed, **values).returning(Email.id)
    return await session.scalar(statement) is not None
