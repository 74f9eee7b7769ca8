"""Tables of posts."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, Interval, UniqueConstraint, Uuid, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.db.base import Base, Row

NO_LIST, NO_OBJECT = text("'[]'"), text("'{}'")


class DeliveryState(StrEnum):
    """States of a delivery; a post's state is derived from them."""

    DRAFT = "draft"
    """Still being written, or waiting for its approval."""
    APPROVED = "approved"
    """May be scheduled as it is."""
    SCHEDULED = "scheduled"
    PUBLISHING = "publishing"
    WAITING = "waiting"
    """For a container to get ready or a limit to pass; costs no attempt."""
    RETRYING = "retrying"
    PUBLISHED = "published"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    """The platform never told whether the post came through: a person must look."""
    HELD = "held"
    """The account needs reconnecting, or a person must decide; `hold` says which."""
    CANCELLED = "cancelled"


DUE_STATES = (DeliveryState.SCHEDULED, DeliveryState.RETRYING, DeliveryState.WAITING)
"""States that the queue wakes someone for when `next_run_at` comes."""
UNSCHEDULED = (DeliveryState.DRAFT, DeliveryState.APPROVED)
"""States of drafts: no worker, no sweep and no index of what is due knows them."""
IDLE_STATES = (*DUE_STATES, DeliveryState.HELD, *UNSCHEDULED)
"""States in which a person may still change the delivery."""
END_STATES = (
    DeliveryState.PUBLISHED,
    DeliveryState.FAILED,
    DeliveryState.UNCONFIRMED,
    DeliveryState.CANCELLED,
)


class Hold(StrEnum):
    """Why a delivery is held."""

    ACCOUNT = "account"
    """Its account must be reconnected."""
    OWNER = "owner"
    """The user whose post it is may not publish any more."""
    LATE = "late"
    """It is so late that a person must say whether it is still to go out."""


class Batch(Row):
    """Several posts published together on request."""

    __tablename__ = "batches"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    post_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))


class Post(Row):
    """What is to be said; without deliveries it is a draft."""

    __tablename__ = "posts"
    __table_args__ = (
        Index("ix_posts_owner_id_id", "owner_id", "id"),
        Index("ix_posts_drafted", "id", postgresql_where=text("drafted")),
        Index("ix_posts_draft_days", "publish_at", "id", postgresql_where=text("drafted")),
        Index(
            "ix_posts_thread",
            "thread",
            postgresql_using="gin",
            postgresql_ops={"thread": "jsonb_path_ops"},
            postgresql_where=text("thread <> '[]'"),
        ),
        Index(
            "ix_posts_media",
            "media",
            postgresql_using="gin",
            postgresql_ops={"media": "jsonb_path_ops"},
        ),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str]
    link: Mapped[str | None]
    media: Mapped[list[Any]]
    """`{id, sha256, content_type, size, alt}` of each image, copied because files never change."""
    publish_at: Mapped[datetime | None]
    zone: Mapped[str]
    """The zone in which the person thinks of `publish_at`."""
    content_ref: Mapped[str | None]
    """The caller's own id of the content."""
    revision: Mapped[int] = mapped_column(default=1, server_default="1")
    """Grows with every change, so that nobody approves what they have not seen."""
    drafted: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether nothing of it is scheduled yet; drafts are found by it."""
    submitted_at: Mapped[datetime | None]
    """Since when it waits for approval."""
    review_note: Mapped[str | None]
    """Why it was sent back."""
    thread: Mapped[list[Any]] = mapped_column(default=list, server_default=NO_LIST)
    """`{kind, text, media, delay}` of what follows the post: more of a thread, or comments."""
    late: Mapped[str | None]
    """What to do when it is too late for it: `ask, skip` or `send`; None: as the settings say."""

    deliveries: Mapped[list["Delivery"]] = relationship(
        lazy="raise",
        order_by="Delivery.id",
        primaryjoin="and_(Post.id == Delivery.post_id, Delivery.position == 0)",
    )
    """Of the post itself, one to each account."""
    follow_ups: Mapped[list["Delivery"]] = relationship(
        lazy="raise",
        order_by="(Delivery.position, Delivery.id)",
        primaryjoin="and_(Post.id == Delivery.post_id, Delivery.position > 0)",
        overlaps="deliveries",
    )
    """Of what follows it, to each account that takes such."""


class Delivery(Row):
    """One post going to one account."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("post_id", "account_id", "position"),
        Index(
            "ix_deliveries_due",
            "next_run_at",
            postgresql_where=text("state IN ('scheduled', 'retrying', 'waiting')"),
        ),
        Index(
            "ix_deliveries_claimed", "claimed_until", postgresql_where=text("state = 'publishing'")
        ),
        Index(
            "ix_deliveries_troubled",
            "due_at",
            postgresql_where=text("state IN ('failed', 'unconfirmed', 'held')"),
        ),
        Index(
            "ix_deliveries_published",
            "account_id",
            "published_at",
            postgresql_where=text("state = 'published'"),
        ),
        Index(
            "ix_deliveries_media",
            "media",
            postgresql_using="gin",
            postgresql_ops={"media": "jsonb_path_ops"},
            postgresql_where=text("media IS NOT NULL"),
        ),
        Index("ix_deliveries_after_id", "after_id", postgresql_where=text("after_id IS NOT NULL")),
        Index("ix_deliveries_calendar", "due_at", "post_id", "owner_id", "account_id"),
        Index("ix_deliveries_account_times", "account_id", "due_at"),
        Index(
            "ix_deliveries_account_due",
            "account_id",
            "next_run_at",
            postgresql_where=text("state IN ('scheduled', 'retrying', 'waiting')"),
        ),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("batches.id"), index=True)
    platform: Mapped[str]
    text: Mapped[str | None]
    """Overrides the post's text for this account; of a follow-up, its own text."""
    media: Mapped[list[Any] | None]
    """Overrides the post's media for this account; of a follow-up, its own media."""
    options: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=NO_OBJECT)
    """What the author chose of what this platform lets one choose."""
    kind: Mapped[str] = mapped_column(default="post", server_default="post")
    """`post`, or of a follow-up `thread` or `comment`."""
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    """0 is the post itself; its follow-ups count from 1 in `Post.thread`."""
    after_id: Mapped[UUID | None] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"))
    """The delivery that a follow-up answers."""
    blocked: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it waits for that one to be out."""
    gap: Mapped[timedelta | None] = mapped_column(Interval)
    """How long after that one it follows."""
    state: Mapped[str] = mapped_column(default=DeliveryState.SCHEDULED)
    version: Mapped[int] = mapped_column(default=1)
    """Grows with every change by a person; a job of an older version finds no row."""
    due_at: Mapped[datetime]
    next_run_at: Mapped[datetime]
    """When the next attempt may start; `due_at` at first, later after a retry or a wait."""

    claim_token: Mapped[UUID | None]
    claimed_until: Mapped[datetime | None]
    commit_started_at: Mapped[datetime | None]
    """Stamped right before the irreversible call, cleared when its outcome is known."""
    committed_since: Mapped[datetime | None]
    """The first of the stamps whose outcome is unknown."""
    handles: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What the adapter must remember between steps: media ids, an upload session."""
    began_at: Mapped[datetime | None]
    """When a worker first took it up for its present time."""
    hold: Mapped[str | None]
    """Of a held delivery: why, see `Hold`."""

    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    remote_id: Mapped[str | None]
    remote_url: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=NO_OBJECT)
    """What its adapter needs beside the id, to answer or remove it."""
    published_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    """When it was taken back from the platform."""
    removal_error: Mapped[str | None]
    """Why it could not be."""


class Attempt(Base):
    """One try to publish a delivery, and how it ended."""

    __tablename__ = "attempts"

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    outcome: Mapped[str]
    error: Mapped[str | None]
    worker: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]


class PlatformPause(Base):
    """A platform that has told our app to wait: nobody's posts go there until then."""

    __tablename__ = "platform_pauses"

    platform: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]
    reason: Mapped[str]


class ImportedPost(Base):
    """What somebody imported under a key of theirs, so that no repeat imports it again."""

    __tablename__ = "imported_posts"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    import_key: Mapped[str] = mapped_column(primary_key=True)
    post_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("posts.id", ondelete="SET NULL"), index=True
    )
