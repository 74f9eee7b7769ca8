"""What is known of an image or a video beside its type and its bytes."""

from dataclasses import dataclass

from service.errors import AlmanacError


class Unusable(AlmanacError):
    """A file cannot be used: it is broken, or is more than can be handled."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What a look into a file has found."""

    width: int | None = None
    """In pixels, as it is shown."""
    height: int | None = None
    seconds: float | None = None
    """Of a video, or of an image that moves."""
    frame_rate: float | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    """None: it is silent."""
