"""Requests and replies about what is counted of the community."""

from datetime import date as day
from datetime import datetime
from typing import Literal
from uuid import UUID

from service.schema import Reply, Schema


class CleanupIn(Schema):
    """A clean-up of old posts."""

    dry_run: bool = True
    """Only count what would go."""
    mode: Literal["archive", "delete"] = "archive"
    """`archive` takes posts out of the feed; `delete` removes them, archived ones too."""


class Asked(Reply):
    """What was asked for is done by a job."""

    job_id: str
    """See `GET /v1/jobs/{job_id}`."""


class TopPost(Reply):
    """A public post of the day, with its counters as they were when the day was counted."""

    id: UUID
    author_id: UUID | None
    likes: int
    comments: int
    shares: int
    views: int


class DayOut(Reply):
    """What happened on a day of UTC."""

    date: day
    new_members: int
    active_members: int
    """Who posted, commented, reacted or followed."""
    posts: int
    comments: int
    likes: int
    shares: int
    follows: int
    top_posts: list[TopPost]
    """Most liked first."""
    generated_at: datetime


class DayList(Reply):
    """The days that were counted, the newest first."""

    items: list[DayOut]
