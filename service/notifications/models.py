"""Tables of notifications."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Row


class Notice(Row):
    """One incident: what happens again while it lasts is counted, not repeated."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("uq_notices_open_key", "key", unique=True, postgresql_where=text("open")),
        Index("ix_notices_unmailed", "id", postgresql_where=text("mailed_at IS NULL")),
    )

    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    """None for what concerns everybody who may see jobs."""
    kind: Mapped[str]
    key: Mapped[str]
    """What counts as the same incident."""
    open: Mapped[bool] = mapped_column(default=True)
    """Whether what happens again belongs to it."""
    title: Mapped[str]
    text: Mapped[str]
    """Of the last time."""
    count: Mapped[int] = mapped_column(default=1)
    last_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    mailed_at: Mapped[datetime | None]
