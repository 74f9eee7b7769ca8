"""One duty roster: who is on it, changed in place, its lock, and what was done to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.access import session_queries
from service.access.caller import Caller, Scope
from service.access.models import AuditEntry
from service.config import Settings
from service.dashboard import filled
from service.dashboard.access import deeds
from service.dashboard.view import ContentReader, ContentWriter, View
from service.errors import AlmanacError, InvalidInput, NotFound
from service.kit.clock import now
from service.kit.crontab import crontab, first_instant
from service.kit.pagination import Page
from service.rosters import actions, item_actions, locking_actions, routes
from service.rosters.rules import ItemStatus, RosterStatus
from service.rosters.schemas import (
    ItemChange,
    ItemIn,
    ItemOut,
    RosterChange,
    RosterDetail,
    UnlockIn,
)

router = APIRouter(include_in_schema=False)
HISTORY = 20
"""Entries of the audit log that are shown."""
TOLD = 12
"""Changes of one entry that are shown."""
ITEM = ("person", "role", "starts", "ends", "status", "replaced_by", "note")
NEW: Mapping[str, str] = {**dict.fromkeys(ITEM, ""), "status": ItemStatus.PLANNED.value}
OPTIONAL = ("starts", "ends", "replaced_by")
"""Fields of an item that are null when nothing is typed."""
CLOCK = "Is a time such as 08:30"
WHO = {locking_actions.SYSTEM: "Almanac, by itself"}
Text = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is done to a whole roster once somebody has read what it means."""

    title: str
    done: str
    scope: Scope = Scope.CONTENT_WRITE
    status: RosterStatus = RosterStatus.OPEN
    """The one that a roster must have."""


ACTS: Mapping[str, Act] = {
    "present": Act("Mark everybody present?", "Everybody who was planned is present"),
    "lock": Act("Lock this roster?", "The roster is locked"),
    "unlock": Act(
        "Unlock this roster", "The roster is open again", Scope.SETTINGS_WRITE, RosterStatus.LOCKED
    ),
    "delete": Act("Delete this roster?", "The roster is deleted"),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A form of the page that is open: an item's, a new one's or that of the notes."""

    at: str = ""
    """An item's id, `notes`, or nothing for the form of a new item."""
    values: Mapping[str, str] | None = None
    """What was typed; None: what is stored."""
    problems: Mapping[str, str] | None = None


@router.get("/rosters/{roster_id}")
async def show(
    roster_id: UUID, view: ContentReader, edit: Text = "", status: Text = ""
) -> Response:
    """Show a roster; `edit` names the item whose form stands in its place."""
    found = await _read(view, roster_id)
    if not _may_edit(view.caller, found):
        return await _page(view, found, Typed())
    item = next((each for each in found.items if str(each.id) == edit), None)
    values = None
    if item is not None and status in set(ItemStatus):
        values = {**_stored(item), "status": status}
    return await _page(view, found, Typed(edit, values))


@router.post("/rosters/{roster_id}/notes")
async def save_notes(roster_id: UUID, view: ContentWriter) -> Response:
    """Change the notes of a roster."""
    typed = str(view.form.get("notes", ""))
    try:
        body = filled.body(RosterChange, {"notes": typed})
        async with view.runtime.unit_of_work() as uow:
            await actions.change(uow.session, view.caller, roster_id, body.notes)
    except InvalidInput as error:
        found = Typed("notes", {"notes": typed}, filled.problems(error))
        return await _page(view, await _read(view, roster_id), found, 422)
    except AlmanacError as error:
        return _refused(view, roster_id, error)
    return view.go(_path(roster_id), "The notes are saved")


@router.post("/rosters/{roster_id}/items")
async def add_item(roster_id: UUID, view: ContentWriter) -> Response:
    """Add somebody to a roster."""
    values = _typed(view)
    try:
        body = filled.body(ItemIn, _given(values))
        async with view.runtime.unit_of_work() as uow:
            made = await item_actions.add_item(uow.session, view.caller, roster_id, body)
    except InvalidInput as error:
        found = Typed("", values, _problems(error))
        return await _page(view, await _read(view, roster_id), found, 422)
    except AlmanacError as error:
        return _refused(view, roster_id, error)
    return view.go(f"{_path(roster_id)}#add", f"{made.person} is on the roster")


@router.post("/rosters/{roster_id}/items/{item_id}")
async def save_item(roster_id: UUID, item_id: UUID, view: ContentWriter) -> Response:
    """Change an item."""
    values = _typed(view)
    try:
        body = filled.body(ItemChange, _given(values))
        item = await _change(view, roster_id, item_id, body)
    except InvalidInput as error:
        found = Typed(str(item_id), values, _problems(error))
        return await _page(view, await _read(view, roster_id), found, 422)
    except AlmanacError as error:
        return _refused(view, roster_id, error)
    return view.go(_path(roster_id), f"{item.person} is saved")


@router.post("/rosters/{roster_id}/items/{item_id}/remove")
async def remove_item(roster_id: UUID, item_id: UUID, view: ContentWriter) -> Response:
    """Take somebody off a roster."""
    try:
        async with view.runtime.unit_of_work() as uow:
            await item_actions.delete_item(uow.session, view.caller, roster_id, item_id)
    except AlmanacError as error:
        return _refused(view, roster_id, error)
    return view.go(_path(roster_id), "The person is off the roster")


@router.post("/rosters/{roster_id}/items/{item_id}/{status}")
async def mark(roster_id: UUID, item_id: UUID, status: ItemStatus, view: ContentWriter) -> Response:
    """Say how a duty went, by one button."""
    try:
        item = await _change(view, roster_id, item_id, ItemChange(status=status))
    except AlmanacError as error:
        return _refused(view, roster_id, error)
    return view.go(_path(roster_id), f"{item.person} is {status}")


@router.get("/rosters/{roster_id}/{act}")
async def ask(roster_id: UUID, act: str, view: ContentWriter) -> Response:
    """Say what something means for the whole roster, and ask."""
    found, _ = await _read(view, roster_id), _wanted(view, act)
    return await _confirm(view, found, act)


@router.post("/rosters/{roster_id}/{act}")
async def do(roster_id: UUID, act: str, view: ContentWriter) -> Response:
    """Do something to a roster, once somebody has read what it means."""
    wanted = _wanted(view, act)
    if view.form.get("confirmed") != "yes":
        return view.go(f"{_path(roster_id)}/{act}", "Read what follows first", done=False)
    reason = str(view.form.get("reason", ""))
    try:
        async with view.runtime.unit_of_work() as uow:
            await _carry_out(uow.session, view.caller, roster_id, act, reason)
    except InvalidInput:
        problem = {"reason": "Say why, in 3 to 500 characters"}
        return await _confirm(view, await _read(view, roster_id), act, reason, problem)
    except AlmanacError as error:
        return _refused(view, roster_id, error)
    return view.go("/rosters" if act == "delete" else _path(roster_id), wanted.done)


async def _carry_out(
    session: AsyncSession, caller: Caller, roster_id: UUID, act: str, reason: str
) -> None:
    if act == "lock":
        await locking_actions.lock(session, caller, roster_id)
    elif act == "unlock":
        body = filled.body(UnlockIn, {"reason": reason})
        await locking_actions.unlock(session, caller, roster_id, body.reason)
    elif act == "delete":
        await actions.delete(session, caller, roster_id)
    else:
        await item_actions.mark_present(session, caller, roster_id)


def _wanted(view: View, act: str) -> Act:
    """Return what is to be done. Raises NotFound or Forbidden."""
    if act not in ACTS:
        raise NotFound("There is no such page")
    view.caller.require(ACTS[act].scope)
    return ACTS[act]


async def _change(view: View, roster_id: UUID, item_id: UUID, body: ItemChange) -> ItemOut:
    async with view.runtime.unit_of_work() as uow:
        item = await item_actions.change_item(uow.session, view.caller, roster_id, item_id, body)
        return ItemOut.model_validate(item)


async def _read(view: View, roster_id: UUID) -> RosterDetail:
    async with view.runtime.unit_of_work() as uow:
        return await routes.show(roster_id, view.caller, uow)


def _path(roster_id: UUID) -> str:
    return f"/rosters/{roster_id}"


def _refused(view: View, roster_id: UUID, error: AlmanacError) -> Response:
    return view.refused("/rosters" if isinstance(error, NotFound) else _path(roster_id), error)


def _may_edit(caller: Caller, found: RosterDetail) -> bool:
    return found.status is RosterStatus.OPEN and caller.may(Scope.CONTENT_WRITE)


def _typed(view: View) -> dict[str, str]:
    """Return what the form of an item holds."""
    values = {name: str(view.form.get(name, "")).strip() for name in ITEM}
    return {**values, "status": values["status"] or ItemStatus.PLANNED}


def _given(values: Mapping[str, str]) -> dict[str, str | None]:
    """Return a form's values as a request has them."""
    return {name: value or (None if name in OPTIONAL else "") for name, value in values.items()}


def _stored(item: ItemOut) -> dict[str, str]:
    return {name: getattr(item, name) or "" for name in ITEM}


def _problems(error: InvalidInput) -> dict[str, str]:
    found = filled.problems(error)
    malformed = {problem.field for problem in error.problems if "control" in problem.message}
    return found | {name: CLOCK for name in ("starts", "ends") if name in malformed}


async def _page(view: View, found: RosterDetail, typed: Typed, status: int = 200) -> Response:
    item = next((each for each in found.items if str(each.id) == typed.at), None)
    values = {**NEW, **(typed.values or (_stored(item) if item else {}))}
    async with view.runtime.unit_of_work() as uow:
        history = await _history(uow.session, found.id)
    caller, settings = view.caller, view.runtime.settings
    over = _end(found, ZoneInfo(settings.site_zone))
    return await view.page(
        "roster.html",
        status,
        roster=found,
        editing=item.id if item else None,
        noting=typed.at == "notes",
        form=values,
        problems=typed.problems or {},
        statuses=[(each.value, each.value) for each in ItemStatus],
        history=history,
        who=WHO,
        over=over <= now(),
        locks_at=next_lock(settings, max(over, now())),
        may_edit=_may_edit(caller, found),
        may_write=caller.may(Scope.CONTENT_WRITE),
        may_unlock=caller.may(Scope.CONTENT_WRITE) and caller.may(Scope.SETTINGS_WRITE),
    )


async def _confirm(
    view: View,
    found: RosterDetail,
    act: str,
    reason: str = "",
    problems: Mapping[str, str] | None = None,
) -> Response:
    if found.status is not ACTS[act].status:
        state = "not locked" if found.status is RosterStatus.OPEN else "locked"
        return view.go(_path(found.id), f"This roster is {state}", done=False)
    over = _end(found, ZoneInfo(view.runtime.settings.site_zone)) <= now()
    return await view.page(
        "roster_confirm.html",
        422 if problems else 200,
        roster=found,
        act=act,
        wanted=ACTS[act],
        reason=reason,
        problems=problems or {},
        over=over,
        locks_at=next_lock(view.runtime.settings, now()),
        may_unlock=view.caller.may(Scope.SETTINGS_WRITE),
    )


def _end(found: RosterDetail, zone: ZoneInfo) -> datetime:
    """Return when the day of a roster is over in a zone."""
    midnight = datetime.combine(found.day + timedelta(days=1), time())
    return first_instant(midnight, zone)


def next_lock(settings: Settings, after: datetime) -> datetime:
    """Return when the rosters of days that are over are locked the next time."""
    return crontab(settings.schedule_lines["rosters.lock"], settings.site_zone).after(after)


async def _history(
    session: AsyncSession, roster_id: UUID
) -> list[tuple[AuditEntry, str, list[str]]]:
    """Return what was done to a roster, the latest first: entry, words, and what else it says."""
    wanted = session_queries.Wanted(subject=f"roster:{roster_id}")
    entries = (await session_queries.list_entries(session, wanted, Page(HISTORY))).items
    return [
        (entry, deeds.WORDS.get(entry.action, entry.action), _more(entry.detail))
        for entry in entries
    ]


def _more(detail: Mapping[str, Any]) -> list[str]:
    """Return what an entry says of a roster that its page does not say already."""
    changes = list(detail.get("changes", ()))
    if reason := detail.get("reason"):
        changes.append(f"Reason: {reason}")
    if len(changes) > TOLD:
        changes[TOLD:] = [f"and {len(changes) - TOLD} more"]
    return changes
