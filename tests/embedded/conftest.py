"""Homes to start servers in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedServers
from tests.support import server_folder


@pytest.fixture(scope="session")
def initialised() -> Iterator[Path]:
    """One home for all tests, whose servers ran once; its path is short and has a space."""
    with server_folder() as folder:
        home = folder / "home"
        with EmbeddedServers(home):
            pass
        yield home


@pytest.fixture
def home(initialised: Path) -> Path:
    """The shared home, its servers stopped; their data is what earlier tests left."""
    return initialised


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A private folder with a short path, so that sockets fit whatever the test's name is."""
    with server_folder() as folder:
        yield folder
