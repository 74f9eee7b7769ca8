"""Homes to start servers in."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedServers

from .helpers import sql, valkey


@pytest.fixture(scope="session")
def initialised() -> Iterator[Path]:
    """One home for all tests, whose servers ran once; its path is short and has a space."""
    with tempfile.TemporaryDirectory(prefix="alm ") as folder:
        home = Path(folder) / "home"
        with EmbeddedServers(home):
            pass
        yield home


@pytest.fixture
def home(initialised: Path) -> Iterator[Path]:
    """The shared home with stopped servers, emptied of what a test has put into them."""
    yield initialised
    with EmbeddedServers(initialised) as endpoints:
        sql(endpoints, "DROP TABLE IF EXISTS kept")
        with valkey(endpoints) as client:
            client.flushall()


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A private folder with a short path, so that sockets fit whatever the test's name is."""
    with tempfile.TemporaryDirectory(prefix="alm ") as folder:
        yield Path(folder)
