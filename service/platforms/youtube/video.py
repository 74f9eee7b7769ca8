"""A post as a YouTube video: its options, its rules and the resource that describes it.

Figures: https://developers.google.com/youtube/v3/docs/videos#resource and, for size and length,
https://support.google.com/youtube/answer/71673 (both as of November 2026).
"""

from collections.abc import Iterator, Mapping, Sequence

from service.errors import Problem
from service.platforms.contract import Content, MediaFile
from service.platforms.limits import Limits, OptionField, VideoLimits
from service.platforms.media_validation import too_long
from service.platforms.options import option

MOST_TAGS = 500
UNVERIFIED_SECONDS = 900.0
"""The longest video of a channel that has not been verified."""

VIDEO = VideoLimits(
    bytes=256 * 10**9,
    seconds=(1, 43_200),
    types=(
        "video/mp4",
        "video/quicktime",
        "video/webm",
        "video/mpeg",
        "video/x-msvideo",
        "video/x-matroska",
        "video/3gpp",
        "video/x-flv",
        "video/x-ms-wmv",
    ),
    video_codecs=("h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mpeg2video", "prores", "dnxhd"),
    audio_codecs=("aac", "mp3", "opus", "vorbis", "ac3", "eac3", "flac", "pcm_s16le"),
)
"""YouTube converts whatever it takes itself, so that nothing is to be converted for it."""
LIMITS = Limits(
    text_units=5_000,
    unit="characters",
    text_bytes=5_000,
    images=1,
    image_bytes=2_097_152,
    image_types=("image/jpeg", "image/png"),
    videos=1,
    video=VIDEO,
    mixed_media=True,
    media_required=True,
)
"""The image, if there is one, is the thumbnail."""

CATEGORIES = {
    "film": "1",
    "autos": "2",
    "music": "10",
    "pets": "15",
    "sports": "17",
    "travel": "19",
    "gaming": "20",
    "people": "22",
    "comedy": "23",
    "entertainment": "24",
    "news": "25",
    "howto": "26",
    "education": "27",
    "science": "28",
    "nonprofits": "29",
}
"""Those that every region has."""

OPTIONS: Mapping[str, OptionField] = {
    "title": OptionField("The title people see.", required=True, most=100),
    "made_for_kids": OptionField(
        "Whether the video is made for children; the law wants an answer.", "flag", required=True
    ),
    "privacy": OptionField(
        "Who may see it.", "choice", ("public", "unlisted", "private"), default="public"
    ),
    "category": OptionField(
        "What it is about.", "choice", tuple(sorted(CATEGORIES)), default="people"
    ),
    "tags": OptionField("Words it is found by.", "words", most=MOST_TAGS),
    "synthetic": OptionField(
        "Whether it shows what looks real and was made or altered by a machine; YouTube asks to "
        "be told.",
        "flag",
        default=False,
    ),
    "notify_subscribers": OptionField("Whether subscribers are told of it.", "flag", default=True),
}


def video_of(media: Sequence[MediaFile]) -> MediaFile | None:
    """Return the video."""
    return next((file for file in media if file.is_video), None)


def thumbnail_of(media: Sequence[MediaFile]) -> MediaFile | None:
    """Return the image that stands for the video."""
    return next((file for file in media if not file.is_video), None)


def chosen(content: Content, name: str) -> object:
    """Return what the author chose, or the default."""
    return option(content.options, OPTIONS, name)


def tags_of(content: Content) -> list[str]:
    """Return the tags without those that are blank."""
    given = chosen(content, "tags")
    return (
        [str(tag).strip() for tag in given if str(tag).strip()] if isinstance(given, list) else []
    )


def tags_length(tags: Sequence[str]) -> int:
    """Count as YouTube does: with commas between them, and quotes around one with a space."""
    return sum(len(tag) + (2 if " " in tag else 0) for tag in tags) + max(0, len(tags) - 1)


def problems(content: Content, text: str) -> Iterator[Problem]:
    """Yield what is wrong with a video beside what the limits tell."""
    if content.media and video_of(content.media) is None:
        yield Problem("media", "A video is needed here; an image is only its thumbnail.", "video")
    title = chosen(content, "title")
    for field, words in (("text", text), ("options.title", title)):
        if isinstance(words, str) and not {"<", ">"}.isdisjoint(words):
            yield Problem(field, "The characters < and > are not allowed here.", "characters")
    if isinstance(title, str) and title and not title.strip():
        yield Problem("options.title", "The title is blank.", "missing")
    tags = tags_of(content)
    if sum(map(len, tags)) <= MOST_TAGS < (count := tags_length(tags)):
        unit = "characters, with commas and with quotes around tags that have spaces"
        yield too_long("options.tags", count, MOST_TAGS, unit)


def resource(content: Content) -> dict[str, object]:
    """Return the video to insert: private until the commit."""
    snippet: dict[str, object] = {
        "title": chosen(content, "title"),
        "description": content.full_text,
        "categoryId": CATEGORIES[str(chosen(content, "category"))],
    }
    if tags := tags_of(content):
        snippet["tags"] = tags
    return {"snippet": snippet, "status": status(content, "private")}


def status(content: Content, privacy: str) -> dict[str, object]:
    """Return the whole status: an update resets whatever it leaves out."""
    return {
        "privacyStatus": privacy,
        "selfDeclaredMadeForKids": chosen(content, "made_for_kids") is True,
        "containsSyntheticMedia": chosen(content, "synthetic") is True,
        "embeddable": True,
        "license": "youtube",
        "publicStatsViewable": True,
    }
