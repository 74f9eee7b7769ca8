"""Tables of accounts."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, func, text
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
        Index(
            "ix_accounts_token_expires_at",
            "token_expires_at",
            postgresql_where=text("state = 'active' AND token_expires_at IS NOT NULL"),
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
    connected_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When a person last gave it credentials."""
    token_expires_at: Mapped[datetime | None]
    """When the session's access token ends."""
    refresh_after: Mapped[datetime | None]
    """The periodic renewal leaves it alone until then."""
    refresh_error: Mapped[str | None]
    """Why the token could not be renewed the last time."""
    refresh_claim: Mapped[UUID | None]
    """Of the one worker that renews it right now."""
    refresh_claimed_until: Mapped[datetime | None]
    limited_until: Mapped[datetime | None]
    """The platform takes nothing more of this account before."""


class Authorization(Row):
    """One person's way through a platform's login, from the first page to the chosen accounts."""

    __tablename__ = "authorizations"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    """Who began it; nobody else can end it."""
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    """The account that is connected again; None: a new one."""
    platform: Mapped[str]
    server: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    """Of the state, which itself is stored nowhere."""
    secrets: Mapped[bytes] = mapped_column(LargeBinary)
    """PKCE's verifier and what the adapter keeps, encrypted."""
    taken_at: Mapped[datetime | None]
    """When the person came back: the state is good for one return."""
    grants: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The accounts to choose from, encrypted."""
    expires_at: Mapped[datetime]
