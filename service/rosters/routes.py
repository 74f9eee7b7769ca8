"""HTTP of rosters."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import InvalidInput, Problem
from service.rosters import (
    actions,
    exporting,
    item_actions,
    locking_actions,
    queries,
    rules,
    schemas,
)
from service.rosters.models import Roster, RosterItem
from service.rosters.queries import Wanted
from service.rosters.rules import RosterStatus
from service.web import ERRORS, ContentReader, ContentWriter, OnceOnly, Opened, Paging, Uow

router = APIRouter(prefix="/v1/rosters", tags=["rosters"], responses=ERRORS)
MOST_DAYS = 366
"""Days of one file."""

Bound = Annotated[dt.date | None, Query(ge=rules.EARLIEST, le=rules.LATEST)]
Project = Annotated[str | None, Query(max_length=100, pattern=schemas.LINE)]


def range_of_days(
    first: Annotated[Bound, Query(alias="from", description="The first day")] = None,
    last: Annotated[Bound, Query(alias="to", description="The last day")] = None,
    project: Project = None,
) -> Wanted:
    """Return which rosters are wanted. Raises InvalidInput for days in the wrong order."""
    if first and last and first > last:
        raise InvalidInput([Problem("to", "is before 'from'")])
    return Wanted(first, last, project)


Range = Annotated[Wanted, Depends(range_of_days)]


@router.get("")
async def list_rosters(
    caller: ContentReader,
    page: Paging,
    uow: Uow,
    days: Range,
    status: Annotated[RosterStatus | None, Query()] = None,
) -> schemas.RosterList:
    """List rosters, the one made last first: of some days, a project, a status."""
    wanted = Wanted(days.first, days.last, days.project, status)
    rows = await queries.list_rosters(uow.session, caller, wanted, page)
    items = await shown(uow.session, rows.items)
    return schemas.RosterList(items=items, next_cursor=rows.next_cursor)


@router.get(".csv", response_class=StreamingResponse)
async def export(caller: ContentReader, runtime: Opened, days: Range) -> StreamingResponse:
    """Return the rosters of some days as CSV, a line for each duty: at most 366 days at once."""
    if days.first is None or days.last is None:
        missing = [("from", days.first), ("to", days.last)]
        raise InvalidInput(
            [Problem(name, "is needed", "missing") for name, day in missing if day is None]
        )
    if (days.last - days.first).days >= MOST_DAYS:
        raise InvalidInput([Problem("to", f"is more than {MOST_DAYS} days after 'from'")])
    headers = {
        "Content-Disposition": f'attachment; filename="rosters-{days.first}-{days.last}.csv"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    lines = exporting.lines(runtime, caller, days)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("", status_code=201, response_model=schemas.RosterDetail)
async def create(
    body: schemas.RosterIn, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Make the roster of a day and project, also from the people of another one."""
    made = await actions.create(uow.session, caller, body)
    return await once.reply(await detailed(uow.session, made))


@router.get("/{roster_id}")
async def show(roster_id: UUID, caller: ContentReader, uow: Uow) -> schemas.RosterDetail:
    """Show a roster with its people."""
    return await detailed(uow.session, await actions.show(uow.session, caller, roster_id))


@router.patch("/{roster_id}")
async def change(
    roster_id: UUID, body: schemas.RosterChange, caller: ContentWriter, uow: Uow
) -> schemas.RosterDetail:
    """Change the notes of an open roster."""
    found = await actions.change(uow.session, caller, roster_id, body.notes)
    return await detailed(uow.session, found)


@router.delete("/{roster_id}", status_code=204)
async def delete(roster_id: UUID, caller: ContentWriter, uow: Uow) -> Response:
    """Delete an open roster with its people."""
    await actions.delete(uow.session, caller, roster_id)
    return Response(status_code=204)


@router.put("/{roster_id}/items")
async def put_items(
    roster_id: UUID, body: schemas.ItemsIn, caller: ContentWriter, uow: Uow
) -> schemas.RosterDetail:
    """Give an open roster this list in the place of its own, in this order.

    Items with an `id` stay and change, items without one are new, all others are deleted.
    """
    found = await item_actions.put_items(uow.session, caller, roster_id, body.items)
    return await detailed(uow.session, found)


@router.post("/{roster_id}/items", status_code=201, response_model=schemas.ItemOut)
async def add_item(
    roster_id: UUID, body: schemas.ItemIn, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Add somebody to the end of an open roster."""
    made = await item_actions.add_item(uow.session, caller, roster_id, body)
    return await once.reply(schemas.ItemOut.model_validate(made))


@router.patch("/{roster_id}/items/{item_id}")
async def change_item(
    roster_id: UUID, item_id: UUID, body: schemas.ItemChange, caller: ContentWriter, uow: Uow
) -> schemas.ItemOut:
    """Change an item of an open roster: who, when, how it went."""
    item = await item_actions.change_item(uow.session, caller, roster_id, item_id, body)
    return schemas.ItemOut.model_validate(item)


@router.delete("/{roster_id}/items/{item_id}", status_code=204)
async def delete_item(roster_id: UUID, item_id: UUID, caller: ContentWriter, uow: Uow) -> Response:
    """Delete an item of an open roster."""
    await item_actions.delete_item(uow.session, caller, roster_id, item_id)
    return Response(status_code=204)


@router.post("/{roster_id}/lock")
async def lock(roster_id: UUID, caller: ContentWriter, uow: Uow) -> schemas.RosterDetail:
    """Let nobody change a roster any more; one that is locked stays as it is."""
    found = await locking_actions.lock(uow.session, caller, roster_id)
    return await detailed(uow.session, found)


@router.post("/{roster_id}/unlock")
async def unlock(
    roster_id: UUID, body: schemas.UnlockIn, caller: ContentWriter, uow: Uow
) -> schemas.RosterDetail:
    """Open a locked roster again, for a reason that the audit log keeps.

    Needs the scope `settings:write` too. The roster of a day that is over is locked again by the
    next run of `rosters.lock`.
    """
    found = await locking_actions.unlock(uow.session, caller, roster_id, body.reason)
    return await detailed(uow.session, found)


async def shown(session: AsyncSession, rosters: Sequence[Roster]) -> list[schemas.RosterOut]:
    """Return rosters as lists show them."""
    numbers = await queries.counts(session, [roster.id for roster in rosters])
    return [
        schemas.RosterOut.model_validate(_values(roster) | {"counts": numbers[roster.id]})
        for roster in rosters
    ]


async def detailed(session: AsyncSession, roster: Roster) -> schemas.RosterDetail:
    """Return a roster as it is shown with its people."""
    items = await queries.items(session, roster.id)
    values = _values(roster) | {"counts": _counted(items), "items": items}
    return schemas.RosterDetail.model_validate(values)


def _values(roster: Roster) -> dict[str, object]:
    names = schemas.RosterOut.model_fields.keys() - {"counts"}
    return {name: getattr(roster, name) for name in names}


def _counted(items: Sequence[RosterItem]) -> dict[rules.ItemStatus, int]:
    return {each: sum(item.status == each for item in items) for each in rules.ItemStatus}
