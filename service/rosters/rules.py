"""Pure rules of rosters: which days are over, what a duty must say, what has changed in words."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from service.errors import Problem

MOST_ITEMS = 200
"""People of one roster."""
EARLIEST, LATEST = date(2000, 1, 1), date(2199, 12, 31)
"""Days that may have a roster."""


class RosterStatus(StrEnum):
    """Whether a roster may be changed."""

    OPEN = "open"
    LOCKED = "locked"


class ItemStatus(StrEnum):
    """How a duty went."""

    PLANNED = "planned"
    PRESENT = "present"
    ABSENT = "absent"
    """The note may say why."""
    REPLACED = "replaced"
    """Somebody else did it: `replaced_by`."""


@dataclass(frozen=True, slots=True)
class Duty:
    """What an item of a roster says."""

    person: str
    role: str = ""
    starts: time | None = None
    """Of the clock where the people are; without times it is the whole day."""
    ends: time | None = None
    """Not after `starts`: on the day after."""
    status: ItemStatus = ItemStatus.PLANNED
    replaced_by: str | None = None
    note: str = ""


def today(moment: datetime, zone: ZoneInfo) -> date:
    """Return the day that it is in a zone; every earlier one is over there."""
    return moment.astimezone(zone).date()


def changed(duty: Duty, values: Mapping[str, Any]) -> Duty:
    """Return a duty with other values; nobody stands in any more where it is not replaced."""
    found = replace(duty, **values)
    if found.status is not ItemStatus.REPLACED and "replaced_by" not in values:
        return replace(found, replaced_by=None)
    return found


def planned(duty: Duty) -> Duty:
    """Return a duty as it is planned for another day."""
    return Duty(duty.person, duty.role, duty.starts, duty.ends)


def problems(duty: Duty, at: str = "") -> list[Problem]:
    """Return what is wrong with a duty.

    Args:
        duty: each of its values is well-formed.
        at: begins the names of fields, such as `items[3].`.
    """
    found = []
    if duty.status is ItemStatus.REPLACED:
        if duty.replaced_by is None:
            found.append(Problem(f"{at}replaced_by", "is needed: who did it instead", "missing"))
        elif duty.replaced_by == duty.person:
            found.append(Problem(f"{at}replaced_by", "is the same person"))
    elif duty.replaced_by is not None:
        found.append(Problem(f"{at}replaced_by", "is only for the status 'replaced'"))
    if (duty.starts is None) != (duty.ends is None):
        missing = "starts" if duty.starts is None else "ends"
        found.append(Problem(f"{at}{missing}", "is needed: give both times or none", "missing"))
    elif duty.starts is not None and duty.starts == duty.ends:
        message = "is the same time as starts; for the whole day leave both out"
        found.append(Problem(f"{at}ends", message))
    return found


def told(before: Duty, after: Duty) -> str | None:
    """Return in words what has changed of a duty, None for nothing.

    What a note says is left out: it may be private, and this is kept for ever.
    """
    parts = []
    for field in fields(Duty):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new:
            continue
        name = field.name.replace("_", " ")
        parts.append(name if field.name == "note" else f"{name} {_word(old)} → {_word(new)}")
    return f"{before.person}: {', '.join(parts)}" if parts else None


def named(duty: Duty) -> str:
    """Return a duty in a word or two."""
    return f"{duty.person} ({duty.role})" if duty.role else duty.person


def locked(at: datetime, by: str) -> str:
    """Return why a roster cannot be changed: since when it is locked, and who did that."""
    since = at.astimezone(UTC)
    return f"This roster is locked since {since:%Y-%m-%d %H:%M} UTC by {by}; unlock it first"


def _word(value: object) -> str:
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return "none" if value in {None, ""} else str(value)
