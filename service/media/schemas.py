"""Replies of media."""

from datetime import datetime
from uuid import UUID

from service.schema import Reply


class MediaOut(Reply):
    """An uploaded image, to be named in posts by its id."""

    id: UUID
    content_type: str
    size: int
    sha256: str
    filename: str
    created_at: datetime


class MediaList(Reply):
    """A page of uploaded images."""

    items: list[MediaOut]
    next_cursor: str | None
