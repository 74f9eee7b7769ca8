"""A real Valkey for the engine's tests; no test may leave keys of jobs that have ended."""

from collections.abc import AsyncIterator

import pytest_asyncio

from service.queue import QueueClient
from tests.queue.conftest import client as client  # fixtures of the queue's own tests
from tests.queue.conftest import valkey_socket_url as valkey_socket_url
from tests.queue.leaks import leaked_keys


@pytest_asyncio.fixture(autouse=True)
async def nothing_leaks(client: QueueClient) -> AsyncIterator[None]:
    """Whatever became of the jobs, what belonged to them is gone or theirs."""
    yield
    assert await leaked_keys(client) == []
