"""Sockets go into a short private folder where the home's own path is too long for them."""

import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedServers
from service.embedded.home import SOCKET_PATH_BYTES
from service.errors import ConfigurationError

from .helpers import elsewhere, needs_namespaces, sql, valkey


@pytest.fixture
def long_home(home: Path, scratch: Path) -> Iterator[Path]:
    with elsewhere(home, scratch / ("x" * 120)) as place:
        yield place


def check_stand_in(home: Path, parent: Path) -> None:
    with EmbeddedServers(home) as endpoints:
        assert sql(endpoints, "SELECT 1") == [(1,)]
        with valkey(endpoints) as client:
            assert client.ping() is True
        (stand_in,) = parent.glob("almanac-*")
        assert stat.S_IMODE(stand_in.stat().st_mode) == 0o700
        assert (stand_in / ".s.PGSQL.5432").is_socket()
        assert (stand_in / "valkey.sock").is_socket()
    assert not stand_in.exists()


@needs_namespaces
def test_a_long_path_uses_the_runtime_folder(
    long_home: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = scratch / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    check_stand_in(long_home, runtime)


def test_a_long_path_uses_the_temporary_folder(
    long_home: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    check_stand_in(long_home, scratch)


def test_a_comma_is_kept_from_asyncpg(
    home: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with elsewhere(home, scratch / "a,b") as place:
        check_stand_in(place, scratch)


@pytest.mark.parametrize("beyond", [0, 1])
def test_the_limit_is_exact(home: Path, scratch: Path, beyond: int) -> None:
    room = SOCKET_PATH_BYTES + beyond - len(str(scratch)) - len("//run/.s.PGSQL.5432")
    place = scratch / ("é" * (room // 2) + "x" * (room % 2))
    socket = place / "run" / ".s.PGSQL.5432"
    assert len(bytes(socket)) == SOCKET_PATH_BYTES + beyond
    with elsewhere(home, place), EmbeddedServers(place) as endpoints:
        assert socket.exists() == (beyond == 0)
        assert sql(endpoints, "SELECT 1") == [(1,)]


def test_a_folder_that_others_can_enter_is_refused(
    long_home: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else may have made it in the shared temporary folder."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    servers = EmbeddedServers(long_home)
    servers.start()
    (stand_in,) = scratch.glob("almanac-*")
    servers.stop()
    stand_in.mkdir()
    stand_in.chmod(0o777)
    with pytest.raises(ConfigurationError, match="must be a private folder"):
        servers.start()
    assert list(stand_in.iterdir()) == []


def test_no_folder_is_short_enough(long_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(long_home))
    with pytest.raises(ConfigurationError, match="too long for a socket"):
        EmbeddedServers(long_home).start()
