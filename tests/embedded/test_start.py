"""What a start makes, what the servers are set to, and what a restart keeps."""

import json
import os
import stat
import threading
import time
from pathlib import Path

import pytest
from redis.asyncio import ConnectionPool, Redis

from service.embedded import EmbeddedServers, Endpoints
from service.embedded.account import server_account
from service.errors import AlmanacError

from .helpers import KEEP, needs_namespaces, processes_in, run, server_pid, sql, valkey


async def ping(url: str) -> bool:
    pool = ConnectionPool.from_url(url)
    async with Redis(connection_pool=pool) as client:
        answer: bool = await client.ping()
    await pool.disconnect()
    return answer


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_first_start_makes_the_database_in_a_private_home(scratch: Path) -> None:
    home = scratch / "not yet" / "there"
    with EmbeddedServers(home) as endpoints:
        assert sql(endpoints, "SELECT current_database()::text") == [("almanac",)]
        assert endpoints.pid == os.getpid()
        # Where the servers run as nobody, those have to pass through the home to their folders.
        assert mode(home) == (0o700 if server_account().uid is None else 0o711)
        for name in ("postgres", "valkey", "logs", "run"):
            assert mode(home / name) == 0o700
        assert mode(home / "endpoints.json") == 0o600
        assert mode(home / "run" / "valkey.sock") == 0o600
        assert not (home / "postgres.new").exists()


def test_both_urls_work_with_a_space_in_the_path(home: Path) -> None:
    """asyncpg through SQLAlchemy, and redis.asyncio, which arq uses, decode the path."""
    assert " " in str(home)
    with EmbeddedServers(home) as endpoints:
        assert endpoints.database_url.startswith("postgresql+asyncpg://postgres@/almanac?host=%2F")
        assert sql(endpoints, "SELECT 1") == [(1,)]
        assert run(ping(endpoints.redis_url)) is True


@needs_namespaces
def test_modes_of_folders_that_were_there_stay(scratch: Path) -> None:
    parent = scratch / "private"
    parent.mkdir(mode=0o700)
    home = parent / "open"
    home.mkdir()
    home.chmod(0o755)
    with EmbeddedServers(home) as endpoints:
        assert sql(endpoints, "SELECT 1") == [(1,)]
    assert (mode(parent), mode(home)) == (0o700, 0o755)


def test_postgres_is_durable_and_deaf_to_the_network(home: Path) -> None:
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "shared_buffers": "64MB",
        "max_connections": "200",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
    }
    with EmbeddedServers(home) as endpoints:
        for name, value in expected.items():
            assert sql(endpoints, f"SHOW {name}") == [(value,)], name
        assert sql(
            endpoints,
            "SELECT datlocprovider::text, datlocale, upper('é') FROM pg_database"
            " WHERE datname = 'almanac'",
        ) == [("b", "C.UTF-8", "É")]


def test_valkey_appends_to_a_file_and_evicts_nothing(home: Path) -> None:
    expected = {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "dir": str(home / "valkey"),
    }
    with EmbeddedServers(home) as endpoints, valkey(endpoints) as client:
        for name, value in expected.items():
            assert client.config_get(name) == {name: value}


def test_servers_get_no_secrets_and_no_foreign_settings(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGPORT would move PostgreSQL's socket; SECRET_KEY is none of the servers' business."""
    monkeypatch.setenv("SECRET_KEY", "keep-me")
    monkeypatch.setenv("PGPORT", "6000")
    with EmbeddedServers(home) as endpoints:
        assert sql(endpoints, "SHOW port") == [("5432",)]
        for name in ("postgres", "valkey"):
            environment = Path(f"/proc/{server_pid(home, name)}/environ").read_bytes()
            assert b"keep-me" not in environment


def test_restart_keeps_the_data_of_both(home: Path) -> None:
    servers = EmbeddedServers(home)
    endpoints = servers.start()
    sql(endpoints, *KEEP)
    with valkey(endpoints) as client:
        client.set("kept", "7")
    servers.stop()
    assert processes_in(home) == []
    began = time.monotonic()
    again = servers.start()
    try:
        assert time.monotonic() - began < 10
        assert again == endpoints
        assert sql(again, "SELECT n FROM kept") == [(7,)]
        with valkey(again) as client:
            assert client.get("kept") == "7"
    finally:
        servers.stop()


def test_stop_is_clean_and_can_be_repeated(home: Path) -> None:
    servers = EmbeddedServers(home)
    servers.start()
    servers.stop()
    servers.stop()
    assert "database system is shut down" in (home / "logs" / "postgres.log").read_text()
    assert "Calling fsync() on the AOF file" in (home / "logs" / "valkey.log").read_text()
    assert not (home / "endpoints.json").exists()
    assert list((home / "run").iterdir()) == []


def test_the_log_of_the_run_before_is_kept(home: Path) -> None:
    for _ in range(2):
        with EmbeddedServers(home):
            pass
    logs = sorted(path.name for path in (home / "logs").iterdir())
    assert logs == ["postgres.log", "postgres.log.1", "valkey.log", "valkey.log.1"]


def test_a_thread_may_not_start_servers(scratch: Path) -> None:
    """Linux would stop them when that thread ends."""
    raised: list[BaseException] = []

    def start() -> None:
        try:
            EmbeddedServers(scratch / "home").start()
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert [str(error) for error in raised] == [
        "EmbeddedServers.start must be called from the main thread"
    ]
    assert not (scratch / "home").exists()


def test_a_failed_start_shows_the_log_and_leaves_nothing(home: Path, scratch: Path) -> None:
    broken = scratch / "broken-server"
    broken.write_text("#!/bin/sh\necho no such luck\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(AlmanacError, match="Valkey ended with code 3") as caught:
        EmbeddedServers(home, valkey_program=broken).start()
    assert str(caught.value).endswith("no such luck")
    assert str(home / "logs" / "valkey.log") in str(caught.value)
    assert processes_in(home) == []
    with EmbeddedServers(home) as endpoints:
        assert sql(endpoints, "SELECT 1") == [(1,)]


def test_endpoints_file_says_what_start_returned(home: Path) -> None:
    with EmbeddedServers(home) as endpoints:
        record = json.loads((home / "endpoints.json").read_text())
        assert Endpoints(**record["endpoints"]) == endpoints
