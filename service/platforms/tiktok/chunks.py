"""How a video is cut for TikTok.

Chunks have 5 to 64 MB, the last one takes what is left as well, and their number is the file's size
divided by that of a chunk, rounded down:
https://developers.tiktok.com/doc/content-posting-api-media-transfer-guide
"""

from dataclasses import dataclass

CHUNK = 5 * 2**20
"""Bytes of all chunks but the last: the smallest that is 5 MB however a megabyte is meant.

The last chunk is the commit, has less than twice as many, and should be quick.
"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a file, in bytes."""

    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file of `total` bytes is cut; `size` is that of every chunk but the last."""

    total: int
    size: int
    count: int

    def __getitem__(self, index: int) -> Chunk:
        """Return a chunk, from 0 on."""
        start = index * self.size
        return Chunk(start, self.size if index < self.last else self.total - start)

    @property
    def last(self) -> int:
        """Index of the last chunk."""
        return self.count - 1

    def whole(self, uploaded: int) -> int:
        """Return how many chunks so many bytes from the beginning hold."""
        return self.count if uploaded >= self.total else min(uploaded // self.size, self.last)


def plan(total: int) -> Plan:
    """Cut a file of so many bytes, at least one."""
    count = max(1, total // CHUNK)
    return Plan(total, CHUNK if count > 1 else total, count)
