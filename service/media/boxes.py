"""The boxes that MP4 and QuickTime files consist of (ISO/IEC 14496-12 §4.2)."""

from pathlib import Path

HEADER, LONG_HEADER = 8, 16


def missing_bytes(path: Path) -> int:
    """Return by how much the outermost boxes reach beyond the end of their file. Blocking.

    Whoever reads such a file goes as far as it goes, and says nothing.
    """
    size, start = path.stat().st_size, 0
    with path.open("rb") as file:
        while start < size:
            file.seek(start)
            header = file.read(LONG_HEADER)
            if len(header) < HEADER:
                return 0  # some cameras leave a few bytes at the end
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[HEADER:], "big")
            if length == 0:  # to the end of the file, however long it is
                return 0
            if length < HEADER:
                return 0  # no box: bytes that somebody has added
            start += length
    return start - size
