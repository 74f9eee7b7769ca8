"""Tables of newsletters."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Row


class Frequency(StrEnum):
    """How often a newsletter comes."""

    DAILY = "daily"
    WEEKLY = "weekly"
    BIWEEKLY = "biweekly"
    MONTHLY = "monthly"
    MANUAL = "manual"
    """When a person sends it."""


class NewsletterState(StrEnum):
    """Whether a newsletter comes by itself."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class Paid(StrEnum):
    """Whether whoever has the newsletter has paid for it; other systems tell."""

    ACTIVE = "active"
    UNPAID = "unpaid"
    CANCELLED = "cancelled"


class SubscriberState(StrEnum):
    """Whether a person can be written to."""

    PENDING = "pending"
    """They have confirmed nothing yet."""
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    """From everything that they had."""
    BOUNCED = "bounced"
    """There is no such address."""
    COMPLAINED = "complained"
    """They have called a mail spam."""
    BLOCKED = "blocked"
    """By the owner."""


class SubscriptionState(StrEnum):
    """Whether a person gets a newsletter."""

    PENDING = "pending"
    """They were asked, and have not confirmed."""
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"


class IssueState(StrEnum):
    """Where an issue is."""

    WRITING = "writing"
    """A job writes it."""
    DRAFT = "draft"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    """By a person, or because the mail server refused everything; `error` says which."""
    SENT = "sent"
    FAILED = "failed"
    """It could not be written."""
    CANCELLED = "cancelled"


class DeliveryState(StrEnum):
    """Where the mail to one reader is."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    """A worker has it in its hands; nothing was sent."""
    SENDING = "sending"
    """The call has begun after which it may be out."""
    SENT = "sent"
    RETRYING = "retrying"
    REFUSED = "refused"
    BOUNCED = "bounced"
    """It was taken first, and came back."""
    SUPPRESSED = "suppressed"
    """The reader unsubscribed meanwhile, or nothing is mailed to the address any more."""
    UNCONFIRMED = "unconfirmed"
    """The worker or the connection was lost within the call: it may have arrived."""
    CANCELLED = "cancelled"


UNSENT = (IssueState.DRAFT, IssueState.APPROVED, IssueState.SCHEDULED)
"""States in which an issue can be changed."""
DUE_STATES = (DeliveryState.WAITING, DeliveryState.RETRYING)
OPEN_STATES = (*DUE_STATES, DeliveryState.CLAIMED, DeliveryState.SENDING)
"""States of a delivery that is not over."""


class Newsletter(Row):
    """What readers subscribe to, and how and when its issues come."""

    __tablename__ = "newsletters"
    __table_args__ = (
        Index("ix_newsletters_owner_id_id", "owner_id", "id"),
        Index(
            "ix_newsletters_next_due_at",
            "next_due_at",
            postgresql_where=text("status = 'active' AND subscription_status = 'active'"),
        ),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    slug: Mapped[str] = mapped_column(unique=True)
    """Its name in addresses of public pages."""
    name: Mapped[str]
    topic: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    style: Mapped[str] = mapped_column(server_default="concise")
    status: Mapped[str] = mapped_column(server_default=NewsletterState.ACTIVE)
    subscription_status: Mapped[str] = mapped_column(server_default=Paid.ACTIVE)
    frequency: Mapped[str] = mapped_column(server_default=Frequency.MANUAL)
    send_time: Mapped[str] = mapped_column(server_default="09:00")
    """On the wall clock of `zone`."""
    zone: Mapped[str]
    month_day: Mapped[int | None]
    """Of a monthly one: the day that it is meant to come on, also where a month is shorter."""
    automatic: Mapped[bool] = mapped_column(server_default=false())
    """Whether its issues are written by a job."""
    needs_approval: Mapped[bool] = mapped_column(server_default=false())
    sender_name: Mapped[str] = mapped_column(server_default="")
    sender_address: Mapped[str] = mapped_column(server_default="")
    """Empty: the installation's, ALMANAC_MAIL_FROM."""
    reply_to: Mapped[str] = mapped_column(server_default="")
    unsubscribe_address: Mapped[str] = mapped_column(server_default="")
    """Where mails that ask for no more are read by somebody; empty: nowhere."""
    postal_address: Mapped[str] = mapped_column(server_default="")
    count_opens: Mapped[bool] = mapped_column(server_default=false())
    count_clicks: Mapped[bool] = mapped_column(server_default=false())
    public: Mapped[bool] = mapped_column(server_default=false())
    """Whether anybody may read the issues that were sent, and subscribe."""
    sources: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Only subscribers with one of them get it; none: all."""
    last_sent_at: Mapped[datetime | None]
    next_due_at: Mapped[datetime | None]


class Subscriber(Row):
    """A person that a user writes to."""

    __tablename__ = "subscribers"
    __table_args__ = (
        UniqueConstraint("owner_id", "key"),
        Index("ix_subscribers_owner_id_id", "owner_id", "id"),
        Index("ix_subscribers_key", "key"),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    address: Mapped[str]
    key: Mapped[str]
    """The address as `addresses.key` makes it: equal for all its spellings."""
    name: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default=SubscriberState.PENDING)
    confirmed_at: Mapped[datetime | None]
    consent: Mapped[str] = mapped_column(server_default="")
    """Where they said yes, if not by the link of a mail."""
    attributes: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")


class Subscription(Row):
    """One person's wish to get one newsletter."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        UniqueConstraint("newsletter_id", "subscriber_id"),
        Index("ix_subscriptions_subscriber_id", "subscriber_id"),
        Index("ix_subscriptions_newsletter_id_id", "newsletter_id", "id"),
    )

    newsletter_id: Mapped[UUID] = mapped_column(ForeignKey("newsletters.id", ondelete="CASCADE"))
    subscriber_id: Mapped[UUID] = mapped_column(ForeignKey("subscribers.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(server_default=SubscriptionState.PENDING)
    round: Mapped[int] = mapped_column(server_default="1")
    """Counts opt-ins: the link of an earlier one confirms nothing."""
    asked_at: Mapped[datetime | None]
    """When the last mail with a confirm link was asked for."""
    confirmed_at: Mapped[datetime | None]
    unsubscribed_at: Mapped[datetime | None]


class Issue(Row):
    """One issue of a newsletter."""

    __tablename__ = "issues"
    __table_args__ = (
        UniqueConstraint("newsletter_id", "period"),
        UniqueConstraint("newsletter_id", "number"),
        Index("ix_issues_owner_id_id", "owner_id", "id"),
        Index(
            "ix_issues_at_work",
            "id",
            postgresql_where=text("state IN ('writing', 'scheduled', 'sending')"),
        ),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    newsletter_id: Mapped[UUID] = mapped_column(ForeignKey("newsletters.id", ondelete="CASCADE"))
    number: Mapped[int]
    period: Mapped[str | None]
    """The day it is due at, or the job that made it; None: a person made it."""
    subject: Mapped[str] = mapped_column(server_default="")
    preheader: Mapped[str] = mapped_column(server_default="")
    """What mail programs show beside the subject."""
    content: Mapped[str] = mapped_column(server_default="", deferred=True)
    """Markdown."""
    made_by: Mapped[str] = mapped_column(server_default="person")
    """`person`, `model` or `summary`."""
    state: Mapped[str] = mapped_column(server_default=IssueState.DRAFT)
    job_id: Mapped[str | None]
    """Of the job that writes or sends it, or last did."""
    error: Mapped[str | None]
    scheduled_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None]
    started_at: Mapped[datetime | None]
    """When its deliveries were made; from here on nothing of it changes."""
    sent_at: Mapped[datetime | None]
    html: Mapped[str] = mapped_column(server_default="", deferred=True)
    """As it is mailed, rendered once; the personal part is placeholders."""
    text: Mapped[str] = mapped_column(server_default="", deferred=True)


class IssueDelivery(Row):
    """One issue going to one reader."""

    __tablename__ = "issue_deliveries"
    __table_args__ = (
        UniqueConstraint("issue_id", "subscriber_id"),
        UniqueConstraint("issue_id", "key"),
        Index("ix_issue_deliveries_issue_id_id", "issue_id", "id"),
        Index("ix_issue_deliveries_subscriber_id", "subscriber_id"),
        Index(
            "ix_issue_deliveries_open",
            "issue_id",
            "next_run_at",
            postgresql_where=text("state IN ('waiting', 'retrying', 'claimed', 'sending')"),
        ),
    )

    issue_id: Mapped[UUID] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"))
    subscriber_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("subscribers.id", ondelete="SET NULL")
    )
    address: Mapped[str]
    """As it was when the sending began."""
    key: Mapped[str]
    """See `Subscriber.key`."""
    name: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default=DeliveryState.WAITING)
    attempts: Mapped[int] = mapped_column(server_default="0")
    code: Mapped[int | None]
    """Of SMTP, of the last refusal."""
    error: Mapped[str | None]
    provider_id: Mapped[str | None]
    claim_token: Mapped[UUID | None]
    claimed_by: Mapped[str | None]
    """The job whose run has it."""
    claimed_until: Mapped[datetime | None]
    next_run_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    """When the reader's server was told of to have it; few providers tell."""
    complained_at: Mapped[datetime | None]
    unsubscribed_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    """The first time."""
    opens: Mapped[int] = mapped_column(server_default="0")


class IssueLink(Base):
    """A link of an issue whose clicks are counted."""

    __tablename__ = "issue_links"

    issue_id: Mapped[UUID] = mapped_column(
        ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    url: Mapped[str]


class IssueClick(Base):
    """One reader's clicks on one link."""

    __tablename__ = "issue_clicks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["issue_id", "number"],
            ["issue_links.issue_id", "issue_links.number"],
            ondelete="CASCADE",
        ),
        Index("ix_issue_clicks_issue_id_number", "issue_id", "number"),
    )

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("issue_deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    issue_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    clicks: Mapped[int] = mapped_column(server_default="1")
    clicked_at: Mapped[datetime]
    """The first time."""
