"""A Valkey, and workers of either kind; after each test nothing of its jobs may be left."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from service.queue import QueueClient
from tests.compat.bench import JSON, PICKLE, Bench, Codec, opened
from tests.compat.programs import Programs, started
from tests.queue.conftest import client, socket_directory, valkey_socket_url
from tests.queue.leaks import leaked_keys

__all__ = ["client", "socket_directory", "valkey_socket_url"]


@pytest_asyncio.fixture(autouse=True)
async def nothing_is_left(client: QueueClient) -> AsyncIterator[None]:
    """Every test ends without keys of jobs that have ended."""
    yield
    assert await leaked_keys(client) == []


@pytest.fixture(params=["arq", "ours"])
def kind(request: pytest.FixtureRequest) -> str:
    """Whose worker runs the jobs: what both must do is tested on both."""
    return str(request.param)


@pytest.fixture
def codec() -> Codec:
    """How payloads are written; a test of both parametrizes it."""
    return JSON


@pytest_asyncio.fixture
async def bench(
    client: QueueClient, valkey_socket_url: str, kind: str, codec: Codec
) -> AsyncIterator[Bench]:
    """Workers of this kind on an empty server."""
    async with opened(valkey_socket_url, kind, codec) as bench:
        yield bench


@pytest.fixture
def programs(
    client: QueueClient, valkey_socket_url: str, tmp_path: Path, codec: Codec
) -> Iterator[Programs]:
    """Worker processes, on the emptied server."""
    with started(valkey_socket_url, tmp_path, pickled=codec is PICKLE) as programs:
        yield programs
