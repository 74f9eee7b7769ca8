"""Tables of access."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, LargeBinary, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Row


class User(Row):
    """Somebody who owns rows."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str | None]
    """Its argon2id hash; without one nobody logs in as this user."""
    scopes: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default=text("'{}'"), default=list
    )
    """What the user may do when logged in; an API key has scopes of its own."""
    disabled_at: Mapped[datetime | None]
    """Since then neither the password nor any key of the user works."""
    last_login_at: Mapped[datetime | None]
    """When a password began a session, the last time; API keys do not count."""


class Session(Row):
    """Somebody is logged in: only the digest of the cookie is stored."""

    __tablename__ = "sessions"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """The end at the latest; one that is not used ends sooner."""
    address: Mapped[str | None]
    user_agent: Mapped[str | None]


class ApiKey(Row):
    """A bearer key: only its digest is stored, so that it can be shown once and never again."""

    __tablename__ = "api_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    """The first characters of the key, to recognise it by."""
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class RememberedReply(Base):
    """The reply to a request that carried an Idempotency-Key, given again to its repeat."""

    __tablename__ = "remembered_replies"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    """Digest of method, path and body: the same key with another request is an error."""
    status: Mapped[int | None]
    body: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class AuditEntry(Base):
    """Who did what to what, and when; a trigger refuses to change or delete one."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_actor_id", "actor", "id"),
        Index("ix_audit_log_action_id", "action", "id"),
        Index("ix_audit_log_subject_id", "subject", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """Version 7, of the instant `at`: the log is read in this order."""
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]
    address: Mapped[str | None]
    """Where the request came from; None for what is done without one."""
    trace: Mapped[str | None]
