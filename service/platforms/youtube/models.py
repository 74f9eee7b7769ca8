"""What the YouTube Data API v3 answers: https://developers.google.com/youtube/v3/docs."""

from dataclasses import replace
from datetime import datetime

import msgspec

from service.platforms.contract import Handles, Profile
from service.platforms.youtube.video import LIMITS, UNVERIFIED_SECONDS, VIDEO

SITE = "https://www.youtube.com"


class _Struct(msgspec.Struct, rename="camel"):
    """Of Google's JSON."""


class _ChannelSnippet(_Struct):
    title: str = ""
    custom_url: str = ""


class _ChannelStatistics(_Struct):
    subscriber_count: str | None = None
    video_count: str | None = None
    view_count: str | None = None
    hidden_subscriber_count: bool = False


class _ChannelStatus(_Struct):
    long_uploads_status: str = "longUploadsUnspecified"


class Channel(_Struct):
    """Whose token it is."""

    id: str
    snippet: _ChannelSnippet = msgspec.field(default_factory=_ChannelSnippet)
    statistics: _ChannelStatistics = msgspec.field(default_factory=_ChannelStatistics)
    status: _ChannelStatus = msgspec.field(default_factory=_ChannelStatus)


class VideoStatus(_Struct):
    """How far a video is."""

    upload_status: str = "uploaded"
    failure_reason: str = ""
    rejection_reason: str = ""
    privacy_status: str = "private"


class VideoStatistics(_Struct):
    """How a video is received; what is hidden is missing."""

    view_count: str | None = None
    like_count: str | None = None
    comment_count: str | None = None


class Video(_Struct):
    """A video."""

    id: str
    status: VideoStatus = msgspec.field(default_factory=VideoStatus)
    statistics: VideoStatistics = msgspec.field(default_factory=VideoStatistics)


class _AuthorChannel(_Struct):
    value: str = ""


class CommentSnippet(_Struct):
    """What a comment says, and whose it is."""

    published_at: datetime
    text_original: str = ""
    text_display: str = ""
    author_channel_id: _AuthorChannel = msgspec.field(default_factory=_AuthorChannel)


class _Comment(_Struct):
    snippet: CommentSnippet


class _ThreadSnippet(_Struct):
    top_level_comment: _Comment


class Thread(_Struct):
    """A comment below a video, with its replies."""

    id: str
    snippet: _ThreadSnippet

    @property
    def comment(self) -> CommentSnippet:
        """The first comment."""
        return self.snippet.top_level_comment.snippet


class Created(_Struct):
    """What was made."""

    id: str


class Channels(_Struct):
    """Channels."""

    items: tuple[Channel, ...] = ()


class Videos(_Struct):
    """Videos."""

    items: tuple[Video, ...] = ()


class Threads(_Struct):
    """Comments, the newest first."""

    items: tuple[Thread, ...] = ()


def profile_of(channel: Channel, session: Handles) -> Profile:
    """Return a channel as an account; one that is not verified has its own longest video."""
    limits = LIMITS
    if channel.status.long_uploads_status in ("disallowed", "eligible"):
        limits = replace(
            limits, video=replace(VIDEO, seconds=(VIDEO.seconds[0], UNVERIFIED_SECONDS))
        )
    return Profile(
        handle=channel.snippet.custom_url.removeprefix("@") or channel.id,
        display_name=channel.snippet.title or channel.id,
        base_url=SITE,
        limits=limits,
        session={**session, "channel_id": channel.id},
    )
