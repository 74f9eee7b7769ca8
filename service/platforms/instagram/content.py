"""What a post is on Instagram: its limits, its options and the parameters of its containers."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from service.errors import Problem
from service.platforms.contract import Content, MediaFile
from service.platforms.failures import Rejected
from service.platforms.limits import Limits, OptionField, VideoLimits
from service.platforms.options import option

HASHTAGS = 30
"""Of the reference of IG User Media; Instagram began in 2025 to show some accounts fewer (5), so
this is a default that an account's own limits may lower."""
CAROUSEL = (2, 10)
COLLABORATORS = 3
_VIDEO = VideoLimits(
    bytes=300_000_000,
    seconds=(3, 900),
    types=("video/mp4", "video/quicktime"),
    video_codecs=("h264", "hevc"),
    ratio=(0.01, 10),
    frame_rate=60,
    width=1920,
)
STORY_VIDEO = replace(_VIDEO, bytes=100_000_000, seconds=(3, 60), ratio=(0.1, 10))
LIMITS = Limits(
    text_units=2_200,
    unit="characters",
    comment_units=2_200,
    hashtags=HASHTAGS,
    mentions=20,
    images=CAROUSEL[1],
    image_bytes=8_000_000,
    image_types=("image/jpeg",),
    image_ratio=(4 / 5, 1.91),
    alt_text=1_000,
    videos=CAROUSEL[1],
    video=_VIDEO,
    mixed_media=True,
    media_required=True,
)
"""Of the reference of IG User Media, June 2026. How many posts a day an account may publish stands
at 25, 50 and 100 in documents of different dates: it is asked for before each post."""

OPTIONS: Mapping[str, OptionField] = {
    "kind": OptionField(
        "What it becomes: a post (a single video is shown as a reel), a reel, or a story, which "
        "shows no text.",
        "choice",
        ("post", "reel", "story"),
        default="post",
    ),
    "share_to_feed": OptionField(
        "Whether a reel is also shown among the posts of the profile.", "flag", default=True
    ),
    "thumb_offset": OptionField(
        "Which frame of a reel is its cover: milliseconds from its beginning.", most=6
    ),
    "collaborators": OptionField(
        f"Names of up to {COLLABORATORS} accounts that are invited as authors.", "words", most=100
    ),
}


def kind_of(content: Content) -> str:
    """Return what a post becomes: post, reel, carousel or story."""
    kind = str(option(content.options, OPTIONS, "kind"))
    if kind != "story" and len(content.media) > 1:
        return "carousel"
    return "reel" if kind == "post" and any(f.is_video for f in content.media) else kind


def limits_for(content: Content, limits: Limits) -> Limits:
    """Return what a story may be where it may be another thing than a post."""
    if content.kind != "post" or kind_of(content) != "story":
        return limits
    return replace(
        limits, images=1, videos=1, mixed_media=False, image_ratio=None, video=STORY_VIDEO
    )


def problems_of(content: Content) -> Iterator[Problem]:
    """Yield what the limits cannot say."""
    if content.kind != "post":
        return
    kind, count = kind_of(content), len(content.media)
    if kind == "carousel" and count > CAROUSEL[1]:
        message = f"{count} images and videos; at most {CAROUSEL[1]} are allowed."
        yield Problem("media", message, "too_many_media")
    videos = sum(file.is_video for file in content.media)
    if option(content.options, OPTIONS, "kind") == "reel" and (count, videos) != (1, 1):
        yield Problem("options.kind", "A reel is one video.", "reel")
    # Media is converted to what a post may be, which is more.
    heavy = [file for file in content.media if file.is_video and file.size > STORY_VIDEO.bytes]
    if kind == "story" and heavy:
        message = f"{heavy[0].size:,} bytes; a story may have {STORY_VIDEO.bytes:,} at most."
        yield Problem("media", message, "video_too_large")
    offset = content.options.get("thumb_offset")
    if isinstance(offset, str) and offset and not (offset.isascii() and offset.isdigit()):
        yield Problem("options.thumb_offset", "Must be a number of milliseconds.", "option")
    names = content.options.get("collaborators")
    if isinstance(names, list) and len(names) > COLLABORATORS:
        message = f"{len(names)} accounts; at most {COLLABORATORS} can be invited."
        yield Problem("options.collaborators", message, "option")


def child(file: MediaFile) -> dict[str, object]:
    """Return the parameters of one item of a carousel."""
    made = {**_source(file), "is_carousel_item": True}
    return {**made, "media_type": "VIDEO"} if file.is_video else {**made, **_alt(file)}


def carousel(content: Content, children: list[str]) -> dict[str, object]:
    """Return the parameters of the container that binds the items together."""
    return {"media_type": "CAROUSEL", "children": ",".join(children), **_texts(content)}


def single(content: Content) -> dict[str, object]:
    """Return the parameters of the container of a single image or video."""
    file, kind = content.media[0], kind_of(content)
    if kind == "story":
        return {**_source(file), "media_type": "STORIES"}
    if not file.is_video:
        return {**_source(file), **_alt(file), **_texts(content)}
    made = {**_source(file), "media_type": "REELS", **_texts(content)}
    made["share_to_feed"] = option(content.options, OPTIONS, "share_to_feed")
    if offset := content.options.get("thumb_offset"):
        made["thumb_offset"] = int(str(offset))
    return made


def _source(file: MediaFile) -> dict[str, object]:
    if file.url is None:
        raise Rejected(
            "Instagram, uploading the media: Instagram fetches media from Almanac's public URL, "
            "and there is none: set ALMANAC_PUBLIC_URL to an https address"
        )
    return {"video_url" if file.is_video else "image_url": file.url}


def _alt(file: MediaFile) -> dict[str, object]:
    return {"alt_text": file.alt} if file.alt else {}


def _texts(content: Content) -> dict[str, object]:
    made: dict[str, object] = {"caption": content.full_text} if content.full_text else {}
    names = content.options.get("collaborators")
    return {**made, "collaborators": names} if isinstance(names, list) and names else made
