"""Tables of media."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Row


class Media(Row):
    """An uploaded image or video; the bytes lie in the media folder under their SHA-256.

    Rows of before Almanac measured what it is sent have no measures.
    """

    __tablename__ = "media"
    __table_args__ = (Index("ix_media_sha256", "sha256"),)

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    sha256: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    filename: Mapped[str]
    width: Mapped[int | None]
    """In pixels, as it is shown."""
    height: Mapped[int | None]
    seconds: Mapped[float | None]
    """Of a video, or of an image that moves."""
    frame_rate: Mapped[float | None]
    video_codec: Mapped[str | None]
    audio_codec: Mapped[str | None]


class VariantState(StrEnum):
    """What became of a conversion."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class Variant(Row):
    """What a content becomes by a plan: made once, for all posts and accounts that need it."""

    __tablename__ = "media_variants"
    __table_args__ = (
        UniqueConstraint("source_sha256", "plan_key"),
        Index("ix_media_variants_sha256", "sha256"),
        Index("ix_media_variants_used_at", "used_at"),
    )

    source_sha256: Mapped[str]
    source_type: Mapped[str]
    source_seconds: Mapped[float | None]
    plan_key: Mapped[str]
    """Tells its plan from every other one."""
    plan: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(default=VariantState.PENDING)
    error: Mapped[str | None]
    """Why it failed."""
    claimed_until: Mapped[datetime | None]
    """Until when whoever makes it has it for itself."""
    made_at: Mapped[datetime | None]
    """When it became ready or failed."""
    used_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When it was last asked for."""
    sha256: Mapped[str | None]
    content_type: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)
    width: Mapped[int | None]
    height: Mapped[int | None]
    seconds: Mapped[float | None]
    frame_rate: Mapped[float | None]
    video_codec: Mapped[str | None]
    audio_codec: Mapped[str | None]
