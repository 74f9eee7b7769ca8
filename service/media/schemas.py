"""Replies of media."""

from datetime import datetime
from uuid import UUID

from service.schema import Reply


class MediaOut(Reply):
    """An uploaded image or video, to be named in posts by its id."""

    id: UUID
    content_type: str
    size: int
    sha256: str
    filename: str
    width: int | None
    """In pixels, as it is shown; null: it was uploaded before Almanac measured."""
    height: int | None
    seconds: float | None
    """Of a video, or of an image that moves."""
    frame_rate: float | None
    video_codec: str | None
    audio_codec: str | None
    """Null: it is silent."""
    created_at: datetime


class MediaList(Reply):
    """A page of uploaded images and videos."""

    items: list[MediaOut]
    next_cursor: str | None
