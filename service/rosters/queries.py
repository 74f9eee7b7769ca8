"""Every SQL statement of rosters."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Row, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.kit.ids import uuid7
from service.kit.pagination import Page, Rows, encode_cursor
from service.rosters.models import Roster, RosterItem
from service.rosters.rules import ItemStatus, RosterStatus

Counts: TypeAlias = Mapping[ItemStatus, int]
NOBODY: Counts = dict.fromkeys(ItemStatus, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rosters of a list are wanted."""

    first: date | None = None
    last: date | None = None
    """The last day itself is wanted too."""
    project: str | None = None
    status: RosterStatus | None = None


def _visible(caller: Caller) -> Select[Roster]:
    statement = select(Roster)
    return statement if caller.is_admin else statement.where(Roster.owner_id == caller.user_id)


def _wanted(caller: Caller, wanted: Wanted) -> Select[Roster]:
    statement = _visible(caller)
    if wanted.first is not None:
        statement = statement.where(Roster.day >= wanted.first)
    if wanted.last is not None:
        statement = statement.where(Roster.day <= wanted.last)
    if wanted.project is not None:
        statement = statement.where(Roster.project == wanted.project)
    if wanted.status is not None:
        statement = statement.where(Roster.status == wanted.status)
    return statement


async def add_roster(session: AsyncSession, values: Mapping[str, Any]) -> Roster | None:
    """Make a roster; None if there is one of its day and project."""
    statement = insert(Roster).values(id=uuid7(), **values)
    return await session.scalar(
        statement.on_conflict_do_nothing(index_elements=[Roster.day, Roster.project]).returning(
            Roster
        )
    )


async def roster(session: AsyncSession, caller: Caller, roster_id: UUID) -> Roster | None:
    """Return a roster if the caller may see it."""
    return await session.scalar(_visible(caller).where(Roster.id == roster_id))


async def roster_for_change(
    session: AsyncSession, caller: Caller, roster_id: UUID
) -> Roster | None:
    """Return a roster as it is now if the caller may see it; it stays so for this transaction."""
    statement = _visible(caller).where(Roster.id == roster_id).with_for_update()
    return await session.scalar(statement.execution_options(populate_existing=True))


async def list_rosters(
    session: AsyncSession, caller: Caller, wanted: Wanted, page: Page
) -> Rows[Roster]:
    """Return a page of rosters, the one made last first."""
    statement = _wanted(caller, wanted).order_by(Roster.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(Roster.id < page.before)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def by_day(
    session: AsyncSession, caller: Caller, wanted: Wanted, limit: int
) -> Sequence[Roster]:
    """Return so many rosters at most, by project and day."""
    statement = _wanted(caller, wanted).order_by(Roster.project, Roster.day).limit(limit)
    return (await session.scalars(statement)).all()


async def count_open(session: AsyncSession, caller: Caller, before: date) -> int:
    """Return how many rosters of earlier days are open."""
    wanted = _visible(caller).where(Roster.status == RosterStatus.OPEN, Roster.day < before)
    return await session.scalar(select(func.count()).select_from(wanted.subquery())) or 0


async def counts(session: AsyncSession, roster_ids: Collection[UUID]) -> Mapping[UUID, Counts]:
    """Return how many items of each status these rosters have."""
    found = await session.execute(
        select(RosterItem.roster_id, RosterItem.status, func.count().label("number"))
        .where(RosterItem.roster_id.in_(roster_ids))
        .group_by(RosterItem.roster_id, RosterItem.status)
    )
    numbers = {roster_id: dict(NOBODY) for roster_id in roster_ids}
    for row in found:
        numbers[row.roster_id][ItemStatus(row.status)] = row.number
    return numbers


async def items(session: AsyncSession, roster_id: UUID) -> Sequence[RosterItem]:
    """Return the items of a roster in their order."""
    found = await session.scalars(
        select(RosterItem)
        .where(RosterItem.roster_id == roster_id)
        .order_by(RosterItem.position, RosterItem.id)
    )
    return found.all()


async def item(session: AsyncSession, roster_id: UUID, item_id: UUID) -> RosterItem | None:
    """Return an item of a roster."""
    return await session.scalar(
        select(RosterItem).where(RosterItem.id == item_id, RosterItem.roster_id == roster_id)
    )


async def delete_items(session: AsyncSession, item_ids: Collection[UUID]) -> None:
    """Delete items."""
    await session.execute(delete(RosterItem).where(RosterItem.id.in_(item_ids)))


async def delete_roster(session: AsyncSession, roster_id: UUID) -> None:
    """Delete a roster with its items."""
    await session.execute(delete(Roster).where(Roster.id == roster_id))


async def lock_before(
    session: AsyncSession, day: date, moment: datetime, by: str
) -> Sequence[Row[UUID, date, str]]:
    """Lock every open roster of the days before this one; return id, day and project of each.

    They are locked in one order, so that two runs at once wait for each other.
    """
    past = (
        select(Roster.id)
        .where(Roster.status == RosterStatus.OPEN, Roster.day < day)
        .order_by(Roster.id)
        .with_for_update()
    )
    found = await session.execute(
        update(Roster)
        .where(Roster.id.in_(past))
        .values(status=RosterStatus.LOCKED, locked_at=moment, locked_by=by)
        .returning(Roster.id, Roster.day, Roster.project)
        .execution_options(synchronize_session=False)
    )
    return found.all()


async def lines(
    session: AsyncSession, caller: Caller, wanted: Wanted
) -> Sequence[Row[Roster, RosterItem | None]]:
    """Return every roster with each of its items, by day and project; None where there is none."""
    found = await session.execute(
        _wanted(caller, wanted)
        .add_columns(RosterItem)
        .outerjoin(RosterItem, RosterItem.roster_id == Roster.id)
        .order_by(Roster.day, Roster.project, RosterItem.position, RosterItem.id)
    )
    return found.all()
