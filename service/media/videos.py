"""Videos, measured by ffprobe and tried by ffmpeg: both end well with files that are cut off."""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from service.media.boxes import missing_bytes
from service.media.measures import Measures, Unusable
from service.media.programs import Finished, ProgramFailed, find, run

TIMEOUT = 60.0
"""Seconds for one look into a video."""
MOST_PIXELS = 8192 * 4320
"""Of one frame."""
LAST_SECONDS = 3.0
"""Of the end, which is decoded: there it shows whether all of it has arrived."""
LOST = 1.0
"""Seconds that may be missing at the end; the containers' lengths are no more exact."""
DEMUXERS = {"video/mp4": "mov", "video/quicktime": "mov", "video/webm": "matroska"}
"""What reads a type: named, so that a file is never taken for a list of other files."""


def source(path: Path, content_type: str) -> list[str]:
    """Return ffmpeg's arguments to read a file, and nothing else of this machine or the network."""
    return ["-protocol_whitelist", "file", "-f", DEMUXERS[content_type], "-i", f"file:{path}"]


async def measured(path: Path, content_type: str) -> Measures:
    """Look into a video, down to its last frames.

    Raises:
        Unusable: it is none, is cut off, or is too large.
        ProgramMissing: ffmpeg is not installed.
    """
    if content_type != "video/webm" and (missing := missing_bytes(path)):
        raise Unusable(f"The video is cut off: at least {missing:,} bytes are missing")
    try:
        found = await _probed(path, content_type)
        await _check_end(path, content_type, found.seconds or 0)
    except ProgramFailed as error:
        raise Unusable(f"The video takes too long to read: {error.message}") from error
    return found


async def _probed(path: Path, content_type: str) -> Measures:
    command = [find("ffprobe"), "-v", "error", "-print_format", "json"]
    command += ["-show_format", "-show_streams", *source(path, content_type)]
    finished = await run(command, timeout=TIMEOUT)
    if finished.code != 0:
        raise Unusable(f"The video cannot be read: {_reason(finished, path)}")
    return _measures(json.loads(finished.output))


def _reason(finished: Finished, path: Path) -> str:
    """Return the last thing that a program said, without where the file lies here."""
    lines = [line for line in finished.errors.splitlines() if line.strip()]
    said = lines[-1].replace(f"file:{path}: ", "") if lines else "no reason given"
    return said.rpartition("] ")[2]


def _measures(found: Mapping[str, Any]) -> Measures:
    streams: Sequence[Mapping[str, Any]] = found.get("streams", ())
    # A cover is a stream as well.
    pictures = [
        stream
        for stream in streams
        if stream.get("codec_type") == "video"
        and not stream.get("disposition", {}).get("attached_pic")
    ]
    if not pictures:
        raise Unusable("The video has no picture")
    picture = pictures[0]
    sounds = [stream for stream in streams if stream.get("codec_type") == "audio"]
    width, height = _shown_size(picture)
    seconds = _number(found.get("format", {}).get("duration")) or _number(picture.get("duration"))
    if not seconds:
        raise Unusable("The video does not say how long it is")
    rate = _ratio(picture.get("avg_frame_rate")) or _ratio(picture.get("r_frame_rate"))
    return Measures(
        width=width,
        height=height,
        seconds=round(seconds, 3),
        frame_rate=round(float(rate), 3) if rate else None,
        video_codec=str(picture.get("codec_name", "unknown")),
        audio_codec=str(sounds[0].get("codec_name", "unknown")) if sounds else None,
    )


def _shown_size(picture: Mapping[str, Any]) -> tuple[int, int]:
    """Return width and height as players show them: square pixels, turned as noted."""
    width, height = int(picture.get("width", 0)), int(picture.get("height", 0))
    if width <= 0 or height <= 0:
        raise Unusable("The video's picture has no size")
    if width * height > MOST_PIXELS:
        raise Unusable(f"{width:,} x {height:,} pixels; at most {MOST_PIXELS:,} in all are taken")
    shape = _ratio(str(picture.get("sample_aspect_ratio", "1:1")).replace(":", "/"))
    width = round(width * shape) if shape else width
    notes = picture.get("side_data_list", ())
    turn = next((note["rotation"] for note in notes if "rotation" in note), 0)
    return (height, width) if int(turn) % 180 else (width, height)


def _number(text: object) -> float | None:
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def _ratio(text: object) -> Fraction | None:
    try:
        value = Fraction(str(text))
    except (ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None


async def _check_end(path: Path, content_type: str, seconds: float) -> None:
    """Decode the last seconds; raise Unusable when they are broken or not there."""
    start = max(0.0, seconds - LAST_SECONDS)
    command = [find("ffmpeg"), "-nostdin", "-v", "error", "-xerror", "-ss", f"{start:.3f}"]
    command += [*source(path, content_type), "-map", "0:v:0", "-map", "0:a:0?"]
    command += ["-progress", "pipe:1", "-f", "null", "-"]
    finished = await run(command, timeout=TIMEOUT)
    if finished.code != 0:
        raise Unusable(f"The end of the video is broken: {_reason(finished, path)}")
    reached = start + _played(finished.output)
    if reached < seconds - LOST:
        raise Unusable(f"The video is cut off: {reached:.1f} of {seconds:.1f} s are there")


def _played(progress: bytes) -> float:
    """Return how many seconds were decoded, as `-progress` tells."""
    played = 0.0
    for line in progress.decode(errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.lstrip("-").isdigit():
            played = max(played, int(value) / 1_000_000)
    return played
