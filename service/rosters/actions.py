"""Use cases of rosters. None commits, none awaits the network."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.errors import Conflict, NotFound
from service.rosters import queries, rules
from service.rosters.item_actions import add, check, check_number, duty_in, duty_of
from service.rosters.locking_actions import note, opened
from service.rosters.models import Roster
from service.rosters.rules import Duty
from service.rosters.schemas import RosterIn


async def create(session: AsyncSession, caller: Caller, body: RosterIn) -> Roster:
    """Make the roster of a day and project, also from the people of another one.

    Raises:
        NotFound: the caller has no roster to copy from.
        Conflict: there is one of that day and project.
        InvalidInput: what is wrong with its items.
    """
    copied: list[Duty] = []
    if body.copy_from is not None:
        await show(session, caller, body.copy_from)
        copied = [
            rules.planned(duty_of(each)) for each in await queries.items(session, body.copy_from)
        ]
    given = [duty_in(each) for each in body.items]
    check({f"items[{i}].": each for i, each in enumerate(given)})
    check_number(len(copied) + len(given))
    values = {"owner_id": caller.user_id, "day": body.day, "project": body.project}
    made = await queries.add_roster(session, {**values, "notes": body.notes})
    if made is None:
        raise Conflict(f"There is a roster of '{body.project}' on {body.day} already")
    add(session, caller, made, [*copied, *given])
    await session.flush()
    detail = {"day": body.day, "project": body.project, "people": len(copied) + len(given)}
    await note(session, caller, "create", made.id, **detail, copy_from=body.copy_from)
    return made


async def show(session: AsyncSession, caller: Caller, roster_id: UUID) -> Roster:
    """Return a roster. Raises NotFound if the caller has no such roster."""
    found = await queries.roster(session, caller, roster_id)
    if found is None:
        raise NotFound("There is no such roster")
    return found


async def change(session: AsyncSession, caller: Caller, roster_id: UUID, notes: str) -> Roster:
    """Change the notes of a roster. Raises NotFound, or Conflict when it is locked."""
    found = await opened(session, caller, roster_id)
    if notes != found.notes:
        found.notes = notes
        await note(session, caller, "change", roster_id, changes=["notes"])
    return found


async def delete(session: AsyncSession, caller: Caller, roster_id: UUID) -> None:
    """Delete a roster with its items. Raises NotFound, or Conflict when it is locked."""
    found = await opened(session, caller, roster_id)
    detail = {"day": found.day, "project": found.project}
    await queries.delete_roster(session, roster_id)
    await note(session, caller, "delete", roster_id, **detail)
