"""The servers end with their supervisor, however it ends; data outlives any death."""

import os
import signal
import sys
from pathlib import Path

import pytest

import service.embedded.process
from service.embedded import EmbeddedServers, running

from .helpers import (
    KEEP,
    SUPERVISE,
    alive,
    eventually,
    processes_in,
    server_pid,
    spawned,
    sql,
    supervisor,
    valkey,
)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_its_supervisor(home: Path, sent: signal.Signals) -> None:
    with supervisor(home) as (process, _):
        pids = processes_in(home)
        assert {server_pid(home, "postgres"), server_pid(home, "valkey")} < set(pids)
        # To the whole group, as a terminal sends Ctrl-C.
        os.killpg(process.pid, sent)
        assert eventually(lambda: not any(alive(pid) for pid in pids))
        assert process.wait() == (130 if sent == signal.SIGINT else -sent)
    # Told to stop, not killed: the kernel sends PostgreSQL SIGINT and Valkey SIGTERM.
    assert "database system is shut down" in (home / "logs" / "postgres.log").read_text()
    assert "ready to exit" in (home / "logs" / "valkey.log").read_text()


def test_a_terminal_cannot_signal_the_servers(home: Path) -> None:
    """They have sessions of their own, so a Ctrl-C reaches them through the supervisor only."""
    with EmbeddedServers(home):
        for name in ("postgres", "valkey"):
            pid = server_pid(home, name)
            assert os.getsid(pid) == os.getpgid(pid) == pid


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_first_start_is_redone(scratch: Path, sent: signal.Signals) -> None:
    home = scratch / "home"
    with spawned([sys.executable, SUPERVISE, str(home)]) as process:
        assert eventually((home / "postgres.new" / "PG_VERSION").exists)
        os.killpg(process.pid, sent)
        process.wait()
        assert not (home / "postgres").exists()
        with EmbeddedServers(home) as endpoints:
            assert sql(endpoints, "SELECT current_database()::text") == [("almanac",)]
            assert not (home / "postgres.new").exists()
    assert processes_in(home) == []


def test_a_start_right_after_a_kill_waits_for_the_old_servers(home: Path) -> None:
    with supervisor(home) as (process, endpoints):
        sql(endpoints, *KEEP)
        with valkey(endpoints) as client:
            client.set("kept", "7")
        old = processes_in(home)
        process.kill()
        with EmbeddedServers(home) as again:
            assert not any(alive(pid) for pid in old)
            assert again.pid == os.getpid() != endpoints.pid
            assert sql(again, "SELECT n FROM kept") == [(7,)]
            with valkey(again) as client:
                assert client.get("kept") == "7"


def test_a_killed_supervisor_is_not_alive_as_a_zombie(home: Path) -> None:
    with supervisor(home) as (process, _):
        process.kill()
        # Nobody has waited for it yet.
        assert eventually(lambda: not alive(process.pid))
        assert Path(f"/proc/{process.pid}").exists()
        assert running(home) is None
        with EmbeddedServers(home):
            pass


def test_data_survives_the_death_of_the_servers(home: Path) -> None:
    """What was acknowledged is there after SIGKILL of both servers, without any clean shutdown."""
    servers = EmbeddedServers(home)
    endpoints = servers.start()
    sql(endpoints, *KEEP)
    with valkey(endpoints) as client:
        for _ in range(1000):
            client.incr("counted")
    for name in ("postgres", "valkey"):
        os.kill(server_pid(home, name), signal.SIGKILL)
    assert eventually(lambda: processes_in(home) == [])
    assert (home / "postgres" / "postmaster.pid").exists()
    assert running(home) is None
    servers.stop()
    with EmbeddedServers(home) as again:
        assert sql(again, "SELECT n FROM kept") == [(7,)]
        with valkey(again) as client:
            assert client.get("counted") == "1000"


def test_a_server_that_does_not_stop_is_killed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.embedded.process, "STOP_SECONDS", 0.2)
    servers = EmbeddedServers(home)
    servers.start()
    pid = server_pid(home, "valkey")
    os.kill(pid, signal.SIGSTOP)
    servers.stop()
    assert not alive(pid)
    assert processes_in(home) == []
