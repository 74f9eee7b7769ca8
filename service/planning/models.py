"""Tables of planning."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Row


class SlotPlan(Base):
    """The times of a week at which an account publishes what is added to its queue."""

    __tablename__ = "slot_plans"

    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    zone: Mapped[str]
    """Whose wall clock the times are of."""
    slots: Mapped[list[Any]]
    """`{weekday, at}` of each, as `{"weekday": "mon", "at": "09:00"}`."""


class Recurrence(Row):
    """A post that comes again and again, with a copy of what it says and of where it goes."""

    __tablename__ = "recurrences"
    __table_args__ = (
        Index("ix_recurrences_owner_id_id", "owner_id", "id"),
        Index(
            "ix_recurrences_create_at",
            "create_at",
            postgresql_where=text("ended_at IS NULL AND NOT paused"),
        ),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    post_id: Mapped[UUID | None] = mapped_column(ForeignKey("posts.id", ondelete="SET NULL"))
    """The post that it was made of."""
    content: Mapped[dict[str, Any]]
    """What each occurrence says and where it goes, as a request to schedule a post."""
    rhythm: Mapped[dict[str, Any]]
    """`{cron}`, or `{unit, count, at, anchor}`."""
    zone: Mapped[str]
    until: Mapped[datetime | None]
    """No occurrence is later."""
    times: Mapped[int | None]
    """How many occurrences there are in all; None: no end."""
    made: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many there have been so far, the coming one included."""
    paused: Mapped[bool] = mapped_column(default=False, server_default=false())
    problem: Mapped[str | None]
    """Why it has paused by itself."""
    next_at: Mapped[datetime | None]
    """The occurrence that is to be made next; None: there is none."""
    create_at: Mapped[datetime]
    """When it is made: once the one before it is due."""
    ended_at: Mapped[datetime | None]


class Occurrence(Base):
    """The claim of one instant of a recurrence, and the post that was made for it."""

    __tablename__ = "occurrences"

    recurrence_id: Mapped[UUID] = mapped_column(
        ForeignKey("recurrences.id", ondelete="CASCADE"), primary_key=True
    )
    occurs_at: Mapped[datetime] = mapped_column(primary_key=True)
    post_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("posts.id", ondelete="SET NULL"), index=True
    )
    withdrawn: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it was taken back by a pause, an end or a change: the instant is free again."""
