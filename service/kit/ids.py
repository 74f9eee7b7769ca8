"""Row ids: UUID version 7 (RFC 9562 §5.7), so that newer rows sort after older ones."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """Make an id from 48 bits of Unix milliseconds and 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 7 << 76
    return UUID(int=value & ~(0b11 << 62) | 0b10 << 62)
