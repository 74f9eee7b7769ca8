"""Requests and replies of mails."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from service.emails.models import MailState, SuppressionReason
from service.schema import Reply, Schema

MAX_BODY = 500_000


class EmailIn(Schema):
    """A mail to one person."""

    to: str = Field(max_length=254, examples=["ada@example.org"])
    name: str = Field("", max_length=200)
    """Of the person."""
    subject: str = Field(max_length=998)
    html: str = Field("", max_length=MAX_BODY)
    text: str = Field("", max_length=MAX_BODY)
    """To read without HTML; made from the HTML if left out."""
    key: str | None = Field(None, min_length=1, max_length=200)
    """Names the mail among the caller's: asked for twice, it is sent once."""


class EmailOut(Reply):
    """A mail."""

    id: UUID
    kind: str
    to: str = Field(validation_alias="address")
    name: str
    subject: str
    state: MailState
    attempts: int
    error: str | None
    """Why it was not sent."""
    provider: str | None
    provider_id: str | None
    created_at: datetime
    sent_at: datetime | None


class EmailEventOut(Reply):
    """What was told of a mail after it was handed over."""

    kind: str
    at: datetime


class EmailDetail(EmailOut):
    """A mail with what it says and what was told of it."""

    html: str
    text: str
    headers: dict[str, str]
    events: list[EmailEventOut]


class EmailList(Reply):
    """A page of mails."""

    items: list[EmailOut]
    next_cursor: str | None


class RetryOut(Reply):
    """A mail that is sent again."""

    email: EmailOut
    note: str
    """What that may do."""


class SuppressionIn(Schema):
    """An address that nothing is to be mailed to."""

    address: str = Field(max_length=254)
    reason: SuppressionReason = SuppressionReason.MANUAL
    detail: str = Field("", max_length=500)


class SuppressionOut(Reply):
    """An address that nothing is mailed to."""

    id: UUID
    address: str
    reason: SuppressionReason
    detail: str
    by: str
    created_at: datetime


class SuppressionList(Reply):
    """A page of them."""

    items: list[SuppressionOut]
    next_cursor: str | None


class EventsOut(Reply):
    """How many events were new."""

    recorded: int
