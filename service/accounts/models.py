"""Tables of accounts."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Row


class AccountState(StrEnum):
    """Whether posts may go out through an account."""

    ACTIVE = "active"
    NEEDS_RECONNECT = "needs_reconnect"
    DISCONNECTED = "disconnected"
    """A person has removed it: its credentials are gone, the row stays for its history."""


class Account(Row):
    """One account on one platform; credentials and session are encrypted."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("owner_id", "platform", "base_url", "handle"),
        # Almanac's own pages are found by their handle alone.
        Index(
            "uq_accounts_local_handle",
            "handle",
            unique=True,
            postgresql_where=text("local"),
        ),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    platform: Mapped[str]
    handle: Mapped[str]
    display_name: Mapped[str]
    base_url: Mapped[str]
    local: Mapped[bool]
    """Whether Almanac serves the account's posts itself (feed and sandbox accounts)."""
    state: Mapped[str] = mapped_column(default=AccountState.ACTIVE)
    limits: Mapped[dict[str, Any]]
    credentials: Mapped[bytes] = mapped_column(LargeBinary)
    session: Mapped[bytes] = mapped_column(LargeBinary)
    token_expires_at: Mapped[datetime | None]
    """When the session's access token ends."""
    refresh_claim: Mapped[UUID | None]
    """Of the one worker that renews it right now."""
    refresh_claimed_until: Mapped[datetime | None]
    limited_until: Mapped[datetime | None]
    """The platform takes nothing more of this account before."""
