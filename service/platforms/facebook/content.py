"""What a post is on a Facebook Page: its limits, its options and its parameters."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from service.errors import Problem
from service.platforms.contract import Content, Handles
from service.platforms.limits import Limits, OptionField, VideoLimits
from service.platforms.options import option

REEL = VideoLimits(
    bytes=4_000_000_000,
    seconds=(3, 90),
    types=("video/mp4",),
    video_codecs=("h264", "hevc", "vp9", "av1"),
    ratio=(0.55, 0.57),
    frame_rate=60,
)
"""Of the reels' guide, July 2026: 9:16, from 540 x 960 pixels on, 24 to 60 frames per second."""
REEL_WIDTH = 540
LIMITS = Limits(
    text_units=63_206,
    unit="characters",
    comment_units=8_000,
    images=10,
    image_bytes=4_000_000,
    image_types=("image/jpeg", "image/png"),
    alt_text=1_000,
    videos=1,
    video=VideoLimits(
        bytes=10_000_000_000,
        seconds=(1, 14_400),
        types=("video/mp4", "video/quicktime"),
        video_codecs=("h264", "hevc"),
    ),
)
"""Length and photos as Postiz has them in 2026, for Meta documents neither; video: of the guide to
resumable uploading (10 GB, 4 hours)."""

OPTIONS: Mapping[str, OptionField] = {
    "kind": OptionField(
        "What a video becomes: a post or a reel.", "choice", ("post", "reel"), default="post"
    ),
}


def kind_of(content: Content) -> str:
    """Return what a post becomes: post, video or reel."""
    if not any(file.is_video for file in content.media):
        return "post"
    return "reel" if option(content.options, OPTIONS, "kind") == "reel" else "video"


def text_of(content: Content) -> str:
    """Return the text; a link is shown as a card of its own unless there is media or a comment."""
    return content.full_text if content.media or content.kind == "comment" else content.text


def limits_for(content: Content, limits: Limits) -> Limits:
    """Return what a reel may be where that is wanted."""
    reel = content.kind == "post" and kind_of(content) == "reel"
    return replace(limits, video=REEL) if reel else limits


def problems_of(content: Content) -> Iterator[Problem]:
    """Yield what the limits cannot say."""
    if content.kind != "post" or option(content.options, OPTIONS, "kind") != "reel":
        return
    videos = [file for file in content.media if file.is_video]
    if len(videos) != 1:
        yield Problem("options.kind", "A reel is one video.", "reel")
    for index, file in enumerate(content.media):
        if file.is_video and file.width is not None and file.width < REEL_WIDTH:
            text = f"{file.width} pixels wide; a reel must have at least {REEL_WIDTH}."
            yield Problem(f"media[{index}]", text, "too_small")


def post_body(content: Content, handles: Handles) -> dict[str, object]:
    """Return the parameters of a post; its photos are uploaded already."""
    photos = [{"media_fbid": handles[f"photo:{file.id}"]} for file in content.media]
    body = {
        "message": text_of(content),
        "link": None if content.media else content.link,
        "attached_media": photos,
    }
    return {name: value for name, value in body.items() if value}
