"""A start copes with what a killed one left, and stops servers that outlived their supervisor."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedServers, postgres
from service.embedded.account import hand_over, server_account
from service.embedded.binaries import postgres_folder, valkey_server
from service.embedded.process import Launcher, claimed
from service.embedded.servers import STOP_POSTGRES
from service.errors import ConfigurationError, Unavailable

from .helpers import KEEP, alive, eventually, processes_in, server_pid, sql, supervisor, valkey


@pytest.fixture
def stranger() -> Iterator[int]:
    """The id of a process that has nothing to do with the servers."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


def test_a_reused_pid_does_not_prevent_a_start(home: Path, stranger: int) -> None:
    """PostgreSQL alone would refuse: it takes any process of its user for the old server."""
    lines = [str(stranger), str(home / "postgres"), "0", "5432", str(home / "run"), "", "", "ready"]
    (home / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    for name in (".s.PGSQL.5432", ".s.PGSQL.5432.lock", "valkey.sock"):
        (home / "run" / name).unlink(missing_ok=True)
        (home / "run" / name).write_text(f"{stranger}\n")
    (home / "endpoints.json").write_text("{}")
    with EmbeddedServers(home) as endpoints:
        assert sql(endpoints, "SELECT 1") == [(1,)]
    assert alive(stranger)


@pytest.mark.parametrize("content", ["", "half"])
def test_a_half_written_pid_file_does_not_prevent_a_start(home: Path, content: str) -> None:
    (home / "postgres" / "postmaster.pid").write_text(content)
    with EmbeddedServers(home) as endpoints:
        assert sql(endpoints, "SELECT 1") == [(1,)]


def test_a_server_started_by_hand_is_left_alone(home: Path, scratch: Path) -> None:
    """Two servers on one data folder would destroy it."""
    programs, account = postgres_folder(), server_account()
    sockets = scratch / "hand"
    sockets.mkdir(mode=0o700)
    hand_over(sockets, account)
    with claimed(scratch / "hand.lock", STOP_POSTGRES) as lock:
        launcher = Launcher("by hand", account, scratch / "hand.log", lock)
        command = postgres.command(programs, home / "postgres", sockets)
        process = launcher.launch(command, STOP_POSTGRES)
    try:
        launcher.wait_ready(process, lambda: postgres.answers(sockets))
        with pytest.raises(Unavailable, match=r"postmaster\.pid.* already exists"):
            EmbeddedServers(home).start()
        assert postgres.answers(sockets)
    finally:
        process.send_signal(STOP_POSTGRES)
        process.wait()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (util-linux)")
def test_orphans_of_a_system_without_prctl_are_stopped(home: Path, scratch: Path) -> None:
    """The wrapped servers are not told of their supervisor's death, as on macOS."""
    programs = scratch / "bin"
    programs.mkdir()
    (programs / "initdb").symlink_to(postgres_folder() / "initdb")
    for name, real in (("postgres", postgres_folder() / "postgres"), ("valkey", valkey_server())):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec setpriv --pdeathsig clear "{real}" "$@"\n')
        script.chmod(0o755)
    wrapped = ("--postgres-bin", str(programs), "--valkey", str(programs / "valkey"))
    with supervisor(home, *wrapped) as (process, endpoints):
        sql(endpoints, *KEEP)
        orphans = [server_pid(home, name) for name in ("postgres", "valkey")]
        process.kill()
        process.wait()
        assert not eventually(lambda: not all(alive(pid) for pid in orphans), seconds=0.5)
        with EmbeddedServers(home) as again:
            assert not any(alive(pid) for pid in orphans)
            assert sql(again, "SELECT n FROM kept") == [(7,)]
            with valkey(again) as client:
                assert client.ping() is True
    assert processes_in(home) == []


def test_data_of_another_major_version_is_refused(home: Path) -> None:
    version = home / "postgres" / "PG_VERSION"
    version.write_text("17\n")
    try:
        with pytest.raises(ConfigurationError) as caught:
            EmbeddedServers(home).start()
        assert version.read_text() == "17\n"
    finally:
        version.write_text("18\n")
    message = str(caught.value)
    assert f"{home / 'postgres'} was made by PostgreSQL 17" in message
    assert f"{postgres_folder()} is PostgreSQL 18" in message
    assert processes_in(home) == []
    assert list((home / "run").iterdir()) == []


@pytest.mark.skipif(
    not Path("/usr/lib/postgresql/15/bin/initdb").exists(), reason="needs Debian's postgresql-15"
)
def test_the_oldest_supported_postgres_works(scratch: Path) -> None:
    programs = Path("/usr/lib/postgresql/15/bin")
    with EmbeddedServers(scratch / "home", postgres_bin=programs) as endpoints:
        assert sql(endpoints, "SHOW server_version_num") > [("150000",)]
        assert sql(endpoints, "SELECT upper('é')") == [("É",)]
