"""Row ids: UUID version 7 (RFC 9562 §5.7), so that newer rows sort after older ones."""

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICKS_PER_MILLISECOND = 4096
SET_BACK = 60_000 * TICKS_PER_MILLISECOND
"""A clock that is so far behind the last id was set back: ids follow it, for they tell times."""


class _Clock:
    """Ticks of 1/4096 ms since 1970, each later than the last unless the clock is set back."""

    def __init__(self) -> None:
        self._last = 0

    def tick(self) -> int:
        """Return the present tick, or the one after the last if that is later."""
        now = time.time_ns() * TICKS_PER_MILLISECOND // 1_000_000
        behind = self._last - now
        self._last = now if behind > SET_BACK else max(now, self._last + 1)
        return self._last


_clock = _Clock()


def uuid7() -> UUID:
    """Make an id: 48 bits of Unix milliseconds, 12 of their fraction, 62 random ones.

    Ids of one process sort in the order in which they were made (RFC 9562 §6.2, method 3), as long
    as the clock is not set back by more than a minute.
    """
    milliseconds, fraction = divmod(_clock.tick(), TICKS_PER_MILLISECOND)
    return _assemble(milliseconds, fraction)


def uuid7_at(milliseconds: int) -> UUID:
    """Make the id of what happened at this Unix time; ids of one millisecond are in no order."""
    return _assemble(milliseconds, 0)


def first_at(moment: datetime) -> UUID:
    """Return a bound: the ids of this instant and later ones are greater, earlier ones less."""
    milliseconds = -((EPOCH - moment) // timedelta(milliseconds=1))
    return UUID(int=max(0, milliseconds) << 80)


def milliseconds_of(row_id: UUID) -> int:
    """Return the Unix time in a version 7 id."""
    return row_id.int >> 80


def _assemble(milliseconds: int, fraction: int) -> UUID:
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 0b10 << 62 | random)
