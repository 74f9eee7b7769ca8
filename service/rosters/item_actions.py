"""Use cases of the items of a roster. None commits, none awaits the network."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import time
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.errors import InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.kit.ids import uuid7
from service.rosters import queries, rules
from service.rosters.locking_actions import note, opened
from service.rosters.models import Roster, RosterItem
from service.rosters.rules import Duty, ItemStatus
from service.rosters.schemas import ItemChange, ItemIn, KeptItemIn


async def add_item(
    session: AsyncSession, caller: Caller, roster_id: UUID, body: ItemIn
) -> RosterItem:
    """Add somebody to the end of a roster.

    Raises:
        NotFound: the caller has no such roster.
        Conflict: it is locked.
        InvalidInput: what is wrong with the item.
    """
    duty = duty_in(body)
    check({"": duty})
    found = await opened(session, caller, roster_id)
    present = await queries.items(session, roster_id)
    check_number(len(present) + 1)
    (made,) = add(session, caller, found, [duty], present[-1].position + 1 if present else 0)
    await session.flush()
    await note(session, caller, "change", roster_id, changes=[f"added {rules.named(duty)}"])
    return made


async def change_item(
    session: AsyncSession, caller: Caller, roster_id: UUID, item_id: UUID, body: ItemChange
) -> RosterItem:
    """Change an item of a roster; with another status nobody stands in for its person any more.

    Raises:
        NotFound: the caller has no such roster, or it no such item.
        Conflict: it is locked.
        InvalidInput: what would be wrong with the item.
    """
    await opened(session, caller, roster_id)
    item = await _item(session, roster_id, item_id)
    duty = rules.changed(duty_of(item), _values(body.model_dump(include=body.model_fields_set)))
    check({"": duty})
    if change := _put(item, duty, caller):
        await session.flush()
        await note(session, caller, "change", roster_id, changes=[change])
    return item


async def delete_item(
    session: AsyncSession, caller: Caller, roster_id: UUID, item_id: UUID
) -> None:
    """Delete an item. Raises NotFound, or Conflict when the roster is locked."""
    await opened(session, caller, roster_id)
    item = await _item(session, roster_id, item_id)
    await queries.delete_items(session, [item_id])
    removed = f"removed {rules.named(duty_of(item))}"
    await note(session, caller, "change", roster_id, changes=[removed])


async def put_items(
    session: AsyncSession, caller: Caller, roster_id: UUID, bodies: Sequence[KeptItemIn]
) -> Roster:
    """Give a roster this list in the place of its own; items without an id are new.

    Raises:
        NotFound: the caller has no such roster.
        Conflict: it is locked.
        InvalidInput: every problem of the list.
    """
    found = await opened(session, caller, roster_id)
    present = {item.id: item for item in await queries.items(session, roster_id)}
    duties = [duty_in(body) for body in bodies]
    wrong = _wrong_ids([body.id for body in bodies], present)
    check({f"items[{i}].": duty for i, duty in enumerate(duties)}, wrong)
    changes = []
    for position, (body, duty) in enumerate(zip(bodies, duties, strict=True)):
        if body.id is None:
            add(session, caller, found, [duty], position)
            changes.append(f"added {rules.named(duty)}")
            continue
        item = present.pop(body.id)
        item.position = position
        if change := _put(item, duty, caller):
            changes.append(change)
    await session.flush()
    if present:
        await queries.delete_items(session, present.keys())
        changes += [f"removed {rules.named(duty_of(item))}" for item in present.values()]
    if changes:
        await note(session, caller, "change", roster_id, changes=changes)
    return found


async def mark_present(session: AsyncSession, caller: Caller, roster_id: UUID) -> int:
    """Say of everybody who is planned that they are present; return how many that were.

    Raises:
        NotFound: the caller has no such roster.
        Conflict: it is locked.
    """
    await opened(session, caller, roster_id)
    changes = [
        change
        for item in await queries.items(session, roster_id)
        if item.status == ItemStatus.PLANNED
        if (change := _put(item, replace(duty_of(item), status=ItemStatus.PRESENT), caller))
    ]
    await session.flush()
    if changes:
        await note(session, caller, "change", roster_id, changes=changes)
    return len(changes)


def duty_of(item: RosterItem) -> Duty:
    """Return what an item says."""
    return Duty(
        item.person,
        item.role,
        item.starts,
        item.ends,
        ItemStatus(item.status),
        item.replaced_by,
        item.note,
    )


def duty_in(body: ItemIn) -> Duty:
    """Return what an item of a request says."""
    return Duty(**_values(body.model_dump(include=set(ItemIn.model_fields))))


def check(duties: Mapping[str, Duty], others: Iterable[Problem] = ()) -> None:
    """Raise InvalidInput with every problem of duties, by where their fields are, and others."""
    found = [problem for at, duty in duties.items() for problem in rules.problems(duty, at)]
    if found := [*others, *found]:
        raise InvalidInput(found)


def check_number(count: int) -> None:
    """Raise InvalidInput if a roster would have too many items."""
    if count > rules.MOST_ITEMS:
        raise InvalidInput([Problem("items", f"are at most {rules.MOST_ITEMS}", "too_long")])


def add(
    session: AsyncSession, caller: Caller, roster: Roster, duties: Iterable[Duty], first: int = 0
) -> list[RosterItem]:
    """Add items to a roster that is held.

    Args:
        session: of the transaction that holds it.
        caller: who adds them.
        roster: it.
        duties: what they say.
        first: where in the roster they come.
    """
    moment = now()
    made = [
        RosterItem(
            id=uuid7(),
            created_at=moment,
            roster_id=roster.id,
            position=position,
            updated_by=caller.actor,
            updated_at=moment,
            **asdict(duty),
        )
        for position, duty in enumerate(duties, first)
    ]
    session.add_all(made)
    return made


def _put(item: RosterItem, duty: Duty, caller: Caller) -> str | None:
    """Let an item say something; return in words what has changed, None for nothing."""
    change = rules.told(duty_of(item), duty)
    if change is not None:
        for name, value in asdict(duty).items():
            setattr(item, name, value)
        item.updated_by, item.updated_at = caller.actor, now()
    return change


async def _item(session: AsyncSession, roster_id: UUID, item_id: UUID) -> RosterItem:
    found = await queries.item(session, roster_id, item_id)
    if found is None:
        raise NotFound("There is no such item in this roster")
    return found


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of a request as a duty has them."""
    return {
        name: time.fromisoformat(value) if name in {"starts", "ends"} and value else value
        for name, value in given.items()
    }


def _wrong_ids(ids: Sequence[UUID | None], known: Mapping[UUID, RosterItem]) -> list[Problem]:
    """Return the problems of ids: each is of an item of the roster, and there once."""
    found = []
    for i, item_id in enumerate(ids):
        if item_id is not None and item_id not in known:
            found.append(Problem(f"items[{i}].id", "is no item of this roster"))
        elif item_id is not None and item_id in ids[:i]:
            found.append(Problem(f"items[{i}].id", "is in the list twice"))
    return found
