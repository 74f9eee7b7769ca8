"""Tables of schedules."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Row


class Firing(StrEnum):
    """What became of a tick."""

    FIRED = "fired"
    MISSED = "missed"
    """Nobody ticked in time, and the rule does not make up for it."""
    OVERLAPPED = "overlapped"
    """The job of an earlier tick had not ended."""
    PAUSED = "paused"
    REFUSED = "refused"
    """The job no longer takes the rule's arguments."""


class Schedule(Row):
    """One periodic rule."""

    __tablename__ = "schedules"
    __table_args__ = (
        UniqueConstraint("owner_id", "name"),
        Index(
            "uq_schedules_static_name",
            "name",
            unique=True,
            postgresql_where=text("owner_id IS NULL"),
        ),
    )

    name: Mapped[str]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    """None for a rule of the code."""
    job: Mapped[str]
    arguments: Mapped[dict[str, Any]] = mapped_column(default=dict)
    queue: Mapped[str]
    """Its name, without prefix."""
    line: Mapped[str]
    zone: Mapped[str]
    stride: Mapped[int] = mapped_column(default=1)
    """Only every so many times of the line is a tick."""
    misfire: Mapped[str]
    grace: Mapped[float]
    overlap: Mapped[str]
    jitter: Mapped[float]
    paused: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    next_tick_at: Mapped[datetime] = mapped_column(index=True)
    last_tick_at: Mapped[datetime | None]
    """The last one that fired."""
    last_job_id: Mapped[str | None]
    run_count: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Jobs of it, by ticks and by hand."""


class ScheduleRun(Base):
    """What became of one tick, or of the last of a stretch of ticks that did not fire."""

    __tablename__ = "schedule_runs"

    schedule_id: Mapped[UUID] = mapped_column(
        ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True
    )
    tick: Mapped[datetime] = mapped_column(primary_key=True)
    state: Mapped[str]
    job_id: Mapped[str | None]
    reason: Mapped[str | None]
    decided_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Ticker(Base):
    """A process that ticks, and when it last looked."""

    __tablename__ = "tickers"

    name: Mapped[str] = mapped_column(primary_key=True)
    beat_at: Mapped[datetime]
