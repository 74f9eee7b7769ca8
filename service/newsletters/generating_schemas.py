"""Requests and replies of writing newsletters."""

from typing import Any, Literal

from pydantic import Field

from service.newsletters.generating_rules import (
    LONGEST_STYLE,
    LONGEST_TOPIC,
    MOST_SOURCES,
    SHORTEST_TOPIC,
)
from service.schema import Reply, Schema
from service.web import ProblemReply

TOPIC: dict[str, Any] = {"minLength": SHORTEST_TOPIC, "maxLength": LONGEST_TOPIC}
STYLE: dict[str, Any] = {"minLength": 1, "maxLength": LONGEST_STYLE}


class GenerateIn(Schema):
    """A newsletter that is to be written."""

    topic: str = Field(examples=["Solar power in cities"], json_schema_extra=TOPIC)
    style: str = Field("concise", json_schema_extra=STYLE)
    """`concise`, `professional`, `friendly`, `detailed`, or any words for the model."""
    sources: list[str] = Field(
        default_factory=list,
        json_schema_extra={"maxItems": MOST_SOURCES},
        examples=[["https://example.com/feed.xml"]],
    )
    """URLs of feeds (RSS, Atom, JSON Feed) or pages. Without a model it is made of them."""


class GenerationOut(Reply):
    """A newsletter that is being written."""

    job_id: str
    status_url: str
    """`GET` it with `?wait=30`: its `result` has `subject` and `content`."""


class OldGenerationOut(Reply):
    """A newsletter that is being written, as the system before told it."""

    status: Literal["processing"]
    topic: str
    task_id: str


class OldProblem(ProblemReply):
    """An error, as RFC 9457 problem details and as the system before told it."""

    error: str
    """The same as `detail`."""


class OldTaskOut(Reply):
    """How the writing of a newsletter is, as the system before told it."""

    state: Literal["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]
    result: dict[str, Any] | None = None
    """`subject` and `content`, once the state is SUCCESS."""
    error: str | None = None
    """Why not, once it is FAILURE."""
