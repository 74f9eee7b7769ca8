"""Tables of monitoring."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Index, Integer, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base
from service.kit.ids import uuid7


class JobRun(Base):
    """One run of a job, or the end of a job that never ran. Partitioned by the day of its end."""

    __tablename__ = "job_runs"
    __table_args__ = (
        Index("ix_job_runs_job_id", "job_id"),
        Index("ix_job_runs_name_finished_at", "name", "finished_at"),
        Index("ix_job_runs_queue_finished_at", "queue", "finished_at"),
        Index(
            "ix_job_runs_unsuccessful",
            "finished_at",
            postgresql_where=text("state <> 'succeeded'"),
        ),
        Index(
            "ix_job_runs_actor",
            "actor",
            "finished_at",
            postgresql_where=text("actor IS NOT NULL"),
        ),
        {"postgresql_partition_by": "RANGE (finished_at)"},
    )

    finished_at: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    """Of this run; begins with `finished_at`, so that it tells where a page goes on."""
    job_id: Mapped[str]
    attempt: Mapped[int]
    """Runs begun, this one included; 0 for a job that never ran."""
    name: Mapped[str]
    queue: Mapped[str]
    """Name of the queue, without prefix."""
    state: Mapped[str]
    """`succeeded`, `failed`, `cancelled`, or `retrying`: failed and tried again."""
    arguments: Mapped[Any] = mapped_column(JSONB)
    """By name; of a sensitive job what is encrypted stays so, under `sealed`."""
    result: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    error_type: Mapped[str | None]
    """Dotted name of the class."""
    error: Mapped[str | None]
    traceback: Mapped[str | None]
    worker: Mapped[str]
    """Host and process; empty for a job that never ran."""
    actor: Mapped[str | None]
    trace: Mapped[str | None]
    sensitive: Mapped[bool]
    enqueued_at: Mapped[datetime]
    started_at: Mapped[datetime]


class EventOffset(Base):
    """How far the stream of a queue's events is recorded."""

    __tablename__ = "event_offsets"

    queue: Mapped[str] = mapped_column(primary_key=True)
    """Key of the queue."""
    generation: Mapped[str]
    """Of the stream; another one when Redis has lost it."""
    last_id: Mapped[str]
    """Of the last recorded entry."""
    accounted: Mapped[int] = mapped_column(BigInteger)
    """Entries of this generation that were recorded, or are known to be lost."""
    lost: Mapped[int] = mapped_column(BigInteger)
    """Entries, ever, that the stream dropped at its cap before they were recorded."""
    moved_at: Mapped[datetime]


class JobMinute(Base):
    """What the runs of one queue came to that ended within one minute; see `minute_rules`."""

    __tablename__ = "job_minutes"

    minute: Mapped[datetime] = mapped_column(primary_key=True)
    queue: Mapped[str] = mapped_column(primary_key=True)
    """Its name, without prefix."""
    succeeded: Mapped[int]
    failed: Mapped[int]
    cancelled: Mapped[int]
    retrying: Mapped[int]
    waits: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    """First runs by how long their job had waited, bucket by bucket."""
    durations: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    """Runs by how long they took, likewise."""


class Alert(Base):
    """One incident of a rule; its notice, mail and webhooks are rows of the same transaction."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index(
            "uq_alerts_open",
            "rule",
            "subject",
            unique=True,
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    rule: Mapped[str]
    subject: Mapped[str]
    """What it is about, such as a queue; empty for the installation."""
    text: Mapped[str]
    """What is the matter, as it was seen last; likewise `value`."""
    value: Mapped[float]
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]


class DeadJob(Base):
    """A job without a row of its own that is not tried again, kept to be replayed or discarded."""

    __tablename__ = "dead_jobs"
    __table_args__ = (Index("ix_dead_jobs_died_at_id", "died_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    queue: Mapped[str]
    """Key of the queue."""
    lane: Mapped[str]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    """As the queue had it; encrypted for a sensitive job."""
    error_type: Mapped[str]
    """Dotted name of the class of the last error."""
    errors: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    """Of the last tries, as `service.queue.codec` reads them, oldest first."""
    tries: Mapped[int]
    actor: Mapped[str | None]
    """Who asked for it."""
    died_at: Mapped[datetime]
