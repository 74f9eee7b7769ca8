"""Tables of notifications."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Row


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


class MailState(StrEnum):
    """Whether a mail tells of a notification."""

    NONE = "none"
    """Nobody wants one, or it was read before."""
    WANTED = "wanted"
    """At once, by a job of its own."""
    DIGEST = "digest"
    """Together with the others of the day."""
    MAILED = "mailed"
    """A mail is written; what becomes of it is the mail's."""


class MailWish(StrEnum):
    """When a user wants mails."""

    OFF = "off"
    IMMEDIATELY = "immediately"
    DIGEST = "digest"


class UserNotification(Row):
    """What one user is told."""

    __tablename__ = "user_notifications"
    __table_args__ = (
        UniqueConstraint("user_id", "key"),
        Index("ix_user_notifications_user_id_id", "user_id", "id"),
        Index("ix_user_notifications_unread", "user_id", postgresql_where=text("read_at IS NULL")),
        Index(
            "ix_user_notifications_read_at",
            "read_at",
            postgresql_where=text("read_at IS NOT NULL"),
        ),
        Index(
            "ix_user_notifications_digest",
            "user_id",
            postgresql_where=text("mail_state = 'digest'"),
        ),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str]
    """What it is about, such as `message` or `roster.locked`."""
    key: Mapped[str | None]
    """Told twice under one key, the user hears of it once."""
    title: Mapped[str]
    text: Mapped[str]
    link: Mapped[str | None]
    """Where one sees what it is about: a path of this site, or an http(s) URL."""
    mail_state: Mapped[str]
    read_at: Mapped[datetime | None]


class NotificationSettings(Base):
    """How a user wants to be told beside the dashboard; without a row: by no mail."""

    __tablename__ = "notification_settings"
    __table_args__ = (CheckConstraint("mail = 'off' OR email IS NOT NULL", "email"),)

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    email: Mapped[str | None]
    mail: Mapped[str]
