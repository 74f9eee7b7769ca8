"""SQL that counts deliveries for the line of numbers, no further than a person reads on."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.posts.models import DUE_STATES, Delivery, DeliveryState

MOST_COUNTED = 1000
LATE = timedelta(minutes=1)
TROUBLED = (DeliveryState.FAILED, DeliveryState.UNCONFIRMED, DeliveryState.HELD)
"""What does not go on without a person."""


class Counts(NamedTuple):
    """Deliveries; 1,000 stands for as many or more."""

    failed: int
    late: int
    scheduled: int


async def counts(session: AsyncSession, caller: Caller, now: datetime) -> Counts:
    """Count the deliveries that a caller may see.

    Args:
        session: reads them.
        caller: whose they are; an admin's are everybody's.
        now: failed ones were due in the seven days before, scheduled ones are due within one.
    """
    row = Delivery
    due = row.state.in_([literal_column(f"'{state}'") for state in DUE_STATES])
    troubled = row.state.in_([literal_column(f"'{state}'") for state in TROUBLED])
    mine = None if caller.is_admin else caller.user_id
    found = await session.execute(
        select(
            _count(mine, troubled, row.due_at > now - timedelta(days=7)),
            _count(mine, due, row.next_run_at < now - LATE),
            _count(mine, due, row.next_run_at.between(now, now + timedelta(days=1))),
        )
    )
    return Counts(*found.one())


def _count(owner_id: UUID | None, *wanted: ColumnElement[bool]) -> ScalarSelect[int]:
    if owner_id is not None:
        wanted = (*wanted, Delivery.owner_id == owner_id)
    rows = select(Delivery.id).where(*wanted).limit(MOST_COUNTED).subquery()
    return select(func.count()).select_from(rows).scalar_subquery()
