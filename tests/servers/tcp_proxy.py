"""A TCP proxy whose network fails on demand, whatever protocol runs over it."""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
Upstream = Path | tuple[str, int]
"""A unix socket, or host and port."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close sends RST


class Direction(Enum):
    """Which way bytes go."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"


BOTH = tuple(Direction)


@dataclass
class _Way:
    """How one direction behaves now."""

    flowing: asyncio.Event
    delay: float = 0.0
    cut: bool = False


@dataclass
class _Loss:
    """A request whose reply is to be lost."""

    containing: bytes
    after: int


@dataclass(eq=False)
class _Connection:
    """A client, the server, and what is under way between them."""

    streams: dict[Direction, tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    pending: dict[Direction, "asyncio.Queue[tuple[float, bytes]]"] = field(
        default_factory=lambda: {way: asyncio.Queue() for way in Direction}
    )
    torn: bool = False
    """Bytes were swallowed: it can only be reset."""
    reply_left: int | None = None
    """Bytes of the server that still pass before the reset; None: no reply is being lost."""

    def reset(self) -> None:
        for _, writer in self.streams.values():
            endpoint: socket.socket | None = writer.get_extra_info("socket")
            tcp = endpoint is not None and endpoint.family != socket.AF_UNIX
            if endpoint is not None and tcp and endpoint.fileno() != -1:
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()


class TcpProxy:
    """Forwards to a server; `host` and `port` are where to connect instead.

    Faults are set at any time from any thread and hold when the call returns. They stay until
    `heal`, also for connections made later.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._ways = {way: _Way(asyncio.Event()) for way in Direction}
        self._losses: list[_Loss] = []
        self._share = 0.0
        self._random = random.Random(0)
        self._connections: set[_Connection] = set()
        self._reset_rounds = 0
        self._listening: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.host = "127.0.0.1"
        self.port = 0
        self.accepted = 0
        """How many connections were taken."""
        self.resets = 0
        """How many connections were reset by a fault."""

    def delay(self, seconds: float, *ways: Direction) -> None:
        """Hold every byte back so long, in both directions unless one is named."""

        def change() -> None:
            for way in self._named(ways):
                way.delay = seconds

        self._in_loop(change)

    def cut(self, *ways: Direction) -> None:
        """Swallow bytes, as a half-open connection does; both directions are a black hole."""

        def change() -> None:
            for way in self._named(ways):
                way.cut = True

        self._in_loop(change)

    def stall(self, *ways: Direction) -> None:
        """Hold bytes back until `heal` delivers them late, as TCP does over a partition."""

        def change() -> None:
            for way in self._named(ways):
                way.flowing.clear()

        self._in_loop(change)

    def reset_share(self, share: float, seed: int = 0) -> None:
        """Reset the connection at this share (0 to 1) of the server's packets."""
        self._share, self._random = share, random.Random(seed)

    def lose_reply(self, times: int = 1, *, containing: bytes = b"", after: int = 0) -> None:
        """Let the next requests through and reset their connection in the middle of the reply.

        Args:
            times: how many requests.
            containing: only requests with these bytes in them.
            after: bytes of the server's reply that still arrive.
        """
        self._in_loop(lambda: self._losses.extend([_Loss(containing, after)] * times))

    @property
    def replies_to_lose(self) -> int:
        """How many armed losses no request has met yet."""
        return len(self._losses)

    def refuse(self) -> None:
        """Refuse new connections and reset those that stand."""
        self._in_loop(self._close_server)
        self.reset()

    def reset(self) -> None:
        """Reset all connections once."""

        def change() -> None:
            self._reset_rounds += 1
            for connection in list(self._connections):
                self._reset(connection)

        self._in_loop(change)

    def heal(self) -> None:
        """End all faults; connections whose bytes were swallowed are reset."""
        self._run(self._heal())

    def _named(self, ways: tuple[Direction, ...]) -> list[_Way]:
        return [self._ways[way] for way in ways or BOTH]

    def _reset(self, connection: _Connection) -> None:
        self.resets += 1
        connection.reset()

    def _clear(self) -> None:
        self._share = 0.0
        self._losses.clear()
        for way in self._ways.values():
            way.delay, way.cut = 0.0, False
            way.flowing.set()

    async def _heal(self) -> None:
        self._clear()
        for connection in list(self._connections):
            if connection.torn:
                self._reset(connection)
        if self._listening is None:
            await self._listen()

    async def _listen(self) -> None:
        listening = socket.create_server((self.host, self.port), backlog=512)
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        self._listening = listening
        self._start(self._accept(listening))

    async def _accept(self, listening: socket.socket) -> None:
        # asyncio's own server forgets connections that are being accepted while it closes.
        while self._listening is listening:
            accepted, _ = await self._loop.sock_accept(listening)
            self.accepted += 1
            self._start(self._serve(accepted))

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _close_server(self) -> None:
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    async def _serve(self, accepted: socket.socket) -> None:
        rounds = self._reset_rounds
        reader, writer = await asyncio.open_connection(sock=accepted)
        try:
            if isinstance(self._upstream, Path):
                server = await asyncio.open_unix_connection(self._upstream)
            else:
                server = await asyncio.open_connection(*self._upstream)
        except (OSError, asyncio.CancelledError):  # the server is away, or we stop
            writer.transport.abort()
            return
        connection = _Connection(
            {Direction.TO_SERVER: (reader, server[1]), Direction.TO_CLIENT: (server[0], writer)}
        )
        if self._listening is None or rounds != self._reset_rounds:
            self._reset(connection)  # it was on its way when all were reset
            return
        self._connections.add(connection)
        try:
            await self._forward(connection)
        finally:
            self._connections.discard(connection)
            for _, open_writer in connection.streams.values():
                open_writer.close()

    async def _forward(self, connection: _Connection) -> None:
        readers = [asyncio.create_task(self._read(connection, way)) for way in Direction]
        writers = [asyncio.create_task(self._write(connection, way)) for way in Direction]
        # A reader that ends has put its end in line; what is before it must still arrive.
        await asyncio.wait(writers, return_when=asyncio.FIRST_COMPLETED)
        for task in (*readers, *writers):
            task.cancel()
        ended = await asyncio.gather(*readers, *writers, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception) and not isinstance(error, OSError):
                raise error

    async def _read(self, connection: _Connection, way: Direction) -> None:
        reader, _ = connection.streams[way]
        data = b"first"
        while data:
            try:
                data = await reader.read(65_536)
            except ConnectionError:
                data = b""
            if way is Direction.TO_SERVER:
                self._arm(connection, data)
            due = self._loop.time() + self._ways[way].delay
            connection.pending[way].put_nowait((due, data))

    async def _write(self, connection: _Connection, direction: Direction) -> None:
        way, (_, writer) = self._ways[direction], connection.streams[direction]
        while True:
            due, data = await connection.pending[direction].get()
            await asyncio.sleep(max(0, due - self._loop.time()))
            await way.flowing.wait()
            if way.cut:
                connection.torn = True
                continue
            if not data:
                return
            if direction is Direction.TO_CLIENT and self._breaks(connection, data, writer):
                return
            writer.write(data)
            await writer.drain()

    def _arm(self, connection: _Connection, request: bytes) -> None:
        """Let this connection lose the reply when the request is one of those."""
        for loss in self._losses:
            if request and loss.containing in request and connection.reply_left is None:
                self._losses.remove(loss)
                connection.reply_left = loss.after
                return

    def _breaks(self, connection: _Connection, reply: bytes, writer: asyncio.StreamWriter) -> bool:
        if connection.reply_left is not None:
            if len(reply) <= connection.reply_left:
                connection.reply_left -= len(reply)
                return False
            writer.write(reply[: connection.reply_left])
        elif self._random.random() >= self._share:
            return False
        # What was written is in the kernel's buffer: small writes are sent at once.
        self._reset(connection)
        return True

    def _in_loop(self, change: Callable[[], None]) -> None:
        async def run() -> None:
            change()

        self._run(run())

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _stop(self) -> None:
        self._clear()
        self._close_server()
        for connection in list(self._connections):
            connection.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # aborted transports close in a later turn of the loop

    def __enter__(self) -> Self:
        self._thread.start()
        self.heal()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
