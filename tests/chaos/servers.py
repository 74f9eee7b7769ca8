"""PostgreSQL and Valkey of one home, each of which a test may stop and start alone."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
import pytest_asyncio

from service.config import Settings
from service.db import migrate
from service.embedded import EmbeddedServers, Endpoints, postgres, valkey
from service.embedded.account import server_account
from service.embedded.binaries import postgres_folder, valkey_server
from service.embedded.process import Launcher
from tests.embedded.helpers import alive, eventually, server_pid
from tests.support import settings_for

STOP_POSTGRES = signal.SIGINT


class Servers:
    """Started by `EmbeddedServers`; what is stopped here is started again with its own command."""

    def __init__(self, home: Path, endpoints: Endpoints, sockets: Path) -> None:
        self.endpoints = endpoints
        self._home = home
        self._sockets = sockets
        self._pids = {name: server_pid(home, name) for name in ("postgres", "valkey")}
        self._started: list[subprocess.Popen[bytes]] = []

    def stop(self, name: str, sent: signal.Signals) -> None:
        """Signal a server and wait for its end."""
        os.kill(self._pids[name], sent)
        assert eventually(lambda: not alive(self._pids[name])), f"{name} did not stop"

    def start_postgres(self) -> None:
        """Start PostgreSQL on its data."""
        programs = postgres_folder()
        command = postgres.command(programs, self._home / "postgres", self._sockets)
        self._start("postgres", command, STOP_POSTGRES, lambda: postgres.answers(self._sockets))

    def start_valkey(self) -> None:
        """Start Valkey on its append-only file."""
        command = valkey.command(valkey_server(), self._home / "valkey", self._sockets)
        self._start("valkey", command, signal.SIGTERM, lambda: valkey.answers(self._sockets))

    def _start(
        self, name: str, command: list[str], death: signal.Signals, ready: Callable[[], bool]
    ) -> None:
        lock = os.open(self._home / f"{name}.lock", os.O_RDWR)
        launcher = Launcher(name, server_account(), self._home / "logs" / f"{name}.log", lock)
        process = launcher.launch(command, death)
        os.close(lock)
        self._started.append(process)
        self._pids[name] = process.pid
        launcher.wait_ready(process, ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.kill()
            process.wait()


@contextmanager
def restartable(home: Path) -> Iterator[Servers]:
    """Run both servers of a home."""
    with EmbeddedServers(home) as endpoints:
        sockets = Path(endpoints.redis_url.removeprefix("unix://").partition("?")[0]).parent
        with Servers(home, endpoints, sockets) as servers:
            yield servers


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[Servers]:
    """Servers of one test alone, because it breaks them."""
    with restartable(tmp_path / "home") as servers:
        yield servers


@pytest_asyncio.fixture
async def settings(own_servers: Servers, tmp_path: Path) -> Settings:
    """In place of the settings that lead to the suite's servers."""
    endpoints = own_servers.endpoints
    await migrate.upgrade(endpoints.database_url)
    return settings_for(endpoints.database_url, endpoints.redis_url, tmp_path)
