"""What a Mastodon server takes, as its `/api/v2/instance` tells it."""

from math import isqrt

import msgspec

from service.platforms.limits import Limits, VideoLimits

LONGEST_VIDEO = 86_400.0
"""Seconds. Mastodon limits a video's bytes, pixels and frame rate, never its length."""
VIDEO_CODECS = ("h264", "hevc", "vp8", "vp9", "av1")
AUDIO_CODECS = ("aac", "mp3", "opus", "vorbis")
"""Servers convert what their ffmpeg can read; these are what every build of it reads."""


class _Statuses(msgspec.Struct):
    max_characters: int = 500
    max_media_attachments: int = 4
    characters_reserved_per_url: int = 23


class _Attachments(msgspec.Struct):
    supported_mime_types: tuple[str, ...] = (
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "video/mp4",
        "video/quicktime",
        "video/webm",
    )
    image_size_limit: int = 10_485_760
    image_matrix_limit: int = 33_177_600
    video_size_limit: int = 103_809_024
    video_frame_rate_limit: float = 120
    video_matrix_limit: int = 8_294_400
    description_limit: int = 1_500


class _Configuration(msgspec.Struct):
    statuses: _Statuses = msgspec.field(default_factory=_Statuses)
    media_attachments: _Attachments = msgspec.field(default_factory=_Attachments)


class Instance(msgspec.Struct):
    """A server; the defaults are those of Mastodon's own code (4.4, July 2025)."""

    domain: str
    configuration: _Configuration = msgspec.field(default_factory=_Configuration)

    @property
    def limits(self) -> Limits:
        """What one post may be on this server."""
        statuses, media = self.configuration.statuses, self.configuration.media_attachments
        video = _video(media)
        return Limits(
            text_units=statuses.max_characters,
            unit="mastodon",
            url_units=statuses.characters_reserved_per_url,
            images=statuses.max_media_attachments,
            image_bytes=media.image_size_limit,
            image_types=tuple(t for t in media.supported_mime_types if t.startswith("image/")),
            image_pixels=isqrt(media.image_matrix_limit),
            alt_text=media.description_limit,
            videos=1 if video else 0,
            video=video,
            comment_images=statuses.max_media_attachments,
        )


def _video(media: _Attachments) -> VideoLimits | None:
    """Return what a video may be; of the pixels, of which only the product is limited, a 16:9 box.

    Whatever fits into that box has few enough pixels.
    """
    types = tuple(t for t in media.supported_mime_types if t.startswith("video/"))
    if not types:
        return None
    return VideoLimits(
        bytes=media.video_size_limit,
        seconds=(0.0, LONGEST_VIDEO),
        types=types,
        video_codecs=VIDEO_CODECS,
        audio_codecs=AUDIO_CODECS,
        width=isqrt(media.video_matrix_limit * 16 // 9),
        height=isqrt(media.video_matrix_limit * 9 // 16),
        frame_rate=media.video_frame_rate_limit,
    )
