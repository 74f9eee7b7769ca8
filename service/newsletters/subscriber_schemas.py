"""Requests and replies of subscribers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from service.newsletters.models import SubscriberState, SubscriptionState
from service.newsletters.schemas import Address, Line, Tags
from service.schema import Reply, Schema

Consent = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=500),
    Field(examples=["ticked the box of the shop's form, May 2026"]),
]
Attributes = Annotated[dict[str, Any], Field(max_length=50)]


class SubscriberIn(Schema):
    """A new subscriber, or a newsletter more for one who is there."""

    address: Address
    name: Line = ""
    tags: Tags = Field(default_factory=list)
    attributes: Attributes = Field(default_factory=dict)
    newsletters: list[UUID] = Field(default_factory=list, max_length=50)
    """What they want; for each they are asked by a mail."""
    consent: Consent | None = None
    """Where they said yes: given, they are not asked again."""


class SubscriberChange(Schema):
    """What is to change of a subscriber; what is left out stays."""

    address: Address | None = None
    name: Line | None = None
    tags: Tags | None = None
    attributes: Attributes | None = None
    state: Literal["active", "unsubscribed", "blocked"] | None = None
    """`blocked` and `unsubscribed` take effect at once, also within an issue that is being sent;
    `active` lifts a block, and nothing else."""


class SubscriptionOut(Reply):
    """A subscriber's wish to get a newsletter."""

    id: UUID
    newsletter_id: UUID
    state: SubscriptionState
    confirmed_at: datetime | None
    unsubscribed_at: datetime | None


class SubscriberOut(Reply):
    """A subscriber."""

    id: UUID
    address: str
    name: str
    state: SubscriberState
    suppressed: str | None
    """Why nothing is mailed to the address: bounce, complaint, unsubscribe or manual."""
    confirmed_at: datetime | None
    consent: str
    attributes: dict[str, Any]
    tags: list[str]
    created_at: datetime
    subscriptions: list[SubscriptionOut]


class SubscriberList(Reply):
    """A page of subscribers."""

    items: list[SubscriberOut]
    next_cursor: str | None


class SubscribeIn(Schema):
    """A person asks for a newsletter."""

    address: Address
    name: Line = ""


class SubscribeOut(Reply):
    """What everybody is told, whether known or not."""

    message: str


class BadLine(Reply):
    """A line that was not imported."""

    line: int
    field: str
    message: str


class ImportOut(Reply):
    """What an import did, or would do."""

    lines: int
    added: int
    """Subscriptions that are new."""
    known: int
    """Lines whose person has the newsletter already; their name and tags were completed."""
    repeated: int
    """Lines whose address came before in the file."""
    refused: int
    """Who may not be added: unsubscribed before, blocked, or nothing is mailed to them."""
    bad: int
    asked: int
    """Who get a mail with a confirm link."""
    problems: list[BadLine]
    """The first hundred bad lines."""
    dry_run: bool
