"""Scripts that may be repeated, sent over one connection through every loss of it."""

import asyncio
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import DefaultParser
from redis.exceptions import (
    AuthenticationError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.queue.channel import Channel
from service.queue.link import Closed, Link, Script

MOST_UNDER_WAY = 32
"""Calls that are sent before the first of them is answered."""
_MOST_UNSENT = 1 << 20
"""Bytes that may wait for the socket before another call is packed."""
_A_DAY = 86_400.0
"""Patience in seconds where the pool sets no `socket_timeout`."""


class Command(NamedTuple):
    """One call of a script that has the same effect when it is repeated."""

    script: Script
    arguments: list[Any]
    """The number of keys, the keys and the rest."""
    positions: Sequence[int]
    """Which entries of the caller it writes."""


Heard = Callable[[Command, Any], None]


class Pipeline:
    """Runs commands over one connection per event loop, in addition to those of the pool.

    Args:
        pool: whose settings the connection has, `socket_timeout` and retries included.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._channel = Channel(partial(_open, pool))
        # Whoever drops a client and closes its pool leaves no connection behind.
        weakref.finalize(self, self._channel.close).atexit = False

    async def run(self, commands: Sequence[Command], heard: Heard) -> None:
        """Send commands, at most `MOST_UNDER_WAY` ahead of the answers.

        When the connection is lost, those without an answer are sent again, as often as the pool's
        connections would; a wrong password ends that at once.

        Args:
            commands: sent in this order.
            heard: called with each command and its answer, in the same order.

        Raises redis-py's errors; then some of the commands may have been run.
        """
        left = deque(commands)
        if not left:
            return
        try:
            await self._attempt(left, heard)
        except RedisError as error:
            await self._persist(left, heard, error)

    def close(self) -> None:
        """Close the connections; commands under way raise ConnectionError."""
        self._channel.close()

    async def _attempt(self, left: deque[Command], heard: Heard) -> None:
        link = await self._channel.link()
        try:
            await _send(link, left, heard)
        except ResponseError as error:
            known = DefaultParser.parse_error(str(error))  # type: ignore[no-untyped-call] # redis-py
            if isinstance(known, ReadOnlyError):  # a failover: the master is another now
                link.close(known)
                raise RedisConnectionError(str(error)) from known
            raise known from None
        except RedisConnectionError as error:
            if isinstance(error.__cause__, RedisTimeoutError):
                raise error.__cause__ from None
            raise

    async def _persist(self, left: deque[Command], heard: Heard, error: RedisError) -> None:
        """Go on after a failed attempt as a connection of the pool would."""
        settings: Any = self._pool.connection_class(**self._pool.connection_kwargs)
        failed = [error]

        async def again() -> None:
            if failed:
                raise failed.pop()
            await self._attempt(left, heard)

        async def look_at(error: RedisError) -> None:
            # On a socket file redis-py wraps a refused password in a lost connection.
            hopeless = AuthenticationError in (type(error), type(error.__cause__))
            retried = isinstance(error, tuple(settings.retry_on_error))
            if hopeless or isinstance(error, Closed) or not retried:
                raise error

        await settings.retry.call_with_retry(again, look_at)


async def _open(pool: ConnectionPool) -> Link:
    patience = pool.connection_kwargs.get("socket_timeout")
    return await Link.open(pool, patience=_A_DAY if patience is None else patience)


async def _send(link: Link, left: deque[Command], heard: Heard) -> None:
    """Send what is left over this link; what is answered leaves."""
    under_way: deque[asyncio.Future[Any]] = deque()

    async def take() -> None:
        try:
            answer = await under_way.popleft()
        except NoScriptError:  # a restarted server or a flushed script cache
            answer = await link.call("EVAL", left[0].script.text, *left[0].arguments)
        heard(left.popleft(), answer)

    try:
        for command in tuple(left):
            while len(under_way) >= MOST_UNDER_WAY or (under_way and link.unsent > _MOST_UNSENT):
                await take()
            under_way.append(link.call("EVALSHA", command.script.sha, *command.arguments))
        while under_way:
            await take()
    finally:
        for reply in under_way:
            if not reply.cancel():
                reply.exception()  # looked at, or asyncio complains
