"""A running echo server, emptied before each test."""

from collections.abc import Iterator

import pytest

from tests.servers.echo import Echo


@pytest.fixture(scope="session")
def echo_thread() -> Iterator[Echo]:
    """A running server."""
    with Echo() as server:
        yield server


@pytest.fixture
def echo(echo_thread: Echo) -> Echo:
    """A server that was not asked yet."""
    echo_thread.reset()
    return echo_thread
