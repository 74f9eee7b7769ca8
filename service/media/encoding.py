"""Videos made anew by ffmpeg: H.264 and AAC in an MP4 that plays before it is loaded whole."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.media import videos
from service.media.measures import Measures, Unusable
from service.media.programs import Finished, find, run
from service.platforms.fitting import AUDIO_RATE, MP4, VideoPlan

TIMEOUT = 3300.0
"""Seconds for one video; a little less than its job's."""
TRIES = (1.0, 0.85, 0.7)
"""Parts of the planned rate, until the file is small enough: an encoder only aims at it."""
LOST = 2.0
"""Seconds by which the result may be shorter: ffmpeg ends well where its source breaks off."""


@dataclass(frozen=True, slots=True)
class Source:
    """A video that is to be converted."""

    path: Path
    content_type: str
    seconds: float


Told = Callable[[float], None]
"""Gets the part that is done, from 0 to 1."""


async def convert(source: Source, target: Path, plan: VideoPlan, told: Told) -> Measures:
    """Write the video that a plan wants; return its measures.

    Args:
        source: the video.
        target: is written over.
        plan: what to make.
        told: is called while it goes on.

    Raises:
        Unusable: that cannot be done.
        ProgramMissing: ffmpeg is not installed.
    """
    for part in TRIES:
        rate = round(plan.picture_rate * part)
        inputs = ["-nostdin", "-v", "error", "-y", *videos.source(source.path, source.content_type)]
        command = [find("ffmpeg"), *inputs, *arguments(plan, rate), f"file:{target}"]
        finished = await run(
            command,
            timeout=TIMEOUT,
            told=lambda line: _tell(told, line, source.seconds),
            keeps=False,
        )
        if finished.code != 0:
            raise Unusable(f"The video cannot be converted: {_said(finished)}")
        size = (await asyncio.to_thread(target.stat)).st_size
        if size <= plan.most_bytes:
            return await _checked(target, source.seconds)
    raise Unusable(f"No video of at most {plan.most_bytes:,} bytes can be made of it")


def arguments(plan: VideoPlan, picture_rate: int) -> list[str]:
    """Return ffmpeg's arguments between its input and the name of its output.

    Args:
        plan: what to make.
        picture_rate: bits per second at most.
    """
    found = ["-map", "0:v:0", "-map", "0:a:0?", "-sn", "-dn"]
    found += ["-map_metadata", "-1", "-map_chapters", "-1"]
    found += ["-c:v", "copy"] if plan.copies_picture else _picture(plan, picture_rate)
    if plan.copies_sound:
        found += ["-c:a", "copy"]
    else:
        found += ["-c:a", "aac", "-b:a", str(AUDIO_RATE), "-ac", "2", "-ar", "48000"]
    found += ["-movflags", "+faststart", "-progress", "pipe:1", "-nostats"]
    # One byte more than allowed is enough to see that it has become too large.
    return [*found, "-fs", str(plan.most_bytes + 1_000_000), "-f", "mp4"]


def _picture(plan: VideoPlan, rate: int) -> list[str]:
    if plan.size is None:
        scale = "scale=w='2*trunc(iw*max(sar,1/100)/2)':h='2*trunc(ih/2)'"
    else:
        scale = "scale=w={}:h={}".format(*plan.size)
    filters = f"{scale}:flags=lanczos,setsar=1"
    if plan.frame_rate is not None:
        filters += f",fps={plan.frame_rate:g}"
    return [
        *("-vf", filters, "-c:v", "libx264", "-preset", "fast", "-profile:v", "high"),
        *("-pix_fmt", "yuv420p", "-crf", "21", "-maxrate", str(rate), "-bufsize", str(2 * rate)),
        # Platforms cut at whole groups of pictures: closed ones, of two seconds.
        *("-flags", "+cgop", "-force_key_frames", "expr:gte(t,n_forced*2)"),
    ]


def _tell(told: Told, line: bytes, seconds: float) -> None:
    name, _, value = line.strip().partition(b"=")
    if name == b"out_time_us" and value.isdigit() and seconds:
        told(min(int(value) / 1_000_000 / seconds, 1.0))


def _said(finished: Finished) -> str:
    lines = [line for line in finished.errors.splitlines() if line.strip()]
    if finished.code < 0:
        return "ffmpeg was killed, perhaps for want of memory"
    return lines[-1].rpartition("] ")[2] if lines else f"ffmpeg ended with code {finished.code}"


async def _checked(target: Path, seconds: float) -> Measures:
    made = await videos.measured(target, MP4)
    if (made.seconds or 0) < seconds - LOST:
        raise Unusable(
            f"The video breaks off in the middle: {made.seconds:g} of {seconds:g} s could be read"
        )
    return made
