"""What time it is at the Redis server, between two of its replies."""

import time

JUMP = 0.5
"""Seconds by which the server's clock may differ from ours before it counts as set."""


class ServerClock:
    """A lower bound of the server's time, so that nothing starts early.

    A reply tells a time that has passed when it arrives; the bound is the best of the replies so
    far, with a little given away per second for the drift between two clocks.
    """

    _DRIFT = 1e-4

    def __init__(self) -> None:
        self._offset: float | None = None
        self._heard = 0.0

    def hear(self, server_us: int) -> None:
        """Take the time of a reply that has just arrived, in Unix microseconds."""
        now = time.monotonic()
        offset = server_us / 1e6 - now
        if self._offset is not None and abs(offset - self._offset) < JUMP:
            offset = max(offset, self._offset - (now - self._heard) * self._DRIFT)
        self._offset, self._heard = offset, now

    def forget(self) -> None:
        """Trust the next reply, whatever it says: the server or its clock is another."""
        self._offset = None

    @property
    def expected_ms(self) -> str:
        """The server's time in Unix ms, as an argument of the claim; empty while unknown."""
        return "" if self._offset is None else str(int((self._offset + time.monotonic()) * 1000))

    def now_ms(self) -> float:
        """Return the server's time in Unix ms; ours as long as no reply came."""
        offset = self._offset if self._offset is not None else time.time() - time.monotonic()
        return (offset + time.monotonic()) * 1000

    def seconds_until(self, due_ms: float) -> float:
        """Return the seconds until it is that time at the server."""
        return (due_ms - self.now_ms()) / 1000
