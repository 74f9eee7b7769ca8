"""Requests and replies of rosters."""

import datetime as dt
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from service.rosters import rules
from service.rosters.rules import ItemStatus, RosterStatus
from service.schema import Reply, Schema

LINE = r"^[^\x00-\x1f\x7f]*$"
TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=LINE)
]
Role = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=LINE)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=TEXT)]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500, pattern=TEXT)
]
Clock = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["08:30"])
]
Day = Annotated[
    dt.date, Field(ge=rules.EARLIEST, le=rules.LATEST, examples=[dt.date(2026, 11, 23)])
]


class ItemIn(Schema):
    """Somebody's duty."""

    person: Name
    role: Role = ""
    """What they are there for."""
    starts: Clock | None = None
    """By the clock where they are; without times it is the whole day."""
    ends: Clock | None = None
    """Before `starts`: on the day after."""
    status: ItemStatus = ItemStatus.PLANNED
    replaced_by: Name | None = None
    """Who did it instead; needed with the status `replaced`, and only then."""
    note: Text = ""
    """Such as why somebody was absent."""


class KeptItemIn(ItemIn):
    """Somebody's duty: a new one, or one of the roster."""

    id: UUID | None = None
    """Of the item that it is; without one it is new."""


class ItemChange(Schema):
    """What to change of an item; fields left out stay."""

    person: Name = ""
    role: Role = ""
    starts: Clock | None = None
    ends: Clock | None = None
    status: ItemStatus = ItemStatus.PLANNED
    replaced_by: Name | None = None
    note: Text = ""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"name at least one of {', '.join(type(self).model_fields)}")
        return self


class ItemsIn(Schema):
    """The whole list of a roster, in its order; items that are not in it are deleted."""

    items: list[KeptItemIn] = Field(max_length=rules.MOST_ITEMS)


class RosterIn(Schema):
    """A roster: there is one for each day and project."""

    day: Day
    project: Name
    notes: Text = ""
    items: list[ItemIn] = Field(default_factory=list, max_length=rules.MOST_ITEMS)
    copy_from: UUID | None = None
    """A roster whose people are planned again, before `items`."""


class RosterChange(Schema):
    """What to change of a roster itself."""

    notes: Text


class UnlockIn(Schema):
    """Why a locked roster is opened again; the audit log keeps it."""

    reason: Reason


class ItemOut(Reply):
    """Somebody's duty."""

    id: UUID
    person: str
    role: str
    starts: str | None
    ends: str | None
    status: ItemStatus
    replaced_by: str | None
    note: str
    updated_by: str
    """Who changed it last."""
    updated_at: datetime

    @model_validator(mode="before")
    @classmethod
    def _clocks(cls, item: Any) -> Any:
        values = {name: getattr(item, name) for name in cls.model_fields}
        for name in ("starts", "ends"):
            values[name] = f"{values[name]:%H:%M}" if values[name] else None
        return values


class RosterOut(Reply):
    """Who is on duty on one day for one project, in numbers."""

    id: UUID
    day: dt.date
    project: str
    status: RosterStatus
    locked_at: datetime | None
    locked_by: str | None
    """A user, `schedule:rosters.lock` or `cli:…`."""
    notes: str
    counts: dict[ItemStatus, int]
    """How many people there are of each status."""
    created_at: datetime


class RosterDetail(RosterOut):
    """A roster with its people, in their order."""

    items: list[ItemOut]


class RosterList(Reply):
    """A page of rosters."""

    items: list[RosterOut]
    next_cursor: str | None
