"""Tables of access."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, LargeBinary, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Row


class User(Row):
    """Somebody who owns rows."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(unique=True)


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
