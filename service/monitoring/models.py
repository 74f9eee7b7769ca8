"""Tables of monitoring."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base


class JobRecord(Base):
    """A finished job, kept after Redis has forgotten it."""

    __tablename__ = "job_records"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    queue: Mapped[str]
    state: Mapped[str]
    arguments: Mapped[Any] = mapped_column(JSONB)
    result: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    error: Mapped[str | None]
    traceback: Mapped[str | None]
    tries: Mapped[int]
    worker: Mapped[str]
    enqueued_at: Mapped[datetime]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime] = mapped_column(index=True)
