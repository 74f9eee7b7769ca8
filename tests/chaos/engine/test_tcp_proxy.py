"""The proxy's faults, seen by a client of a server that answers each line in capitals."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.servers.tcp_proxy import Direction, TcpProxy

pytestmark = pytest.mark.asyncio
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Upper:
    """The server; `lines` is what arrived."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer line by line."""
        with contextlib.suppress(ConnectionError):  # resets are what the tests provoke
            while line := await reader.readline():
                self.lines.append(line)
                writer.write(line.upper())
        writer.close()


@pytest_asyncio.fixture
async def upper() -> AsyncIterator[tuple[Upper, int]]:
    """The server and its port."""
    upper = Upper()
    server = await asyncio.start_server(upper.serve, "127.0.0.1", 0)
    yield upper, server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
def proxy(upper: tuple[Upper, int]) -> Iterator[TcpProxy]:
    """A proxy before the server, without faults."""
    with TcpProxy(("127.0.0.1", upper[1])) as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def connected(proxy: TcpProxy) -> AsyncIterator[Streams]:
    """A connection through the proxy."""
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    yield reader, writer
    writer.close()


async def ask(streams: Streams, text: bytes, patience: float = 5) -> bytes:
    """Send a line and return what comes back; b"" for an end."""
    reader, writer = streams
    writer.write(text + b"\n")
    return await asyncio.wait_for(reader.readline(), patience)


async def test_without_faults_it_forwards(proxy: TcpProxy) -> None:
    async with connected(proxy) as streams:
        assert await ask(streams, b"a") == b"A\n"
        assert await ask(streams, b"b" * 60_000) == b"B" * 60_000 + b"\n"
    assert (proxy.accepted, proxy.resets) == (1, 0)


async def test_delay_holds_a_reply_back_without_slowing_the_next(proxy: TcpProxy) -> None:
    async with connected(proxy) as (reader, writer):
        proxy.delay(0.1)
        begun = time.monotonic()
        writer.write(b"a\n")
        await asyncio.sleep(0.05)
        writer.write(b"b\n")
        assert [await reader.readline(), await reader.readline()] == [b"A\n", b"B\n"]
        assert 0.25 <= time.monotonic() - begun < 0.4


async def test_cut_swallows_and_heals_with_a_reset(
    proxy: TcpProxy, upper: tuple[Upper, int]
) -> None:
    async with connected(proxy) as streams:
        proxy.cut(Direction.TO_CLIENT)
        with pytest.raises(TimeoutError):
            await ask(streams, b"a", 0.1)
        assert upper[0].lines == [b"a\n"]
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            await streams[0].readline()
    async with connected(proxy) as streams:
        assert await ask(streams, b"b") == b"B\n"


async def test_stall_delivers_late(proxy: TcpProxy, upper: tuple[Upper, int]) -> None:
    async with connected(proxy) as streams:
        proxy.stall()
        with pytest.raises(TimeoutError):
            await ask(streams, b"a", 0.1)
        assert upper[0].lines == []
        proxy.heal()
        assert await streams[0].readline() == b"A\n"


async def test_refuse_and_heal_keep_the_port(proxy: TcpProxy) -> None:
    async with connected(proxy) as streams:
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            await streams[0].readline()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(proxy.host, proxy.port)
    proxy.heal()
    async with connected(proxy) as streams:
        assert await ask(streams, b"a") == b"A\n"


@pytest.mark.parametrize("after", [0, 2])
async def test_a_reply_is_lost_after_the_server_has_acted(
    proxy: TcpProxy, upper: tuple[Upper, int], after: int
) -> None:
    proxy.lose_reply(containing=b"second", after=after)
    async with connected(proxy) as streams:
        assert await ask(streams, b"first") == b"FIRST\n"
        assert proxy.replies_to_lose == 1
        streams[1].write(b"second\n")
        with pytest.raises(ConnectionResetError):
            await streams[0].readexactly(after + 1)
    assert upper[0].lines == [b"first\n", b"second\n"]
    assert (proxy.replies_to_lose, proxy.resets) == (0, 1)


async def test_a_share_of_connections_is_reset(proxy: TcpProxy) -> None:
    proxy.reset_share(0.2)
    outcomes = []
    for _ in range(100):
        async with connected(proxy) as streams:
            try:
                outcomes.append(await ask(streams, b"a"))
            except ConnectionResetError:
                outcomes.append(b"reset")
    assert outcomes.count(b"A\n") + outcomes.count(b"reset") == 100
    assert outcomes.count(b"reset") == proxy.resets
    assert 10 <= proxy.resets <= 30


async def test_a_server_that_is_away_ends_the_connection() -> None:
    with TcpProxy(("127.0.0.1", 1)) as proxy:
        async with connected(proxy) as (reader, _):
            assert await reader.read() == b""
