"""Requests and replies of schedules."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from service.schema import Reply, Schema

Name = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Line = Annotated[str, Field(max_length=200, examples=["30 2 * * *", "*/15 9-17 * * mon-fri"])]
Zone = Annotated[str, Field(max_length=100, examples=["Europe/Paris"])]
Misfire = Literal["skip", "once", "all"]
Overlap = Literal["skip", "allow"]
Grace = Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)]
Jitter = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class ScheduleIn(Schema):
    """A job to be run again and again."""

    name: Name = Field(examples=["sweep at night"])
    """Yours to choose; no two of your schedules have the same."""
    job: str = Field(max_length=100, examples=["posts.sweep"])
    arguments: dict[str, Any] = Field(default_factory=dict, max_length=100)
    cron: Line
    """Minute, hour, day of month, month, day of week."""
    zone: Zone | None = None
    """Whose wall clock the line means; by default `ALMANAC_TIMEZONE`."""
    misfire: Misfire = "skip"
    """What is made up for of ticks while nobody ticked: none, the last, or all within `grace`."""
    grace: Grace = 3600
    """Seconds for which `all` makes up for a tick."""
    overlap: Overlap = "skip"
    """Whether a tick fires while the job of the one before has not ended."""
    jitter: Jitter = 0
    """Seconds up to which a job starts later than its tick, at random."""
    paused: bool = False


class ScheduleChange(Schema):
    """What to change of a schedule; fields left out stay."""

    name: Name | None = None
    job: str | None = Field(None, max_length=100)
    arguments: dict[str, Any] | None = Field(None, max_length=100)
    cron: Line | None = None
    zone: Zone | None = None
    misfire: Misfire | None = None
    grace: Grace | None = None
    overlap: Overlap | None = None
    jitter: Jitter | None = None


class RunOut(Reply):
    """What became of a tick, or of the last of several that did not fire."""

    tick: datetime
    state: str
    """`fired, missed, overlapped, paused` or `refused`."""
    job_id: str | None
    reason: str | None


class ScheduleOut(Reply):
    """A schedule."""

    id: UUID
    name: str
    static: bool
    """Whether it is part of the code, which alone changes it."""
    job: str
    arguments: dict[str, Any]
    queue: str
    cron: str
    zone: str
    stride: int
    """Only every so many times of the line is a tick; 1 unless periodic jobs are reduced."""
    misfire: str
    grace: float
    overlap: str
    jitter: float
    paused: bool
    version: int
    last_tick_at: datetime | None
    last_job_id: str | None
    run_count: int
    """Jobs of it so far, by ticks and by hand."""
    next_tick_at: datetime
    created_at: datetime


class ScheduleDetail(ScheduleOut):
    """A schedule with what became of its latest ticks, newest first."""

    runs: list[RunOut]


class ScheduleList(Reply):
    """A page of schedules."""

    items: list[ScheduleOut]
    next_cursor: str | None
    ticker_age: float | None
    """Seconds since any worker last looked for ticks; null if none ever did."""
    timezone: str
    """The zone of schedules that name none."""


class FiredOut(Reply):
    """The job of a schedule that was run by hand."""

    id: UUID
    job_id: str
