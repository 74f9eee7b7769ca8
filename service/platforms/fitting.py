"""What must be done to an image or a video before a platform takes it. Pure: nothing is opened.

What a conversion can mend is no problem of the author's: type, size, dimensions, codecs, frame
rate. What only a person can decide (to cut a video, to crop an image, to make a moving image stand
still) is a problem.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import msgspec

from service.errors import Problem
from service.platforms.contract import MediaFile
from service.platforms.limits import IMAGE_TYPES, Limits, VideoLimits

JPEG, PNG, MP4 = "image/jpeg", "image/png", "video/mp4"
VIDEO_TYPES = (MP4, "video/quicktime", "video/webm")
"""What can be converted; other videos are not taken in the first place."""
VERSION = 1
"""Of how plans are carried out: a greater one has everything converted anew."""
AUDIO_RATE = 128_000
"""Bits per second of the sound, where it is encoded anew."""
FASTEST = 12_000_000
"""Bits per second of the picture at most: more than anyone sees in 1080 lines."""
SLOWEST = 200_000
"""Bits per second below which a picture is not worth sending."""
OVERHEAD = 0.95
"""The part of a file that picture and sound may have; the rest is for the container and for peaks
that an encoder does not flatten."""
SLACK = 0.01
"""Frames per second by which a rate may seem too high: 30000/1001 and the like are rounded."""


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """Make a still image of this type, upright, in sRGB, without what cameras note in it."""

    content_type: Literal["image/jpeg", "image/png"]
    most_bytes: int
    longest: int | None = None
    """Pixels of the longer side at most; None: as it is."""


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """Make an MP4 with H.264 and AAC that plays before it is loaded whole."""

    most_bytes: int
    copies_picture: bool
    """Whether the picture is taken over as it is; then size and frame rate are, too."""
    copies_sound: bool
    picture_rate: int
    """Bits per second at most."""
    size: tuple[int, int] | None = None
    """Width and height; None: as it is."""
    frame_rate: float | None = None
    """None: as it is."""


Plan = ImagePlan | VideoPlan


def key(plan: Plan) -> str:
    """Return what tells this plan from every other one, as 64 hexadecimal digits."""
    return sha256(msgspec.json.encode([VERSION, type(plan).__name__, plan])).hexdigest()


def plan(file: MediaFile, limits: Limits) -> Plan | None:
    """Return what must be done to a file; None: it is taken as it is, or nothing helps."""
    if file.is_video:
        video = limits.video
        return None if video is None or _unsuitable(file, video) else _video_plan(file, video)
    return None if _is_lost(file, limits) else _image_plan(file, limits)


def problems(field: str, file: MediaFile, limits: Limits) -> Iterator[Problem]:
    """Yield what is wrong with a file that no conversion mends."""
    if not file.is_video:
        yield from _image_problems(field, file, limits)
    elif limits.video is not None:
        yield from _video_problems(field, file, limits.video)


def is_animated(file: MediaFile) -> bool:
    """Whether an image moves; of a GIF that nobody has measured, that is assumed."""
    if file.is_video:
        return False
    return file.seconds is not None or (file.content_type == "image/gif" and file.width is None)


def _image_faults(file: MediaFile, limits: Limits) -> Iterator[Problem]:
    """Yield what a platform does not take of an image; the field is left empty."""
    if file.content_type not in limits.image_types:
        allowed = ", ".join(limits.image_types)
        message = f"{file.content_type} is not taken here; allowed: {allowed}."
        yield Problem("", message, "image_type")
    if file.size > limits.image_bytes:
        message = f"{file.size:,} bytes; at most {limits.image_bytes:,} are allowed."
        yield Problem("", message, "image_too_large")
    longest = max(file.width or 0, file.height or 0)
    if limits.image_pixels is not None and longest > limits.image_pixels:
        message = f"{longest:,} pixels wide or high; at most {limits.image_pixels:,} are allowed."
        yield Problem("", message, "image_pixels")


def _target(file: MediaFile, limits: Limits) -> Literal["image/jpeg", "image/png"] | None:
    """Return the type that an image becomes; PNG stays PNG unless that would be too large."""
    heavy = file.size > limits.image_bytes
    if PNG in limits.image_types and (
        JPEG not in limits.image_types or (file.content_type == PNG and not heavy)
    ):
        return "image/png"
    return "image/jpeg" if JPEG in limits.image_types else None


def _is_lost(file: MediaFile, limits: Limits) -> bool:
    """Whether no conversion makes an image one that is taken."""
    convertible = file.content_type in IMAGE_TYPES and not is_animated(file)
    return not convertible or _target(file, limits) is None


def _image_plan(file: MediaFile, limits: Limits) -> ImagePlan | None:
    target = _target(file, limits)
    if target is None or not any(_image_faults(file, limits)):
        return None
    return ImagePlan(target, limits.image_bytes, limits.image_pixels)


def _image_problems(field: str, file: MediaFile, limits: Limits) -> Iterator[Problem]:
    if _is_lost(file, limits):
        for fault in _image_faults(file, limits):
            message = fault.message
            if is_animated(file):
                message += " It moves; as another image it would stand still."
            yield Problem(field, message, fault.code)
    yield from _ratio(field, file, limits.image_ratio)


def _unsuitable(file: MediaFile, limits: VideoLimits) -> bool:
    """Whether no conversion makes a video one that is taken."""
    made = MP4 in limits.types and "h264" in limits.video_codecs
    sounds = file.audio_codec is None or "aac" in limits.audio_codecs
    return file.content_type not in VIDEO_TYPES or not (made and sounds)


def _video_plan(file: MediaFile, limits: VideoLimits) -> VideoPlan | None:
    heavy = file.size > limits.bytes
    size = _smaller(file, limits)
    slower = _slower(file.frame_rate, limits.frame_rate)
    seen = file.video_codec is None or file.video_codec in limits.video_codecs
    heard = file.audio_codec is None or file.audio_codec in limits.audio_codecs
    if not (heavy or size or slower) and seen and heard and file.content_type in limits.types:
        return None
    copies = not (heavy or size or slower) and file.video_codec == "h264"
    rate = picture_rate(file, limits)
    if rate is None:
        return None
    return VideoPlan(
        most_bytes=limits.bytes,
        copies_picture=copies,
        # The budget of a file that must get smaller counts on sound of a known rate.
        copies_sound=file.audio_codec == "aac" and heard and not heavy,
        picture_rate=rate,
        size=None if copies else size,
        frame_rate=None if copies else slower,
    )


def picture_rate(file: MediaFile, limits: VideoLimits) -> int | None:
    """Return the bits per second that a video's picture may have.

    None: it would have to get so small that nothing could be seen, or nobody knows its length.
    """
    heavy = file.size > limits.bytes
    if not file.seconds:
        return None if heavy else FASTEST
    sound = AUDIO_RATE if file.audio_codec else 0
    rate = math.floor(limits.bytes * 8 * OVERHEAD / file.seconds) - sound
    return None if heavy and rate < SLOWEST else min(max(rate, SLOWEST), FASTEST)


def _smaller(file: MediaFile, limits: VideoLimits) -> tuple[int, int] | None:
    """Return the even width and height (H.264 with 4:2:0 has no others) that fit."""
    if not (file.width and file.height):
        return None
    scale = min(
        1.0,
        (limits.width or file.width) / file.width,
        (limits.height or file.height) / file.height,
    )
    if scale == 1.0:
        return None
    return _even(file.width * scale), _even(file.height * scale)


def _even(pixels: float) -> int:
    return max(2, 2 * math.floor(pixels / 2 + 1e-9))


def _slower(rate: float | None, most: float | None) -> float | None:
    return most if rate is not None and most is not None and rate > most + SLACK else None


def _video_problems(field: str, file: MediaFile, limits: VideoLimits) -> Iterator[Problem]:
    if _unsuitable(file, limits):
        if file.content_type not in limits.types:
            message = f"{file.content_type} is not taken here; allowed: {', '.join(limits.types)}."
            yield Problem(field, message, "video_type")
        for what, codec, allowed in (
            ("picture", file.video_codec, limits.video_codecs),
            ("sound", file.audio_codec, limits.audio_codecs),
        ):
            if codec is not None and codec not in allowed:
                message = f"The {what} is {codec}; allowed: {', '.join(allowed) or 'none'}."
                yield Problem(field, message, "video_codec")
    if file.size > limits.bytes and (_unsuitable(file, limits) or not picture_rate(file, limits)):
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
