"""What is wrong with a post's images and videos for a platform, and cannot be converted."""

from collections.abc import Iterator, Sequence

from service.errors import Problem
from service.platforms import fitting
from service.platforms.contract import MediaFile
from service.platforms.limits import Limits


def too_long(field: str, count: int, most: int, unit: str) -> Problem:
    """Say by how much something is too long."""
    message = f"Too long by {count - most:,}: {count:,} {unit}, at most {most:,} are allowed."
    return Problem(field, message, "too_long")


def media_problems(media: Sequence[MediaFile], limits: Limits) -> Iterator[Problem]:
    """Yield every problem of a post's media; field names are media, media[0], media[0].alt."""
    images = [file for file in media if not file.is_video]
    videos = [file for file in media if file.is_video]
    if limits.media_required and not media:
        wanted = "image or video" if limits.video else "image"
        wanted = wanted if limits.images else "video"
        yield Problem("media", f"At least one {wanted} is needed here.", "media_required")
    yield from _count("image", len(images), limits.images)
    yield from _count("video", len(videos), limits.videos)
    if images and videos and not limits.mixed_media:
        yield Problem("media", "Images and videos cannot be in one post here.", "mixed_media")
    for index, file in enumerate(media):
        field = f"media[{index}]"
        yield from fitting.problems(field, file, limits)
        if len(file.alt) > limits.alt_text:
            yield too_long(f"{field}.alt", len(file.alt), limits.alt_text, "characters")


def _count(what: str, count: int, most: int) -> Iterator[Problem]:
    if count and most == 0:
        yield Problem(
            "media", f"{what.capitalize()}s cannot be sent here: remove them.", f"too_many_{what}s"
        )
    elif count > most:
        message = f"{count} {what}s; at most {most} are allowed."
        yield Problem("media", message, f"too_many_{what}s")
