"""Requests and replies of planning."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from service.schema import Reply, Schema

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Clock = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["09:00"])
]
Line = Annotated[str, Field(max_length=200, examples=["0 9 1 * *"])]
Zone = Annotated[str, Field(max_length=100, examples=["Europe/Paris"])]
Count = Annotated[int, Field(ge=1, le=365)]
Times = Annotated[int, Field(ge=1, le=10_000)]


class Slot(Schema):
    """A time of the week."""

    weekday: Weekday
    at: Clock


class SlotsIn(Schema):
    """The weekly plan of an account; an empty list takes it away."""

    zone: Zone
    """Whose wall clock the times are of."""
    slots: list[Slot] = Field(max_length=336)


class SlotOut(Reply):
    """A time of the week."""

    weekday: Weekday
    at: str


class SlotsOut(Reply):
    """The weekly plan of an account."""

    account_id: UUID
    zone: str | None
    """None where no plan was made yet."""
    slots: list[SlotOut]


class NextSlot(Reply):
    """A time at which an account is free."""

    at: datetime
    local: datetime
    """The same instant, with the offset of the plan's zone."""


class NextSlots(Reply):
    """The next free times of an account."""

    account_id: UUID
    zone: str | None
    items: list[NextSlot]


class EveryIn(Schema):
    """Every so many days, weeks or months."""

    days: Count | None = None
    weeks: Annotated[int, Field(ge=1, le=52)] | None = None
    months: Annotated[int, Field(ge=1, le=24)] | None = None
    """On the day of the month of the post; on the last where there is no such day."""
    at: Clock | None = None
    """By default the post's own time of the day."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(unit is not None for unit in (self.days, self.weeks, self.months)) != 1:
            raise ValueError("name one of days, weeks, months")
        return self


class RepeatIn(Schema):
    """How a post is to come again: by `cron` or by `every`."""

    cron: Line | None = None
    """Minute, hour, day of month, month, day of week."""
    every: EveryIn | None = None
    zone: Zone | None = None
    """Whose wall clock is meant; by default the post's."""
    until: AwareDatetime | None = None
    """No occurrence is later."""
    times: Times | None = None
    """How many occurrences there are, the post itself not counted."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.cron is None) == (self.every is None):
            raise ValueError("name cron or every, and not both")
        return self


class RecurrenceChange(Schema):
    """What to change of a recurring post; fields left out stay."""

    cron: Line | None = None
    every: EveryIn | None = None
    zone: Zone | None = None
    until: AwareDatetime | None = None
    """null: without an end."""
    times: Times | None = None
    """null: without an end."""
    content_of: UUID | None = None
    """A post whose text, media and accounts the coming occurrences take from now on."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one of cron, every, zone, until, times, content_of")
        if self.cron is not None and self.every is not None:
            raise ValueError("name cron or every, and not both")
        return self


class OccurrenceOut(Reply):
    """A post of a recurrence."""

    occurs_at: datetime
    post_id: UUID | None
    """None for one that was deleted."""


class RecurrenceOut(Reply):
    """A post that comes again and again."""

    id: UUID
    state: Literal["active", "paused", "ended"]
    post_id: UUID | None
    """The post that it was made of."""
    text: str
    accounts: list[UUID]
    cron: str | None
    every: dict[str, Any] | None
    """`unit, count, at` and `anchor`, the day that is counted from."""
    in_words: str
    zone: str
    until: datetime | None
    times: int | None
    made: int
    """Occurrences so far, the coming one included."""
    coming: OccurrenceOut | None
    """The next occurrence, which is scheduled already."""
    next_at: datetime | None
    """The one after it."""
    problem: str | None
    """Why it has paused by itself."""
    notes: list[str]
    """What to think of."""
    created_at: datetime
    ended_at: datetime | None


class RecurrenceDetail(RecurrenceOut):
    """A recurring post with its latest occurrences, newest first."""

    occurrences: list[OccurrenceOut]


class RecurrenceList(Reply):
    """A page of recurring posts."""

    items: list[RecurrenceOut]
    next_cursor: str | None
