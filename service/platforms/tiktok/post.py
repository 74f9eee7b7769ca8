"""What a post says to TikTok: options, bodies of requests, and what only the account can allow.

https://developers.tiktok.com/doc/content-posting-api-reference-direct-post and
https://developers.tiktok.com/doc/content-posting-api-reference-photo-post
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from service.errors import Problem
from service.platforms.contract import Content, MediaFile
from service.platforms.failures import Rejected
from service.platforms.lengths import length
from service.platforms.limits import Limits, OptionField, VideoLimits
from service.platforms.media_validation import too_long
from service.platforms.options import option
from service.platforms.tiktok.api import NAME, Creator
from service.platforms.tiktok.chunks import Plan

PUBLIC = "PUBLIC_TO_EVERYONE"
PRIVATE = "SELF_ONLY"
TITLE = 90
PHOTO_TEXT = 4_000

LIMITS = Limits(
    text_units=2_200,
    unit="utf16",
    images=35,
    image_bytes=20_000_000,
    image_types=("image/jpeg", "image/webp"),
    image_pixels=1_920,
    videos=1,
    video=VideoLimits(
        bytes=4_000_000_000,
        seconds=(1, 600),
        types=("video/mp4", "video/quicktime", "video/webm"),
        video_codecs=("h264", "hevc", "vp8", "vp9"),
        width=4_096,
        height=4_096,
        frame_rate=60,
    ),
    media_required=True,
    posts_per_day=15,
)
"""As documented in November 2026; about 15 posts a day are what TikTok calls typical.

Alt texts are not taken, so they are not sent; a post for several networks may still have them.
"""

OPTIONS: Mapping[str, OptionField] = {
    "privacy_level": OptionField(
        "Who may see the post; TikTok wants the author to choose, among what the account offers.",
        kind="choice",
        choices=(PUBLIC, "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", PRIVATE),
        required=True,
    ),
    "mode": OptionField(
        "direct publishes; inbox sends a draft to the TikTok app, where a person completes it: "
        "of a video without its text, and without all that is chosen here.",
        kind="choice",
        choices=("direct", "inbox"),
        default="direct",
    ),
    "title": OptionField("A title above the text, of photos only.", most=TITLE),
    "disable_comment": OptionField("Nobody may comment.", kind="flag", default=False),
    "disable_duet": OptionField("Nobody may make a duet, of videos.", kind="flag", default=False),
    "disable_stitch": OptionField("Nobody may stitch it, of videos.", kind="flag", default=False),
    "brand_content_toggle": OptionField(
        "A paid partnership that promotes another business.", kind="flag", default=False
    ),
    "brand_organic_toggle": OptionField(
        "It promotes the author's own business.", kind="flag", default=False
    ),
    "is_aigc": OptionField("The video was made by AI.", kind="flag", default=False),
    "auto_add_music": OptionField("TikTok adds music, to photos.", kind="flag", default=False),
}


def is_inbox(content: Content) -> bool:
    """Whether it goes to the app's inbox as a draft."""
    return chosen(content, "mode") == "inbox"


def chosen(content: Content, name: str) -> object:
    """Return an option, or its default."""
    return option(content.options, OPTIONS, name)


def video_of(content: Content) -> MediaFile | None:
    """Return the video; None: it is a post of photos."""
    return next((file for file in content.media if file.is_video), None)


def limits_for(content: Content, limits: Limits) -> Limits:
    """Return the limits of this post: the text of photos may be longer."""
    photos = bool(content.media) and video_of(content) is None
    return replace(limits, text_units=PHOTO_TEXT) if photos else limits


def own_problems(content: Content) -> Iterator[Problem]:
    """Yield what the platform's data cannot say."""
    title = content.options.get("title")
    if isinstance(title, str) and len(title) <= TITLE < (units := length(title, "utf16")):
        yield too_long("options.title", units, TITLE, "characters as TikTok counts them")
    private = content.options.get("privacy_level") == PRIVATE
    if private and content.options.get("brand_content_toggle") is True and not is_inbox(content):
        text = "A paid partnership cannot be visible to the author only."
        yield Problem("options.brand_content_toggle", text, "option")


def require_allowed(content: Content, creator: Creator) -> None:
    """Refuse what the account may not do just now.

    Raises:
        Rejected: it may not choose this audience, or not post a video as long as this one.
    """
    level, offered = chosen(content, "privacy_level"), creator.privacy_level_options
    if level not in offered:
        raise Rejected(
            f"{NAME}: this account cannot post as {level}: choose {' or '.join(offered)}"
        )
    video, longest = video_of(content), creator.max_video_post_duration_sec
    if video and video.seconds and longest and video.seconds > longest:
        raise Rejected(
            f"{NAME}: the video has {video.seconds:g} s, this account may post {longest:g} s: "
            "shorten it"
        )


def video_body(
    content: Content, text: str, plan: Plan, creator: Creator | None
) -> dict[str, object]:
    """Return what announces a video; without a creator it is a draft."""
    source = {
        "source": "FILE_UPLOAD",
        "video_size": plan.total,
        "chunk_size": plan.size,
        "total_chunk_count": plan.count,
    }
    if creator is None:
        return {"source_info": source}
    said = {
        "title": text,
        **_common(content, comment_disabled=creator.comment_disabled),
        "disable_duet": creator.duet_disabled or chosen(content, "disable_duet"),
        "disable_stitch": creator.stitch_disabled or chosen(content, "disable_stitch"),
        "is_aigc": chosen(content, "is_aigc"),
    }
    return {"post_info": said, "source_info": source}


def photo_body(content: Content, text: str, *, comment_disabled: bool) -> dict[str, object]:
    """Return what posts photos.

    Raises:
        Rejected: TikTok cannot fetch them.
    """
    urls = [file.url for file in content.media if file.url]
    if len(urls) < len(content.media):
        raise Rejected(
            f"{NAME} fetches photos from a public address: give Almanac an https URL and verify "
            "it among the app's URL properties at TikTok, or post a video"
        )
    said: dict[str, object] = {"title": chosen(content, "title"), "description": text}
    said = {name: value for name, value in said.items() if value}
    if not is_inbox(content):
        said |= _common(content, comment_disabled=comment_disabled)
        said["auto_add_music"] = chosen(content, "auto_add_music")
    return {
        "media_type": "PHOTO",
        "post_mode": "MEDIA_UPLOAD" if is_inbox(content) else "DIRECT_POST",
        "post_info": said,
        "source_info": {"source": "PULL_FROM_URL", "photo_images": urls, "photo_cover_index": 0},
    }


def _common(content: Content, *, comment_disabled: bool) -> dict[str, object]:
    return {
        "privacy_level": chosen(content, "privacy_level"),
        "disable_comment": comment_disabled or chosen(content, "disable_comment"),
        "brand_content_toggle": chosen(content, "brand_content_toggle"),
        "brand_organic_toggle": chosen(content, "brand_organic_toggle"),
    }
