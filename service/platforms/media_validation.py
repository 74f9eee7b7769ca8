"""What is wrong with a post's images and videos for a platform."""

from collections.abc import Iterator, Sequence

from service.errors import Problem
from service.platforms.contract import MediaFile
from service.platforms.limits import Limits, VideoLimits


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
        if not file.is_video:
            yield from _image_problems(field, file, limits)
        elif limits.video is not None:
            yield from _video_problems(field, file, limits.video)
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


def _image_problems(field: str, file: MediaFile, limits: Limits) -> Iterator[Problem]:
    if file.content_type not in limits.image_types:
        allowed = ", ".join(limits.image_types)
        message = f"{file.content_type} is not taken here; allowed: {allowed}."
        yield Problem(field, message, "image_type")
    if file.size > limits.image_bytes:
        message = f"{file.size:,} bytes; at most {limits.image_bytes:,} are allowed."
        yield Problem(field, message, "image_too_large")
    yield from _ratio(field, file, limits.image_ratio)


def _video_problems(field: str, file: MediaFile, limits: VideoLimits) -> Iterator[Problem]:
    if file.content_type not in limits.types:
        message = f"{file.content_type} is not taken here; allowed: {', '.join(limits.types)}."
        yield Problem(field, message, "video_type")
    if file.size > limits.bytes:
        message = f"{file.size:,} bytes; at most {limits.bytes:,} are allowed."
        yield Problem(field, message, "video_too_large")
    shortest, longest = limits.seconds
    if file.seconds is not None and not shortest <= file.seconds <= longest:
        message = f"{file.seconds:g} s long; {shortest:g} to {longest:g} s are allowed."
        yield Problem(field, message, "video_length")
    yield from _ratio(field, file, limits.ratio)


def _ratio(field: str, file: MediaFile, allowed: tuple[float, float] | None) -> Iterator[Problem]:
    if allowed is None or not (file.width and file.height):
        return
    least, most = allowed
    if not least <= file.width / file.height <= most:
        message = (
            f"{file.width} x {file.height} pixels; width divided by height must be "
            f"{least:g} to {most:g} here."
        )
        yield Problem(field, message, "ratio")
