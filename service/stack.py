"""Everything on one machine: embedded servers where needed, API, maintenance, workers."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from service.commands.worker import release_leases
from service.config import Settings
from service.db import migrate
from service.embedded import EmbeddedServers
from service.errors import ConfigurationError, Unavailable
from service.kit import children
from service.queue import queue_key
from service.runtime import database_url

PROCESSES: Mapping[str, tuple[str, ...]] = {
    "api": ("api",),
    "maintenance": ("worker", "maintenance"),
    "worker": (
        *("worker", "publishing", "webhooks", "media", "analytics", "emails", "users"),
        *("notifications", "rosters", "default"),
    ),
}
START_TIMEOUT = 30
STOP_TIMEOUT = 45
"""Seconds for running jobs to end; a little more than the workers' own wait."""
RESTART_PAUSE = 1.0

log = logging.getLogger(__name__)


def served() -> list[str]:
    """Return the queues that are worked on."""
    return [
        name for command, *queues in PROCESSES.values() if command == "worker" for name in queues
    ]


@dataclass(slots=True)
class Child:
    """A process of ours that is started again when it ends by itself."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    settings: Settings
    process: subprocess.Popen[bytes] | None = None
    started: float = field(default=0.0)
    incarnation: str = field(default="")

    def start(self) -> None:
        """Start the process; it ends with us, also when we are killed."""
        self.started = time.monotonic()
        self.incarnation = secrets.token_hex(8)
        self.process = children.start(
            [sys.executable, "-m", "service.cli", *self.arguments],
            {**self.environment, children.INCARNATION: self.incarnation},
        )

    def restart_if_ended(self) -> None:
        """Start the process again, at most once a second."""
        if self.process is not None and self.process.poll() is not None:
            log.warning("%s ended with %s; starting it again", self.name, self.process.returncode)
            asyncio.run(children.bury(self.process, self._release))
            self.process = None
        if self.process is None and time.monotonic() - self.started > RESTART_PAUSE:
            self.start()

    async def _release(self) -> None:
        """Give back the jobs that a dead worker ran, for others to run at once."""
        command, *queues = self.arguments
        if command == "worker":
            keys = [queue_key(queue) for queue in queues]
            await release_leases(self.settings, keys, self.incarnation)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Wait for the end; kill the process after so many seconds."""
        if self.process is None:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop in time; killing it", self.name)
            asyncio.run(children.bury(self.process, self._release))


class Interrupted(Exception):
    """Somebody wants the stack to stop."""


class Stack:
    """A running installation; leaving the block stops all of it.

    Args:
        settings: as read from the environment.
        log_level: of the processes, if not that of the settings.
    """

    def __init__(self, settings: Settings, *, log_level: str | None = None) -> None:
        self.settings = settings.model_copy(update={"home": settings.home.absolute()})
        self._servers = EmbeddedServers(self.settings.home) if settings.embedded else None
        environment = {
            **os.environ,
            "ALMANAC_HOME": str(self.settings.home),
            "ALMANAC_LOG_LEVEL": log_level or settings.log_level,
        }
        self.children = [
            Child(name, args, environment, self.settings) for name, args in PROCESSES.items()
        ]
        self._interrupted = False

    def interrupt(self) -> None:
        """Ask the stack to stop, from a signal handler; once more: let go of running jobs.

        It only leaves a mark: an exception raised by a handler can get lost on its way.
        """
        if self._interrupted:
            self._tell_children_to_stop()
        self._interrupted = True

    def _heed_interrupt(self) -> None:
        if self._interrupted:
            raise Interrupted

    def start_servers(self) -> None:
        """Start PostgreSQL and Valkey unless both are given by URL."""
        if self._servers is not None:
            self._servers.start()

    def migrate(self) -> str:
        """Bring the schema up to date and return its revision."""
        self._heed_interrupt()
        return asyncio.run(migrate.upgrade(database_url(self.settings)))

    def start_processes(self) -> None:
        """Start API and workers, and wait until the API is ready.

        Raises:
            ConfigurationError: the API's port is taken.
            Unavailable: it did not get ready in time.
            Interrupted: somebody wants to stop.
        """
        self._heed_interrupt()
        _check_port(self.settings)
        for child in self.children:
            child.start()
        url = f"http://{self.settings.host}:{self.settings.port}/readyz"
        deadline = time.monotonic() + START_TIMEOUT
        while not _answers(url):
            self._heed_interrupt()
            api = self.children[0].process
            if time.monotonic() > deadline or api is None or api.poll() is not None:
                raise Unavailable(f"The API did not get ready; look at its output above ({url})")
            time.sleep(0.05)

    def watch(self) -> None:
        """Start ended processes again, until Interrupted."""
        while True:
            self._heed_interrupt()
            for child in self.children:
                child.restart_if_ended()
            time.sleep(0.2)

    def _tell_children_to_stop(self) -> None:
        """Told twice, a worker lets go of its running jobs."""
        for child in self.children:
            child.signal(signal.SIGTERM)

    def stop(self) -> None:
        """Let running jobs end, then stop everything."""
        self._tell_children_to_stop()
        deadline = time.monotonic() + STOP_TIMEOUT
        for child in self.children:
            child.wait(max(0.1, deadline - time.monotonic()))
        if self._servers is not None:
            self._servers.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.stop()


def _check_port(settings: Settings) -> None:
    """Refuse a taken port now: another process that answers there would look like our API."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise ConfigurationError(
                f"The API cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
                "set ALMANAC_PORT to a free port"
            ) from error


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def write_secret(path: Path, secret: str) -> Path:
    """Keep a secret in a file that only we can read, where there is no terminal to show it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    return path
