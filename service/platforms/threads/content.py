"""What a post says to Threads: limits, options and the parameters of containers.

https://developers.facebook.com/documentation/threads/posts
"""

from collections.abc import Iterator, Mapping, Sequence

from service.errors import Problem
from service.platforms.contract import Content, MediaFile
from service.platforms.failures import Rejected
from service.platforms.limits import Limits, OptionField, VideoLimits
from service.platforms.threads.api import NAME

ITEMS = 20
ALT_TEXT = 1_000
TOPIC = 50

LIMITS = Limits(
    text_units=500,
    unit="threads",
    images=ITEMS,
    image_bytes=8_000_000,
    image_types=("image/jpeg", "image/png"),
    image_ratio=(0.1, 10),
    alt_text=ALT_TEXT,
    videos=ITEMS,
    video=VideoLimits(
        bytes=1_000_000_000,
        seconds=(0, 300),
        types=("video/mp4", "video/quicktime"),
        video_codecs=("h264", "hevc"),
        width=1_920,
        ratio=(0.01, 10),
        frame_rate=60,
    ),
    mixed_media=True,
    comment_images=ITEMS,
    posts_per_day=250,
)
"""As documented in November 2026; how many posts are left is asked before each one."""

OPTIONS: Mapping[str, OptionField] = {
    "reply_control": OptionField(
        "Who may reply; everyone, unless chosen.",
        kind="choice",
        choices=(
            *("everyone", "accounts_you_follow", "mentioned_only"),
            *("parent_post_author_only", "followers_only"),
        ),
    ),
    "topic_tag": OptionField("The topic of the post, without #, full stop and &.", most=TOPIC),
}


def shown_text(content: Content) -> str:
    """Return the text; a link is a card of its own where there are no media."""
    return content.text if content.text and not content.media else content.full_text


def own_problems(content: Content) -> Iterator[Problem]:
    """Yield what the platform's data cannot say."""
    if len(content.media) > ITEMS:
        text = f"{len(content.media)} images and videos; at most {ITEMS} are allowed together."
        yield Problem("media", text, "too_many_media")
    topic = content.options.get("topic_tag")
    if isinstance(topic, str) and set(topic) & {".", "&", "#"}:
        text = "The topic must have no #, full stop or &."
        yield Problem("options.topic_tag", text, "option")


def single(content: Content, reply_to: str | None) -> dict[str, str]:
    """Return the parameters of a post with one medium or none."""
    parameters = _common(content, reply_to)
    if content.media:
        return parameters | _item(content.media[0])
    parameters["media_type"] = "TEXT"
    if content.link:
        parameters["link_attachment"] = content.link
    return parameters


def child(file: MediaFile) -> dict[str, str]:
    """Return the parameters of one of several media."""
    return {**_item(file), "is_carousel_item": "true"}


def carousel(content: Content, children: Sequence[str], reply_to: str | None) -> dict[str, str]:
    """Return the parameters of what binds several media together."""
    said = {"media_type": "CAROUSEL", "children": ",".join(children)}
    return _common(content, reply_to) | said


def _common(content: Content, reply_to: str | None) -> dict[str, str]:
    options = content.options if reply_to is None else {}
    given = {
        "text": shown_text(content),
        "reply_to_id": reply_to,
        "reply_control": options.get("reply_control"),
        "topic_tag": options.get("topic_tag"),
    }
    return {name: str(value) for name, value in given.items() if value}


def _item(file: MediaFile) -> dict[str, str]:
    if not file.url:
        raise Rejected(f"{NAME} fetches media from a public address: give Almanac an https URL")
    kind = "video" if file.is_video else "image"
    parameters = {"media_type": kind.upper(), f"{kind}_url": file.url}
    return {**parameters, "alt_text": file.alt} if file.alt else parameters
