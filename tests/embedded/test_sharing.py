"""One supervisor per home, found by everybody else."""

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest

from service.embedded import EmbeddedServers, HomeInUse, running
from service.embedded.lock import HomeLock

from .helpers import eventually, server_pid, sql, supervisor


def test_a_second_supervisor_is_told_who_is_there(home: Path) -> None:
    with supervisor(home) as (process, endpoints):
        servers = EmbeddedServers(home)
        with pytest.raises(HomeInUse) as caught:
            servers.start()
        servers.stop()
        message = str(caught.value)
        assert caught.value.slug == "home-in-use"
        assert f"process {process.pid} (" in message
        assert "supervise.py" in message
        assert re.search(r"since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", message)
        assert "ALMANAC_HOME" in message
        assert sql(endpoints, "SELECT 1") == [(1,)]
        assert running(home) == endpoints


def test_the_same_process_may_not_start_twice(home: Path) -> None:
    servers = EmbeddedServers(home)
    with servers as endpoints:
        for second in (servers, EmbeddedServers(home)):
            with pytest.raises(HomeInUse, match=f"process {os.getpid()} "):
                second.start()
        assert sql(endpoints, "SELECT 1") == [(1,)]


def test_others_find_running_servers(home: Path) -> None:
    assert running(home) is None
    with supervisor(home) as (process, endpoints):
        assert running(home) == endpoints
        assert endpoints.pid == process.pid
    assert running(home) is None


def test_there_may_be_no_home_at_all(scratch: Path) -> None:
    assert running(scratch / "nothing") is None
    assert list(scratch.iterdir()) == []


def test_a_file_of_an_earlier_supervisor_is_not_believed(home: Path) -> None:
    """Another process holds the home, but has not written where its servers answer."""
    with EmbeddedServers(home) as endpoints:
        record = json.loads((home / "endpoints.json").read_text())
        assert running(home) == endpoints
        record["supervisor"]["since"] = "2020-01-01T00:00:00+00:00"
        (home / "endpoints.json").write_text(json.dumps(record))
        assert running(home) is None


def test_a_supervisor_without_endpoints_is_still_starting(home: Path) -> None:
    lock = HomeLock(home / "supervisor.lock")
    holder = lock.acquire()
    stale = {"supervisor": dataclasses.asdict(holder), "sockets": str(home), "endpoints": {}}
    try:
        assert running(home) is None
        (home / "endpoints.json").write_text(json.dumps(stale))
        assert running(home) is None
    finally:
        lock.release()


def test_servers_that_died_are_not_running(home: Path) -> None:
    with EmbeddedServers(home) as endpoints:
        assert running(home) == endpoints
        os.kill(server_pid(home, "valkey"), 9)
        assert eventually(lambda: running(home) is None)
