"""Hearing at once that a job ended: one connection per client on which the server speaks unasked.

`CLIENT TRACKING` makes the server say that a key it was asked for was written. The keys of a result
and of a payload, which every end of a job writes or deletes, are asked for on that connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from arq.constants import job_key_prefix, result_key_prefix
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError, ResponseError

from service.queue.channel import Channel
from service.queue.link import Link

FIRST_DELAY, LAST_DELAY = 0.01, 0.25
"""Seconds between two looks where the server does not speak."""
SAFETY = 5.0
"""Seconds after which one looks again though nothing was heard."""


class Watch:
    """Tells of jobs that may have ended; its connection is opened by the first who asks.

    Args:
        pool: whose settings the connection has.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._channel = Channel(self._open)
        self._speaks = True
        self._events: dict[str, set[asyncio.Event]] = {}

    @asynccontextmanager
    async def job(self, job_id: str) -> AsyncIterator["Changes"]:
        """Watch one job; look at it after `Changes.arm`, then sleep by `Changes.sleep`."""
        async with self.keys(result_key_prefix + job_id, job_key_prefix + job_id) as changes:
            yield changes

    @asynccontextmanager
    async def keys(self, *keys: str) -> AsyncIterator["Changes"]:
        """Watch any keys, as `job` watches those of a job."""
        changes = Changes(self, keys)
        for key in changes.keys:
            self._events.setdefault(key, set()).add(changes.heard)
        try:
            yield changes
        finally:
            for key in changes.keys:
                self._events[key].discard(changes.heard)
                if not self._events[key]:
                    del self._events[key]

    @property
    def watched(self) -> frozenset[str]:
        """Keys that somebody waits for."""
        return frozenset(self._events)

    async def arm(self, *keys: str) -> bool:
        """Ask to be told of the next write to these keys; return whether the server will."""
        if not self._speaks:
            return False
        try:
            link = await self._channel.link()
            await link.call("EXISTS", *keys)
        except (RedisError, OSError):  # the caller looks by itself, and raises if nobody answers
            return False
        return True

    def close(self) -> None:
        """Close the connection for good; whoever sleeps looks again, and from then on polls."""
        self._speaks = False
        self._channel.close()

    async def _open(self) -> Link:
        link = await Link.open(self._pool, self._heard)
        try:
            await link.call("CLIENT", "TRACKING", "ON")
        except BaseException as error:  # raised again, without an open connection
            if isinstance(error, ResponseError):  # an access list or a proxy forbids it, and will
                self._speaks = False
            link.close()
            raise
        link.lost.add_done_callback(lambda _: self._heard(frozenset()))
        return link

    def _heard(self, keys: frozenset[str]) -> None:
        """Wake who watches these keys, everybody when it may be any."""
        for key in keys or list(self._events):
            for event in self._events.get(key, ()):
                event.set()


class Changes:
    """What is heard of some keys."""

    def __init__(self, watch: Watch, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.heard = asyncio.Event()
        self._watch = watch
        self._armed = False
        self._delay = FIRST_DELAY

    async def arm(self) -> None:
        """Hear of every change from now on; call it before each look."""
        self.heard.clear()
        self._armed = await self._watch.arm(*self.keys)

    async def sleep(self, seconds: float) -> None:
        """Sleep until something may have changed, at most so many seconds."""
        if not self._armed:
            await asyncio.sleep(min(self._delay, seconds))
            self._delay = min(self._delay * 1.5, LAST_DELAY)
            return
        try:
            async with asyncio.timeout(min(SAFETY, seconds)):
                await self.heard.wait()
        except TimeoutError:
            pass  # time to look again, or up
