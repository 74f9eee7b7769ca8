"""Replies of notifications."""

from datetime import datetime
from uuid import UUID

from service.schema import Reply


class NoticeOut(Reply):
    """One incident."""

    id: UUID
    kind: str
    title: str
    text: str
    """What happened, the last time."""
    count: int
    """How often it happened while it lasted."""
    created_at: datetime
    last_at: datetime
    read_at: datetime | None
    resolved_at: datetime | None
    mailed_at: datetime | None


class NoticeList(Reply):
    """A page of notifications."""

    items: list[NoticeOut]
    next_cursor: str | None


class ReadOut(Reply):
    """How many notifications became read."""

    read: int
