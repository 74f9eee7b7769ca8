"""Tables of mails."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Row


class MailState(StrEnum):
    """Where a mail is."""

    QUEUED = "queued"
    SENDING = "sending"
    """It may be out at any moment: the call to the provider has begun."""
    SENT = "sent"
    RETRYING = "retrying"
    REFUSED = "refused"
    """The address, or the provider, will never take it."""
    SUPPRESSED = "suppressed"
    """Nothing is mailed to this address any more."""
    FAILED = "failed"
    """Every attempt failed."""
    UNCONFIRMED = "unconfirmed"
    """Nobody knows whether it went out; it is not sent again by itself."""


class SuppressionReason(StrEnum):
    """Why nothing is mailed to an address."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    MANUAL = "manual"


class Email(Row):
    """One mail to one person."""

    __tablename__ = "emails"
    __table_args__ = (
        Index("ix_emails_address_id", "address", "id"),
        Index("ix_emails_state_id", "state", "id"),
        Index("ix_emails_owner_id_id", "owner_id", "id"),
        Index("ix_emails_kept", "created_at", postgresql_where=text("html <> '' OR text <> ''")),
    )

    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str]
    """What it is for, such as `welcome`; the provider counts by it."""
    key: Mapped[str] = mapped_column(unique=True)
    """Names it among all mails: what is asked for twice is sent once."""
    address: Mapped[str]
    name: Mapped[str] = mapped_column(server_default="")
    subject: Mapped[str]
    html: Mapped[str] = mapped_column(server_default="")
    text: Mapped[str] = mapped_column(server_default="")
    headers: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    state: Mapped[str] = mapped_column(server_default=MailState.QUEUED)
    version: Mapped[int] = mapped_column(server_default="1")
    """Counts how often a person had it sent again; each has a job of its own."""
    attempts: Mapped[int] = mapped_column(server_default="0")
    """Since then."""
    error: Mapped[str | None]
    provider: Mapped[str | None]
    provider_id: Mapped[str | None]
    token: Mapped[UUID | None]
    """Whose attempt it is in."""
    claimed_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]


class Suppression(Row):
    """An address that nothing is mailed to."""

    __tablename__ = "suppressions"

    address: Mapped[str] = mapped_column(unique=True)
    """As `addresses.key` makes it."""
    reason: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    by: Mapped[str] = mapped_column(server_default="")
    """Who said so: `Caller.actor`, or a provider."""


class Bounce(Row):
    """A mail that an address did not take."""

    __tablename__ = "bounces"
    __table_args__ = (Index("ix_bounces_address_at", "address", "at"),)

    address: Mapped[str]
    """As `addresses.key` makes it."""
    at: Mapped[datetime]
    code: Mapped[int]
    hard: Mapped[bool]
    reason: Mapped[str]
    source: Mapped[str]
    """Who told: `smtp`, `sendgrid`, `report`."""


class StoredEvent(Row):
    """An event that was told of a mail; it is acted upon once."""

    __tablename__ = "mail_events"
    __table_args__ = (
        Index("ix_mail_events_subject_id", "subject_id"),
        Index("ix_mail_events_created_at", "created_at", postgresql_using="brin"),
    )

    event_id: Mapped[str] = mapped_column(unique=True)
    """The provider's own."""
    kind: Mapped[str]
    subject_kind: Mapped[str | None]
    """`email` or `delivery`, None where it is of no mail of ours."""
    subject_id: Mapped[UUID | None]
    at: Mapped[datetime]
    facts: Mapped[dict[str, Any]]


class MailPace(Base):
    """When the next mail may go out, over all workers: one row."""

    __tablename__ = "mail_pace"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, server_default=text("1"))
    next_at: Mapped[datetime]
    day: Mapped[date]
    sent: Mapped[int]
    """Places taken of that day (UTC)."""
