"""Tables of rosters."""

import datetime as dt
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Row
from service.rosters.rules import ItemStatus, RosterStatus


class Roster(Row):
    """Who is on duty on one day for one project.

    While it is locked a trigger refuses every change but an unlock, to it and to its items.
    """

    __tablename__ = "rosters"
    __table_args__ = (
        UniqueConstraint("day", "project"),
        CheckConstraint(
            "CASE status WHEN 'open' THEN locked_at IS NULL AND locked_by IS NULL"
            " WHEN 'locked' THEN locked_at IS NOT NULL AND locked_by IS NOT NULL"
            " ELSE false END",
            name="status",
        ),
        Index("ix_rosters_owner_id_id", "owner_id", "id"),
        Index("ix_rosters_open_day", "day", postgresql_where=text("status = 'open'")),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    day: Mapped[dt.date]
    project: Mapped[str]
    status: Mapped[str] = mapped_column(
        default=RosterStatus.OPEN, server_default=RosterStatus.OPEN.value
    )
    locked_at: Mapped[datetime | None]
    locked_by: Mapped[str | None]
    """An actor, as the audit log has them."""
    notes: Mapped[str] = mapped_column(default="", server_default="")


class RosterItem(Row):
    """Somebody's duty of a roster."""

    __tablename__ = "roster_items"
    __table_args__ = (
        CheckConstraint("status IN ('planned', 'present', 'absent', 'replaced')", name="status"),
        CheckConstraint("(status = 'replaced') = (replaced_by IS NOT NULL)", name="replaced_by"),
        CheckConstraint("(starts IS NULL) = (ends IS NULL)", name="times"),
        Index("ix_roster_items_roster_id_position", "roster_id", "position"),
    )

    roster_id: Mapped[UUID] = mapped_column(ForeignKey("rosters.id", ondelete="CASCADE"))
    position: Mapped[int]
    person: Mapped[str]
    role: Mapped[str]
    starts: Mapped[dt.time | None]
    ends: Mapped[dt.time | None]
    status: Mapped[str] = mapped_column(
        default=ItemStatus.PLANNED, server_default=ItemStatus.PLANNED.value
    )
    replaced_by: Mapped[str | None]
    note: Mapped[str]
    updated_by: Mapped[str]
    """An actor, as the audit log has them."""
    updated_at: Mapped[datetime]
