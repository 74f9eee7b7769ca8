"""Tables of measures: figures over time, and when they are asked for next."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base

WAITS = text("next_at IS NOT NULL")


class DeliveryMeasure(Base):
    """What a platform told of one published delivery at one instant; never changed."""

    __tablename__ = "delivery_measures"
    __table_args__ = (Index("ix_delivery_measures_at", "at", postgresql_using="brin"),)

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    at: Mapped[datetime] = mapped_column(primary_key=True)
    figures: Mapped[dict[str, Any]]
    """Whole numbers by name; what the platform left out is not there."""


class AccountMeasure(Base):
    """What a platform told of one account at one instant; never changed."""

    __tablename__ = "account_measures"
    __table_args__ = (Index("ix_account_measures_at", "at", postgresql_using="brin"),)

    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    at: Mapped[datetime] = mapped_column(primary_key=True)
    figures: Mapped[dict[str, Any]]


class _Measuring:
    """When a platform is asked next, and how it went.

    Rows of their own, made by whoever measures: publishing neither writes nor waits for them.
    """

    next_at: Mapped[datetime | None]
    """None: never again. While it is being measured, when another worker may take it."""
    claim: Mapped[UUID | None]
    """Of the run that measures it right now."""
    measured_at: Mapped[datetime | None]
    """When the platform answered the last time."""
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    """In a row."""
    error: Mapped[str | None]
    """Why the last answer had no figures."""
    missing_since: Mapped[datetime | None]
    """When the platform first said that there is nothing to tell of; with no `next_at`, gone."""


class DeliveryMeasuring(_Measuring, Base):
    """When figures of a delivery are asked for."""

    __tablename__ = "delivery_measuring"
    __table_args__ = (Index("ix_delivery_measuring_next_at", "next_at", postgresql_where=WAITS),)

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True
    )


class AccountMeasuring(_Measuring, Base):
    """When figures of an account are asked for, and up to when its deliveries are known."""

    __tablename__ = "account_measuring"
    __table_args__ = (Index("ix_account_measuring_next_at", "next_at", postgresql_where=WAITS),)

    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    planned_to: Mapped[datetime]
    """What was published before is planned already."""
