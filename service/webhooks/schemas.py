"""Requests and replies of webhooks."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from service.kit.urls import MAX_URL, url_problem
from service.schema import Reply, Schema
from service.webhooks.models import DeliveryState
from service.webhooks.rules import EventType

ALL_EVENTS = tuple(EventType)


def _well_formed(url: str) -> str:
    if wrong := url_problem(url):
        raise PydanticCustomError("url", "{wrong}", {"wrong": wrong})
    return url


Line = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Url = Annotated[
    str,
    Field(max_length=MAX_URL, pattern=r"^[^\x00-\x20\x7f]*$"),
    AfterValidator(_well_formed),
    Field(examples=["https://example.com/hooks/almanac"]),
]
Name = Annotated[Line, Field(min_length=1, max_length=200)]
Events = Annotated[list[EventType], Field(min_length=1, max_length=len(ALL_EVENTS))]


class EndpointIn(Schema):
    """A URL to be told of jobs and workflows that end."""

    url: Url
    """On a public address; see `ALMANAC_ALLOWED_PRIVATE_HOSTS` for others."""
    description: Line = ""
    events: Events = Field(default_factory=lambda: list(ALL_EVENTS))
    names: list[Name] = Field(default_factory=list, max_length=100, examples=[["reports.make"]])
    """Only of these jobs and workflows; empty: of all."""
    queues: list[Name] = Field(default_factory=list, max_length=20, examples=[["reports"]])
    """Only of jobs of these queues; empty: of all."""
    enabled: bool = True


class EndpointChange(Schema):
    """What to change; fields left out stay. Enabling forgets earlier failures."""

    url: Url | None = None
    description: Line | None = None
    events: Events | None = None
    names: Annotated[list[Name], Field(max_length=100)] | None = None
    queues: Annotated[list[Name], Field(max_length=20)] | None = None
    enabled: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("name at least one field to change")
        return self


class EndpointOut(Reply):
    """An endpoint; its secret is never shown again."""

    id: UUID
    url: str
    description: str
    events: list[str]
    names: list[str]
    queues: list[str]
    enabled: bool
    disabled_reason: str | None
    """Why Almanac disabled it."""
    failures: int
    """Deliveries given up in a row; too many disable the endpoint."""
    created_at: datetime


class EndpointCreated(EndpointOut):
    """A new endpoint, or one with a new secret."""

    secret: str | None
    """Verifies `webhook-signature`, as Standard Webhooks says. Shown in this reply only: keep it.
    A repeat of the request under its Idempotency-Key gets null."""


class EndpointList(Reply):
    """A page of endpoints."""

    items: list[EndpointOut]
    next_cursor: str | None


class AttemptOut(Reply):
    """One request of a delivery."""

    created_at: datetime
    status: int | None
    """Of the answer, if there was one."""
    error: str | None
    answer: str | None
    """How the answer's body begins."""
    duration_ms: int


class DeliveryOut(Reply):
    """One event on its way to an endpoint."""

    id: UUID
    """The `webhook-id` of every attempt."""
    event_id: str
    event_type: str
    state: DeliveryState
    attempts: int
    """Since the last replay."""
    error: str | None
    next_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    log: list[AttemptOut]
    """Every attempt, oldest first."""


class DeliveryList(Reply):
    """A page of deliveries."""

    items: list[DeliveryOut]
    next_cursor: str | None


class ReplayedOut(Reply):
    """How many failed deliveries are sent again; at most 1,000 by one request."""

    replayed: int
