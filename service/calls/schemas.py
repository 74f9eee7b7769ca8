"""Requests and replies of calls."""

from datetime import datetime
from typing import Any

from pydantic import Field

from service.calls.rules import Json, Method
from service.kit.urls import MAX_URL
from service.queue import JobState
from service.schema import Reply, Schema


class CallIn(Schema):
    """A call of an HTTP API."""

    endpoint: str = Field(max_length=MAX_URL, examples=["https://api.example.com/orders"])
    """On a public address; see `ALMANAC_ALLOWED_PRIVATE_HOSTS` for others."""
    method: Method = Method.POST
    data: Json = Field(None, examples=[{"order": 7}])
    """Sent as the JSON body; null sends none."""


class CallOut(Reply):
    """A call that was asked for."""

    id: str
    """Of its job, and the `Idempotency-Key` that its receiver gets."""
    state: JobState


class Answer(Reply):
    """What a receiver answered."""

    status: int
    headers: dict[str, str]
    """Some of them; no cookies."""
    body: Any
    """JSON, or text; null where there was none."""
    omitted: bool
    """Whether the body was too long to be kept."""


class CallDetail(CallOut):
    """A call, and what came of it."""

    tries: int
    finished_at: datetime | None
    answer: Answer | None
    """Of a call that succeeded."""
    error: str | None
    """Why it failed, or why its last try did."""
