"""Homes to start servers in."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.embedded import EmbeddedServers
from service.embedded.account import server_account


@pytest.fixture(scope="session")
def initialised() -> Iterator[Path]:
    """One home for all tests, whose servers ran once; its path is short and has a space."""
    with _folder() as folder:
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
    with _folder() as folder:
        yield folder


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="alm ") as name:
        folder = Path(name)
        if server_account().uid is not None:
            # Root without user namespaces: the servers, running as nobody, must get through.
            folder.chmod(0o711)
        yield folder
