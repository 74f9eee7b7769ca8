"""Files by content hash: a half-written file is never visible, equal files are kept once.

All of it blocks: call it in a thread.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from service.errors import PayloadTooLarge
from service.media import kinds

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that is on the disk, but not yet among the kept ones."""

    path: Path
    sha256: str
    size: int
    content_type: str


def path_of(folder: Path, digest: str) -> Path:
    """Return where the file with this SHA-256 lies."""
    return folder / digest[:2] / digest


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """Give an empty file in the media folder, which is removed again."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".upload-")
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def receive(source: BinaryIO, path: Path, max_image_bytes: int, max_video_bytes: int) -> Arrived:
    """Copy an upload into a temporary file.

    Args:
        source: what was sent.
        path: of the temporary file.
        max_image_bytes: that an image may have.
        max_video_bytes: that a video may have.

    Raises:
        PayloadTooLarge: it has more.
        InvalidInput: the content is nothing that Almanac takes, whatever its name says.
    """
    digest, size, content_type, limit = sha256(), 0, "", max(max_image_bytes, max_video_bytes)
    with path.open("wb") as file:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            digest.update(chunk)
            file.write(chunk)
            if not content_type and size <= max_image_bytes:
                continue
            if not content_type:  # too large for an image: is it one?
                file.flush()
                content_type = kinds.content_type(path)
                limit = max_video_bytes if content_type in kinds.VIDEO_TYPES else max_image_bytes
            if size > limit:
                raise PayloadTooLarge(f"A file may have at most {limit:,} bytes")
        file.flush()
        os.fsync(file.fileno())
    return Arrived(path, digest.hexdigest(), size, content_type or kinds.content_type(path))


def keep(folder: Path, path: Path, digest: str) -> Path:
    """Let a finished file be found by its content; return where it lies."""
    target = path_of(folder, digest)
    target.parent.mkdir(exist_ok=True)
    # A link, not a rename: the temporary file still removes itself.
    with suppress(FileExistsError):  # the same content is here
        os.link(path, target)
        _sync_folder(target.parent)
    return target


def _sync_folder(folder: Path) -> None:
    """Make a new name outlast a loss of power, as its content does already."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def finish(path: Path) -> tuple[str, int]:
    """Put a file that another program wrote onto the disk; return its SHA-256 and its size."""
    digest, size = sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def remove(folder: Path, digest: str) -> int:
    """Remove the file with this SHA-256, if there is one; return how many bytes that freed."""
    path = path_of(folder, digest)
    with suppress(FileNotFoundError):
        size = path.stat().st_size
        path.unlink()
        return size
    return 0
