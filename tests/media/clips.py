"""Files for tests of media, drawn by the real ffmpeg and libvips: a second or two, a few kilobytes.

Without ffmpeg the tests that need it fail in CI, and are skipped on a laptop.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pyvips  # type: ignore[import-untyped] # it has no types

MOVING_GIF = bytes.fromhex(
    "474946383961010001008000000000 00ffffff"
    "21f9040014000000 2c00000000010001000002024c0100"
    "21f9040014000000 2c0000000001000100000202440100 3b".replace(" ", "")
)
"""The smallest picture that moves: black, then white, 200 ms each."""


@cache
def needs_ffmpeg() -> str:
    """Return ffmpeg's path; the test fails or is skipped where there is none."""
    path = shutil.which("ffmpeg")
    if path is None:
        missing = "ffmpeg is not installed: apt-get install ffmpeg"
        (pytest.fail if "CI" in os.environ else pytest.skip)(missing)
    assert path is not None
    return path


def film(target: Path, *arguments: str, seconds: float = 2, size: str = "320x240") -> Path:
    """Draw a moving test picture with a tone; further arguments are the encoder's."""
    rate = 60 if "fast" in target.stem else 30
    command = [needs_ffmpeg(), "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", f"testsrc=size={size}:rate={rate}:duration={seconds}"]
    command += ["-f", "lavfi", "-i", f"sine=duration={seconds}"]
    subprocess.run([*command, *arguments, str(target)], check=True, capture_output=True)
    return target


H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libvorbis")


def turned(source: Path, target: Path) -> Path:
    """Write a quarter turn into the picture's track header (ISO/IEC 14496-12 §8.3.2)."""
    content = source.read_bytes()
    place = content.index(b"tkhd")
    one, zero, minus = b"\0\1\0\0", bytes(4), b"\xff\xff\0\0"
    upright = one + zero * 3 + one
    start = content.index(upright, place)
    sideways = zero + one + zero + minus + zero
    target.write_bytes(content[:start] + sideways + content[start + len(upright) :])
    return target


def cut(source: Path, part: float = 0.6) -> bytes:
    """Return the beginning of a file, as a broken connection leaves it."""
    content = source.read_bytes()
    return content[: int(len(content) * part)]


def drawing(target: Path, width: int, height: int, *, bands: int = 3, orientation: int = 1) -> Path:
    """Draw noise, which compresses badly; with four bands its left half is transparent."""
    noise = pyvips.Image.gaussnoise(width, height, sigma=60, mean=128, seed=1).cast("uchar")
    image = noise.bandjoin([noise] * 2).copy(interpretation="srgb")
    if bands == 4:
        alpha = pyvips.Image.xyz(width, height)[0] >= width / 2
        image = image.bandjoin(alpha)
    # As a camera notes it; libvips writes it into the file's EXIF.
    image = image.copy()
    _note(image, orientation)
    image.write_to_file(str(target))
    return target


def _note(image: Any, orientation: int) -> None:
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Model", "A camera")


def blank(target: Path, side: int) -> Path:
    """Draw nothing at all, which compresses well."""
    pyvips.Image.black(side, side).pngsave(str(target), bitdepth=1)
    return target


def read(path: Path) -> Any:
    """Open an image; libvips would remember another one of the same name."""
    return pyvips.Image.new_from_file(str(path), revalidate=True)
