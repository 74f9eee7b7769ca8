"""Files by content hash: a half-written file is never visible, equal files are kept once."""

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import puremagic

from service.errors import InvalidInput, PayloadTooLarge, Problem

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the media folder."""

    sha256: str
    size: int
    content_type: str
    path: Path


def path_of(folder: Path, digest: str) -> Path:
    """Return where the file with this SHA-256 lies."""
    return folder / digest[:2] / digest


def store(source: BinaryIO, folder: Path, max_bytes: int) -> StoredFile:
    """Copy an upload into the folder. Blocking: call it in a thread.

    Raises:
        PayloadTooLarge: more than `max_bytes`.
        InvalidInput: the content is not an image that Almanac takes, whatever its name says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".upload-") as temporary:
        digest, size = sha256(), 0
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise PayloadTooLarge(f"A file may have at most {max_bytes:,} bytes")
            digest.update(chunk)
            temporary.write(chunk)
        temporary.flush()
        content_type = _image_type(Path(temporary.name))
        os.fsync(temporary.fileno())
        target = path_of(folder, digest.hexdigest())
        target.parent.mkdir(exist_ok=True)
        # A link, not a rename: the temporary file still removes itself.
        with suppress(FileExistsError):  # the same content is here
            os.link(temporary.name, target)
    return StoredFile(digest.hexdigest(), size, content_type, target)


def remove(folder: Path, digest: str) -> None:
    """Remove the file with this SHA-256, if there is one."""
    path_of(folder, digest).unlink(missing_ok=True)


def _image_type(path: Path) -> str:
    try:
        content_type = puremagic.from_file(str(path), mime=True)
    except (puremagic.PureError, ValueError):
        content_type = "unknown"
    if content_type not in IMAGE_TYPES:
        allowed = ", ".join(IMAGE_TYPES)
        raise InvalidInput([Problem("file", f"is {content_type}; allowed: {allowed}", "type")])
    return content_type
