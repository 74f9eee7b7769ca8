"""What a file is, by its content, whatever its name says."""

from pathlib import Path

import puremagic

from service.errors import InvalidInput, Problem

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm")
TYPES = (*IMAGE_TYPES, *VIDEO_TYPES)
HEAD = 64
"""Bytes that tell videos apart."""
QUICKTIME_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip"}
"""What a file may begin with that is older than the box which names its kind."""
STILL_BRANDS = {b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"M4A ", b"M4B ", b"M4P "}
"""Kinds of the same container (ISO/IEC 14496-12) that are no videos."""


def content_type(path: Path) -> str:
    """Return the type of a file's content. Blocking.

    Raises:
        InvalidInput: it is none that Almanac takes.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    found = _video_type(head) or _image_type(path)
    if found not in TYPES:
        allowed = ", ".join(TYPES)
        raise InvalidInput([Problem("file", f"is {found}; allowed: {allowed}", "type")])
    return found


def _video_type(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in STILL_BRANDS:
            return None
        return "video/quicktime" if brand == b"qt  " else "video/mp4"
    if head[4:8] in QUICKTIME_BOXES:
        return "video/quicktime"
    # EBML (RFC 8794); its document type stands within the first bytes.
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head else "video/x-matroska"
    return None


def _image_type(path: Path) -> str:
    try:
        return str(puremagic.from_file(str(path), mime=True))
    except (puremagic.PureError, ValueError):
        return "unknown"
