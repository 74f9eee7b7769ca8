"""Requests and replies of newsletters and their issues."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from service.newsletters.models import DeliveryState as DeliveryState
from service.newsletters.models import Frequency, IssueState, NewsletterState, Paid
from service.schema import Reply, Schema

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Topic = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=100)]
Slug = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60),
    Field(examples=["weekly-garden"]),
]
Clock = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["09:00"])
]
Zone = Annotated[str, Field(max_length=100, examples=["Europe/Paris"])]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Address = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
Tags = Annotated[list[Tag], Field(max_length=50)]
Sources = Annotated[list[Annotated[str, Field(max_length=2_048)]], Field(max_length=20)]
Content = Annotated[str, Field(max_length=200_000)]


class NewsletterIn(Schema):
    """A new newsletter."""

    name: Name
    topic: Topic
    """What it is about; automatic issues are written about it."""
    slug: Slug | None = None
    """Its name in addresses; by default made from the name."""
    description: Annotated[str, Field(max_length=2_000)] = ""
    style: Annotated[str, StringConstraints(min_length=1, max_length=50)] = "concise"
    frequency: Frequency = Frequency.MANUAL
    send_time: Clock = "09:00"
    zone: Zone | None = None
    """Whose wall clock `send_time` is on; by default the site's."""
    automatic: bool = False
    """Whether a job writes an issue each time it is due."""
    needs_approval: bool = False
    """Whether a person looks at each issue before it is sent."""
    subscription_status: Paid = Paid.ACTIVE
    """An unpaid or cancelled one is not sent by itself."""
    sender_name: Line = ""
    sender_address: Address = ""
    """By default the installation's."""
    reply_to: Address = ""
    unsubscribe_address: Address = ""
    """Read by somebody who takes people off the list; the link in each mail needs none."""
    postal_address: Annotated[str, Field(max_length=500)] = ""
    count_opens: bool = False
    count_clicks: bool = False
    public: bool = False
    """Whether anybody may subscribe, and read what was sent."""
    sources: Sources = Field(default_factory=list)
    """Feeds and pages that automatic issues are written from."""
    tags: Tags = Field(default_factory=list)
    """Only subscribers with one of these get it; none: all."""


class NewsletterChange(Schema):
    """What is to change of a newsletter; what is left out stays."""

    name: Name | None = None
    topic: Topic | None = None
    slug: Slug | None = None
    description: Annotated[str, Field(max_length=2_000)] | None = None
    style: Annotated[str, StringConstraints(min_length=1, max_length=50)] | None = None
    frequency: Frequency | None = None
    send_time: Clock | None = None
    zone: Zone | None = None
    automatic: bool | None = None
    needs_approval: bool | None = None
    subscription_status: Paid | None = None
    sender_name: Line | None = None
    sender_address: Address | None = None
    reply_to: Address | None = None
    unsubscribe_address: Address | None = None
    postal_address: Annotated[str, Field(max_length=500)] | None = None
    count_opens: bool | None = None
    count_clicks: bool | None = None
    public: bool | None = None
    sources: Sources | None = None
    tags: Tags | None = None


class NewsletterOut(Reply):
    """A newsletter."""

    id: UUID
    slug: str
    name: str
    topic: str
    description: str
    style: str
    status: NewsletterState
    subscription_status: Paid
    frequency: Frequency
    send_time: str
    zone: str
    automatic: bool
    needs_approval: bool
    sender_name: str
    sender_address: str
    reply_to: str
    unsubscribe_address: str
    postal_address: str
    count_opens: bool
    count_clicks: bool
    public: bool
    sources: list[str]
    tags: list[str]
    last_sent_at: datetime | None
    next_due_at: datetime | None
    created_at: datetime
    subscribers: int
    """Who have confirmed and not left."""
    subscribe_url: str | None
    """Where anybody subscribes; None while it is not public."""


class NewsletterList(Reply):
    """A page of newsletters."""

    items: list[NewsletterOut]
    next_cursor: str | None


class IssueIn(Schema):
    """A new issue."""

    subject: Line = ""
    preheader: Line = ""
    """What mail programs show beside the subject."""
    content: Content = ""
    """Markdown; `%name%` becomes the reader's name."""


class IssueChange(Schema):
    """What is to change of an issue; its approval is taken back by it."""

    subject: Line | None = None
    preheader: Line | None = None
    content: Content | None = None


class ScheduleIn(Schema):
    """When to send an issue."""

    at: Annotated[str, Field(max_length=64, examples=["2030-01-31T09:00"])]
    """ISO 8601, with an offset, or on the wall clock of `zone`."""
    zone: Zone | None = None
    """By default the newsletter's."""


class TestIn(Schema):
    """Whom to send a test to."""

    address: Address


class TestOut(Reply):
    """A test is on its way."""

    email_id: UUID | None
    """Of the mail; see `/v1/emails/{id}`."""


class SendNowIn(Schema):
    """What to send of a newsletter now: an issue of its own, or one that is written for it."""

    issue_id: UUID | None = None
    """By default its oldest approved issue; of an automatic one a new issue."""


class Counts(Reply):
    """What became of an issue's mails so far."""

    recipients: int = 0
    open: int = 0
    """Not sent yet, or being tried again."""
    sent: int = 0
    """The provider has taken them; those that came back are not counted."""
    delivered: int = 0
    """The reader's server is known to have them; few providers tell."""
    refused: int = 0
    bounced: int = 0
    suppressed: int = 0
    unconfirmed: int = 0
    """Sent when the worker or the connection died: they may have arrived."""
    cancelled: int = 0
    complaints: int = 0
    unsubscribed: int = 0
    readers: int = 0
    """Who opened it, where that is counted."""
    opens: int = 0
    clickers: int = 0
    clicks: int = 0


class IssueOut(Reply):
    """An issue."""

    id: UUID
    newsletter_id: UUID
    number: int
    period: str | None
    """The day it is due at; None where a person made it."""
    subject: str
    preheader: str
    made_by: str
    """`person`, `model` or `summary`."""
    state: IssueState
    job_id: str | None
    """Of the job that writes or sends it, or last did."""
    error: str | None
    scheduled_at: datetime | None
    approved_at: datetime | None
    approved_by: str | None
    started_at: datetime | None
    sent_at: datetime | None
    created_at: datetime
    counts: Counts


class IssueDetail(IssueOut):
    """An issue with what it says."""

    content: str


class IssueList(Reply):
    """A page of issues."""

    items: list[IssueOut]
    next_cursor: str | None


class Preview(Reply):
    """An issue as it will be mailed; what is personal is an example."""

    subject: str
    html: str
    text: str
    problems: list[str]
    """What keeps it from being sent."""


class LinkOut(Reply):
    """A link of an issue."""

    number: int
    url: str
    clickers: int
    clicks: int


class Report(Reply):
    """What became of an issue."""

    issue_id: UUID
    state: IssueState
    counts: Counts
    links: list[LinkOut]
    seconds: float | None
    """From its start to its end, or until now."""
    per_second: float | None
    """Mails that were sent in a second, over that time."""
    notes: list[str]
    """What to think of."""


class NewsletterReport(Reply):
    """How a newsletter does: its subscribers, and its latest issues."""

    newsletter_id: UUID
    active: int
    pending: int
    unsubscribed: int
    issues: list[IssueOut]


class DeliveryOut(Reply):
    """One issue going to one reader."""

    id: UUID
    subscriber_id: UUID | None
    address: str
    state: DeliveryState
    attempts: int
    code: int | None
    error: str | None
    provider_id: str | None
    next_run_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    complained_at: datetime | None
    unsubscribed_at: datetime | None
    opened_at: datetime | None
    opens: int


class DeliveryList(Reply):
    """A page of deliveries."""

    items: list[DeliveryOut]
    next_cursor: str | None


class AgainIn(Schema):
    """Sends once more to those of whom nobody knows whether they have it."""

    may_arrive_twice: Literal[True]
    """Says that you know: who has it already gets it a second time."""


class AgainOut(Reply):
    """They are on their way again."""

    deliveries: int
    warning: str
