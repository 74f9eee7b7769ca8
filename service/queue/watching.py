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
        self._link: Link | None = None
        self._opening = asyncio.Lock()
        self._speaks = True
        self._events: dict[str, set[asyncio.Event]] = {}

    @asynccontextmanager
    async def job(self, job_id: str) -> AsyncIterator["Changes"]:
        """Watch one job; look at it after `Changes.arm`, then sleep by `Changes.sleep`."""
        changes = Changes(self, (result_key_prefix + job_id, job_key_prefix + job_id))
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
        try:
            link = await self._opened()
            if link is None:
                return False
            await link.call("EXISTS", *keys)
        except (RedisError, OSError):  # the caller looks by itself, and raises if nobody answers
            return False
        return True

    def close(self) -> None:
        """Close the connection for good; whoever sleeps looks again, and from then on polls."""
        self._speaks = False
        if self._link is not None:
            self._link.close()
            self._link = None

    async def _opened(self) -> Link | None:
        async with self._opening:
            if not self._speaks or (self._link is not None and not self._link.lost.done()):
                return self._link
            link = await Link.open(self._pool, self._heard)
            try:
                await link.call("CLIENT", "TRACKING", "ON")
            except ResponseError:  # an access list or a proxy forbids it, and will again
                self._speaks = False
            except BaseException:  # raised again, without an open connection
                link.close()
                raise
            if not self._speaks:  # or closed while it was opened
                link.close()
                return None
            link.lost.add_done_callback(lambda _: self._heard(frozenset()))
            self._link = link
            return link

    def _heard(self, keys: frozenset[str]) -> None:
        """Wake who watches these keys, everybody when it may be any."""
        for key in keys or list(self._events):
            for event in self._events.get(key, ()):
                event.set()


class Changes:
    """What is heard of one job."""

    def __init__(self, watch: Watch, keys: tuple[str, str]) -> None:
        self.keys = keys
        self.heard = asyncio.Event()
        self._watch = watch
        self._armed = False
        self._delay = FIRST_DELAY

    async def arm(self) -> None:
        """Hear of every change from now on; call it before each look at the job."""
        self.heard.clear()
        self._armed = await self._watch.arm(*self.keys)

    async def sleep(self, seconds: float) -> None:
        """Sleep until the job may have changed, at most so many seconds."""
        if not self._armed:
            await asyncio.sleep(min(self._delay, seconds))
            self._delay = min(self._delay * 1.5, LAST_DELAY)
            return
        try:
            async with asyncio.timeout(min(SAFETY, seconds)):
                await self.heard.wait()
        except TimeoutError:
            pass  # time to look again, or up
