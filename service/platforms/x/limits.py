"""What one post may be on X, for an account with and without a subscription."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from service.platforms.contract import Handles, Profile
from service.platforms.limits import Limits, OptionField, VideoLimits
from service.platforms.x.answers import User
from service.platforms.x.uploads import MOST_SEGMENTS, SEGMENT_BYTES

SITE = "https://x.com"

TEXT, LONG_TEXT = 280, 25_000
"""By weight; the longer one with any subscription (help.x.com, "About X Premium")."""

VIDEO, LONG_VIDEO = timedelta(minutes=20), timedelta(minutes=125)
"""Without and with a subscription, for posts.

As docs.x.com, "Media best practices", had it in September 2026. Until 2025 it was 140 s and 512 MB,
which "Media introduction" still says. X refuses longer ones at the post, with 403.
"""

VIDEO_BYTES = MOST_SEGMENTS * SEGMENT_BYTES
"""8 GB are documented (same page), but no more fit into the segments that are known to work."""

GIF_BYTES = 15_000_000
IMAGE_BYTES = 5_000_000
ALT_TEXT = 1_000

POSTS_PER_DAY = 2_400
"""help.x.com, "X limits", 2026; in pieces of half an hour."""

SUBSCRIPTIONS = frozenset({"basic", "premium", "premiumplus"})
VERIFIED = frozenset({"blue", "business", "government"})

LIMITS = Limits(
    text_units=TEXT,
    unit="weighted",
    url_units=23,
    images=4,
    image_bytes=IMAGE_BYTES,
    alt_text=ALT_TEXT,
    videos=1,
    video=VideoLimits(
        bytes=VIDEO_BYTES,
        seconds=(0.5, VIDEO.total_seconds()),
        types=("video/mp4", "video/quicktime"),
        width=1280,
        # 1024 is documented beside the advice to send 720 x 1280.
        height=1280,
        ratio=(1 / 3, 3.0),
        frame_rate=60.0,
    ),
    comment_images=4,
    posts_per_day=POSTS_PER_DAY,
)

OPTIONS: Mapping[str, OptionField] = {
    "reply_settings": OptionField(
        "Who may answer.",
        kind="choice",
        choices=("everyone", "following", "mentionedUsers", "subscribers", "verified"),
        default="everyone",
    ),
    "made_with_ai": OptionField("Label the media as made with AI.", kind="flag", default=False),
    "paid_partnership": OptionField(
        "Label the post as a paid promotion.", kind="flag", default=False
    ),
    "community_id": OptionField("The number of a community to post in, from its address.", most=19),
    "share_with_followers": OptionField(
        "Show a post in a community to all followers too.", kind="flag", default=False
    ),
}


def limits_of(user: User) -> Limits:
    """Return the limits of an account: a subscription allows longer texts and videos."""
    subscription = (user.subscription_type or "").replace("_", "").replace(" ", "").lower()
    verified = (user.verified_type or "").lower()
    if subscription not in SUBSCRIPTIONS and verified not in VERIFIED:
        return LIMITS
    assert LIMITS.video is not None
    video = replace(LIMITS.video, seconds=(0.5, LONG_VIDEO.total_seconds()))
    return replace(LIMITS, text_units=LONG_TEXT, video=video)


def profile_of(user: User, tokens: Handles) -> Profile:
    """Return what connecting an account found out.

    Args:
        user: as X tells it.
        tokens: of a login, for the session.
    """
    return Profile(
        handle=user.username,
        display_name=user.name or user.username,
        base_url=SITE,
        limits=limits_of(user),
        session={**tokens, "user_id": user.id},
    )
