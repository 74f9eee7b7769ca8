"""A real Valkey for these tests, on unix sockets of its own."""

import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from service.embedded.binaries import valkey_server
from service.kit.process import dying_with_us
from service.queue import QueueClient, connect
from service.queue.codec import deserialize, serialize
from tests.queue.examples import echo
from tests.servers.tcp_proxy import TcpProxy

StartValkey = Callable[..., str]


@contextmanager
def running_valkey(socket_path: Path, *options: str) -> Iterator[str]:
    """Run a server on `socket_path` and yield its URL."""
    command = [str(valkey_server(None)), "--port", "0", "--save", ""]
    command += ["--dir", str(socket_path.parent), "--unixsocket", str(socket_path), *options]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        preexec_fn=dying_with_us(signal.SIGKILL),  # noqa: PLW1509 - system calls only
    )
    try:
        _await_listening(socket_path, process)
        yield f"unix://{quote(str(socket_path))}"
    finally:
        process.kill()
        process.wait()


def _await_listening(socket_path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    with socket.socket(socket.AF_UNIX) as probe:
        while probe.connect_ex(str(socket_path)):
            assert process.poll() is None, f"valkey-server ended with {process.returncode}"
            assert time.monotonic() < deadline, "valkey-server does not listen after 10 s"
            time.sleep(0.01)


@pytest.fixture(scope="session")
def valkey_socket_url() -> Iterator[str]:
    """The server that all tests share."""
    with (
        tempfile.TemporaryDirectory(prefix="valkey") as directory,
        running_valkey(Path(directory, "s")) as url,
    ):
        yield url


@pytest.fixture
def socket_directory() -> Iterator[Path]:
    """A directory whose path is short enough for a socket's (about 100 bytes)."""
    with tempfile.TemporaryDirectory(prefix="valkey") as directory:
        yield Path(directory)


@pytest_asyncio.fixture
async def client(valkey_socket_url: str) -> AsyncIterator[QueueClient]:
    """Our client on an empty server."""
    client = connect(valkey_socket_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def stock(client: QueueClient, valkey_socket_url: str) -> AsyncIterator[ArqRedis]:
    """arq's own client with nothing of ours but the codec."""
    pool = ConnectionPool.from_url(valkey_socket_url)
    stock = ArqRedis(pool, job_serializer=serialize, job_deserializer=deserialize)
    yield stock
    await stock.aclose()
    await pool.aclose()


@pytest.fixture
def proxy(valkey_socket_url: str) -> Iterator[TcpProxy]:
    """A network in front of the server."""
    with TcpProxy(Path(valkey_socket_url.removeprefix("unix://"))) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def remote(client: QueueClient, proxy: TcpProxy) -> AsyncIterator[QueueClient]:
    """A client behind the proxy that has sent a job; that job is gone."""
    async with connect(f"redis://{proxy.host}:{proxy.port}") as remote:
        await remote.enqueue(echo(number=1))
        await client.flushdb()
        yield remote
