"""One pipelined connection on which the server also speaks unasked (RESP3).

redis-py opens it, with TLS, ACL user, database and Sentinel as configured for the pool. From then
on its bytes are read here: a reply costs no task switch and no lock, any number of commands may be
under way, and pushes arrive while nobody asks (`CLIENT TRACKING`: "this key was written").
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import hiredis
from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

_NOTHING = object()
_INVALIDATE = b"invalidate"

Heard = Callable[[frozenset[str]], None]
"""Called with the keys that were written, or with none when all may have been (a flush)."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script by its text and by what the server knows it as."""

    text: str
    sha: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the script of this text."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class Closed(RedisConnectionError):
    """The connection was closed from here, for good."""


class Link(asyncio.Protocol):
    """A connection for `call` and `script`; made by `open`.

    Attributes:
        lost: done as soon as the connection is gone, with the reason as its result.
    """

    def __init__(
        self,
        connection: Connection,
        transport: asyncio.Transport,
        heard: Heard,
        patience: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._transport = transport
        self._heard = heard
        self._patience = patience
        self._reader = hiredis.Reader(notEnoughData=_NOTHING, replyError=ResponseError)
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._owing_since = self._loop.time()
        self._watch: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[Exception] = self._loop.create_future()

    @classmethod
    async def open(
        cls, pool: ConnectionPool, heard: Heard = lambda _: None, *, patience: float = 10
    ) -> Self:
        """Connect as the pool's connections do.

        Args:
            pool: whose settings to use; its own connections are left alone.
            heard: called for each push of `CLIENT TRACKING`.
            patience: seconds the server may take for a reply; then the connection is given up.

        Raises redis-py's errors.
        """
        settings = {
            **pool.connection_kwargs,
            "protocol": 3,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_error": [],
        }
        connection = cast("Connection", pool.connection_class(**settings))
        await connection.connect()  # type: ignore[no-untyped-call] # redis-py
        # redis-py has no public way to hand its socket over; arq pins it below 6.
        writer = connection._writer
        assert writer is not None
        transport = cast("asyncio.Transport", writer.transport)
        link = cls(connection, transport, heard, patience)
        transport.set_protocol(link)
        return link

    def call(self, *command: str | bytes | float) -> "asyncio.Future[Any]":
        """Send a command at once and return its reply to come.

        The reply raises RedisConnectionError when the connection is lost (the command may have been
        done or not), ResponseError when the server refuses.
        """
        packed = hiredis.pack_command(command)  # type: ignore[arg-type] # invariant tuple
        reply: asyncio.Future[Any] = self._loop.create_future()
        if self.lost.done():
            reply.set_exception(_gone(self.lost.result()))
            return reply
        if not self._waiting:
            self._owing_since = self._loop.time()
        self._waiting.append(reply)
        if not self._transport.is_closing():  # else connection_lost comes next
            self._transport.write(packed)
        if self._watch is None:
            self._watch = self._loop.call_later(self._patience, self._check)
        return reply

    async def script(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | bytes | float]
    ) -> Any:
        """Run a script; a server that does not know it (a restart, a flush) is told it."""
        try:
            return await self.call("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self.call("EVAL", script.text, len(keys), *keys, *arguments)

    @property
    def unsent(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self._transport.get_write_buffer_size()

    def close(self, reason: Exception | None = None) -> None:
        """Close the connection; commands under way raise `Closed` or, with a reason, its loss."""
        self._end(reason or Closed("closed"))

    def data_received(self, data: bytes) -> None:
        """Hand replies and pushes on (asyncio.Protocol)."""
        self._owing_since = self._loop.time()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _NOTHING:
                if isinstance(reply, hiredis.PushNotification):
                    self._push(reply)
                else:
                    self._answer(self._waiting.popleft(), reply)
        except hiredis.HiredisError as error:
            self._end(RedisConnectionError(f"no Redis reply: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell everybody who waits (asyncio.Protocol)."""
        self._end(error or RedisConnectionError("closed by the server"))

    def _push(self, push: list[Any]) -> None:
        if push[0] == _INVALIDATE:
            self._heard(frozenset(key.decode(errors="replace") for key in push[1] or ()))

    @staticmethod
    def _answer(waiting: "asyncio.Future[Any]", reply: Any) -> None:
        if waiting.done():  # whoever asked has given up
            return
        if isinstance(reply, ResponseError):
            text = str(reply)
            waiting.set_exception(NoScriptError(text) if text.startswith("NOSCRIPT") else reply)
        else:
            waiting.set_result(reply)

    def _check(self) -> None:
        """Give up a connection that owes a reply for too long."""
        self._watch = None
        if not self._waiting:
            return
        left = self._owing_since + self._patience - self._loop.time()
        if left > 0:
            self._watch = self._loop.call_later(left, self._check)
            return
        self._end(RedisTimeoutError(f"no reply for {self._patience:g} s"))

    def _end(self, reason: Exception) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if not self.lost.done():
            self.lost.set_result(reason)
            self._transport.abort()
            # redis-py would warn that it was left open.
            self._connection._close()  # type: ignore[no-untyped-call] # redis-py
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(_gone(reason))


def _gone(reason: Exception) -> RedisConnectionError:
    kind = Closed if isinstance(reason, Closed) else RedisConnectionError
    error = kind(f"connection lost: {reason}")
    error.__cause__ = reason
    return error
