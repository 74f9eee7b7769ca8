"""What one post may be on a platform, as data: for validation, composer, API and documentation."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


class Replies(StrEnum):
    """What may follow a post on a platform."""

    NONE = "none"
    COMMENTS = "comments"
    """Comments of the author below the post."""
    THREADS = "threads"
    """Comments, and further posts that answer one another."""


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """What one video may be; what exceeds size, frame rate or codec is converted."""

    bytes: int
    seconds: tuple[float, float]
    """Shortest and longest."""
    types: tuple[str, ...] = ("video/mp4",)
    video_codecs: tuple[str, ...] = ("h264",)
    audio_codecs: tuple[str, ...] = ("aac",)
    width: int | None = None
    """Most pixels of the longer side of a wide video, or of the shorter one of a tall one."""
    height: int | None = None
    ratio: tuple[float, float] | None = None
    """Smallest and largest width / height."""
    frame_rate: float | None = None
    """Most frames per second."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one post may be on a platform. Served as data by `GET /v1/platforms`."""

    text_units: int
    unit: str
    """How length is counted, by a name in lengths.py: `characters`, `graphemes`, `weighted`…"""
    url_units: int | None = None
    """What each URL in the text counts, whatever its length; None: its own length."""
    text_bytes: int | None = None
    comment_units: int | None = None
    """What a comment below the post may have, where that differs."""
    hashtags: int | None = None
    mentions: int | None = None
    images: int = 4
    image_bytes: int = 8_000_000
    image_types: tuple[str, ...] = IMAGE_TYPES
    image_pixels: int | None = None
    """Most pixels of the longer side; larger images are made smaller."""
    image_ratio: tuple[float, float] | None = None
    """Smallest and largest width / height."""
    alt_text: int = 1500
    videos: int = 0
    video: VideoLimits | None = None
    mixed_media: bool = False
    """Whether images and videos may be in one post."""
    comment_images: int = 0
    media_required: bool = False
    text_required: bool = False
    posts_per_day: int | None = None
    """What the platform takes from one account within 24 hours; None: it tells of no such limit."""


@dataclass(frozen=True, slots=True)
class OptionField:
    """One thing beside text and media that a platform lets an author choose."""

    description: str
    kind: Literal["text", "choice", "flag", "words"] = "text"
    """A text, one of `choices`, true or false, or a list of words."""
    choices: tuple[str, ...] = ()
    required: bool = False
    default: str | bool | None = None
    most: int | None = None
    """Characters of a text, or of all words together."""
