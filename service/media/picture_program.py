"""A program of its own: measures an image, or makes another one of it, by libvips.

Apart from the server because the library keeps 80 MB once it has read anything, and because an
image made to crash or to stall it then ends nothing but this. Its one argument is a request as
JSON, its output the answer as JSON: either has the fields of `Measured` and `Made` in pictures.py,
or `refused`, a reason. It imports nothing of Almanac's, so that it starts in a tenth of a second.
"""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

# Before the library is loaded: only the readers whose authors hold them safe for strangers' files.
os.environ["VIPS_BLOCK_UNTRUSTED"] = "1"
os.environ.setdefault("VIPS_CONCURRENCY", "2")

import pyvips  # type: ignore[import-untyped] # it has no types

MOST_PIXELS = 100_000_000
"""Of a still image: against files of a few bytes that become gigabytes."""
MOST_OF_ALL_FRAMES = 500_000_000
WHITE = [255.0, 255.0, 255.0]
QUALITIES = (90, 82, 74, 66, 58)
SMALLER = 0.8
"""How long the sides become, in relation, when no quality makes the file small enough."""
SMALLEST = 64
"""Pixels of the longer side: what does not fit into its bytes then, will not."""


class Refused(Exception):
    """The image cannot be used."""


def measure(path: str) -> dict[str, Any]:
    """Read a whole image; return its size as it is shown and, if it moves, its time."""
    image = pyvips.Image.new_from_file(path, access="sequential", fail_on="truncated")
    frames = int(image.get_n_pages())
    _check_size(image.width, image.height, frames)
    seconds = None
    if frames > 1:
        image = pyvips.Image.new_from_file(path, n=-1, access="sequential", fail_on="truncated")
        delays = image.get("delay") if image.get_typeof("delay") else []
        seconds = _seconds(delays, frames)
        height = int(image.get_page_height())
    else:
        height = image.height
        frames, seconds = _frames_of_png(Path(path))
    width = image.width
    image.avg()  # reads every pixel: what is cut off or broken shows here
    if image.get_typeof("orientation") and int(image.get("orientation")) >= 5:
        width, height = height, width
    rate = frames / seconds if seconds else None
    return {"width": width, "height": height, "seconds": seconds, "frame_rate": rate}


def _check_size(width: int, height: int, frames: int) -> None:
    pixels = width * height
    if pixels > MOST_PIXELS:
        raise Refused(f"{width:,} x {height:,} pixels; at most {MOST_PIXELS:,} in all are taken")
    if pixels * frames > MOST_OF_ALL_FRAMES:
        raise Refused(f"{frames:,} frames of {width:,} x {height:,} pixels are too many")


def _seconds(delays: list[int], frames: int) -> float:
    """Return how long all frames take; what says 0 is shown for 100 ms, as in browsers."""
    shown = [delay if delay > 10 else 100 for delay in delays] or [100] * frames
    return sum(shown) / 1000


def _frames_of_png(path: Path) -> tuple[int, float | None]:
    """Return frames and seconds of an animated PNG (PNG 3, §11.3.6), of which libvips knows none.

    None: it does not move.
    """
    frames, seconds = 0, 0.0
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            return 1, None
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind == b"fcTL":
                control = file.read(length)
                above, below = control[20:22], control[22:24]
                whole = int.from_bytes(below, "big") or 100
                seconds += int.from_bytes(above, "big") / whole or 0.1
                frames += 1
                length = 0
            file.seek(length + 4, os.SEEK_CUR)
    return (frames, seconds) if frames > 1 else (1, None)


def convert(
    source: str, target: str, content_type: str, most_bytes: int, longest: int | None
) -> dict[str, Any]:
    """Write another image of an image: upright, in sRGB, without what cameras note in it."""
    head = pyvips.Image.new_from_file(source, access="sequential")
    _check_size(head.width, head.height, 1)
    turned = head.get_typeof("orientation") and int(head.get("orientation")) >= 5
    full = (head.height, head.width) if turned else (head.width, head.height)
    side = min(longest or max(full), max(full))
    smallest = min(SMALLEST, side)
    while side >= smallest:
        image = _scaled(source, full, side)
        if content_type == "image/jpeg" and image.hasalpha():
            image = image.flatten(background=WHITE)
        image = image.copy_memory()
        for quality in QUALITIES if content_type == "image/jpeg" else (0,):
            _save(image, target, content_type, quality)
            if Path(target).stat().st_size <= most_bytes:
                return {"width": image.width, "height": image.height}
        side = math.floor(side * SMALLER)
    raise Refused(f"No image of at most {most_bytes:,} bytes can be made of it")


def _scaled(source: str, full: tuple[int, int], side: int) -> Any:
    """Return the image with this longer side.

    The shorter one is rounded up, towards a square: a shape that a platform takes stays one.
    """
    scale = side / max(full)
    width, height = (max(1, math.ceil(length * scale - 1e-6)) for length in full)
    image = pyvips.Image.thumbnail(
        source, width, height=height, size="force", output_profile="srgb", fail_on="truncated"
    )
    return image if image.interpretation == "srgb" else image.colourspace("srgb")


def _save(image: Any, target: str, content_type: str, quality: int) -> None:
    if content_type == "image/jpeg":
        image.jpegsave(target, Q=quality, keep="none", optimize_coding=True)
    else:
        image.pngsave(target, compression=9, keep="none")


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; a reason instead where the image is at fault."""
    do = request.pop("do")
    try:
        return measure(**request) if do == "measure" else convert(**request)
    except Refused as error:
        return {"refused": str(error)}
    except pyvips.Error as error:
        lines = str(error).strip().splitlines()
        return {"refused": f"The image cannot be read: {lines[-1].strip() if lines else 'broken'}"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(json.loads(sys.argv[1]))))
