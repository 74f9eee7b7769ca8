"""Tables of webhooks."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.db.base import Row


class DeliveryState(StrEnum):
    """Where a delivery is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookEndpoint(Row):
    """A URL that is told what ended."""

    __tablename__ = "webhook_endpoints"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    url: Mapped[str]
    description: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    names: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Of jobs and workflows; empty: all."""
    queues: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Of jobs; empty: all."""
    sees_all: Mapped[bool]
    """Whether it is told of everybody's workflows: an administrator made it."""
    enabled: Mapped[bool]
    disabled_reason: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0)
    """Deliveries given up since the last that arrived."""
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted, as is the one before it."""
    old_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    old_secret_until: Mapped[datetime | None]
    """Until when the secret before the last rotation signs as well."""


class WebhookDelivery(Row):
    """One event on its way to one endpoint; its id is the `webhook-id` of every attempt."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        Index("ix_webhook_deliveries_created_at", "created_at"),
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
    )

    endpoint_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_endpoints.id", ondelete="CASCADE")
    )
    event_id: Mapped[str]
    event_type: Mapped[str]
    body: Mapped[str]
    """The JSON that is sent, the same at every attempt."""
    state: Mapped[str] = mapped_column(default=DeliveryState.PENDING)
    version: Mapped[int] = mapped_column(default=1)
    """Counts replays; the job of an earlier one ends without effect."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Since the last replay."""
    error: Mapped[str | None]
    """Why the last attempt failed."""
    next_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    log: Mapped[list["WebhookAttempt"]] = relationship(
        lazy="raise", order_by="WebhookAttempt.id", passive_deletes=True
    )


class WebhookAttempt(Row):
    """One request of a delivery."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), index=True
    )
    status: Mapped[int | None]
    """Of the answer, if there was one."""
    error: Mapped[str | None]
    answer: Mapped[str | None]
    """How the answer's body begins."""
    duration_ms: Mapped[int]
