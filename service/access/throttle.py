"""The limit on failed logins: counted in Redis, or in this process while Redis is away."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from redis.exceptions import RedisError

from service.errors import TooManyRequests
from service.queue import QueueClient

PREFIX = "almanac:login:"
PATIENCE = 0.5
"""Seconds that a login waits for Redis."""
MOST_COUNTERS = 10_000
"""In this process; when it has as many, nobody new may try until one of them ends."""
NETWORK = 64
"""Bits of an IPv6 address that are one customer's."""


class Throttle:
    """Counts the attempts of names and addresses within a window.

    Args:
        client: of the Redis that counts.
        attempts: that a name, and an address, may fail within the window.
        window: from the first failure.
    """

    def __init__(self, client: QueueClient, attempts: int, window: timedelta) -> None:
        self._client = client
        self._attempts = attempts
        self._window = window.total_seconds()
        self._milliseconds = round(self._window * 1000)
        self._counters: dict[str, tuple[int, float]] = {}

    async def begin(self, name: str, address: str | None) -> None:
        """Count an attempt, before it is known whether it fails.

        Raises:
            TooManyRequests: there were too many; says in how many seconds the window ends.
        """
        keys = _keys(name, address)
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._count(keys)
        except (RedisError, OSError, TimeoutError):
            found = [self._count_here(key) for key in keys]
        over = [left for count, left in found if count > self._attempts]
        if over:
            raise TooManyRequests(max(over))

    async def succeeded(self, name: str, address: str | None) -> None:
        """Forget the failures of a name whose password is known, and count nothing here."""
        by_name, *by_address = _keys(name, address)
        self._counters.pop(by_name, None)
        for key in by_address:
            if key in self._counters:
                count, end = self._counters[key]
                self._counters[key] = (count - 1, end)
        pipe = self._client.pipeline(transaction=True)
        pipe.delete(by_name)
        for key in by_address:
            pipe.set(key, 1, px=self._milliseconds, nx=True)  # else it could be without an end
            pipe.decr(key)
        try:
            async with asyncio.timeout(PATIENCE):
                await pipe.execute()
        except (RedisError, OSError, TimeoutError):
            return  # the window ends by itself

    async def _count(self, keys: Sequence[str]) -> list[tuple[int, float]]:
        """Count in Redis; return how many and the seconds left, of each key."""
        pipe = self._client.pipeline(transaction=True)
        for key in keys:
            pipe.set(key, 0, px=self._milliseconds, nx=True)
            pipe.incr(key)
            pipe.pttl(key)
        replies = await pipe.execute()
        return list(zip(replies[1::3], (left / 1000 for left in replies[2::3]), strict=True))

    def _count_here(self, key: str) -> tuple[int, float]:
        moment = time.monotonic()
        count, end = self._counters.get(key, (0, 0.0))
        if end <= moment:
            if len(self._counters) >= MOST_COUNTERS:
                self._counters = {k: v for k, v in self._counters.items() if v[1] > moment}
            if len(self._counters) >= MOST_COUNTERS:
                return self._attempts + 1, self._window
            count, end = 0, moment + self._window
        self._counters[key] = (count + 1, end)
        return count + 1, end - moment


def _keys(name: str, address: str | None) -> list[str]:
    """Return the counters of a name and of an address; what they are stays out of Redis."""
    sources = [f"name:{name}"]
    if address is not None:
        sources.append(f"address:{_network(address)}")
    return [PREFIX + sha256(source.encode(errors="replace")).hexdigest() for source in sources]


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:  # a Unix socket's peer, or a test's
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, NETWORK), strict=False))
    return address
