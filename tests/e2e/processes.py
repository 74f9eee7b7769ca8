"""Almanac's commands as processes of their own, each with its output in a file."""

import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from service.config import Settings
from tests.embedded.helpers import eventually, processes_in

ALMANAC = (sys.executable, "-m", "service.cli")
OURS = (
    *("ALMANAC_", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SMTP_URL"),
    *("PUBLISHING_", "MAINTENANCE_", "WEBHOOKS_", "ANALYTICS_", "MEDIA_"),
)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Running:
    """A process and what it has printed."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        """Everything so far, of both streams."""
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Wait until the process has printed this."""
        eventually(lambda: text in self.output or self.process.poll() is not None, seconds)
        assert text in self.output, f"no {text!r} in:\n{self.output}"


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Iterator[Running]:
    """Run a program in its own session; at the end it is killed if it still runs, and reaped."""
    log = folder / f"process-{next(_numbers)}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Running(process, log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def environment(**names: str) -> dict[str, str]:
    """Return this process's environment without Almanac's names, and with these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return inherited | names


def environment_of(settings: Settings, **names: str) -> dict[str, str]:
    """Return the environment of a process that shall have a test's settings."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    assert settings.secret_key is not None
    ours = {
        "ALMANAC_ENV": "development",
        "ALMANAC_PERIODIC": "all",
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "ALMANAC_HOME": str(settings.home),
        "ALMANAC_PUBLIC_URL": settings.base_url,
        "ALMANAC_ALLOWED_PRIVATE_HOSTS": ",".join(settings.allowed_private_hosts),
    }
    return environment(**(ours | names))


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def processes_of(home: Path) -> list[int]:
    """Return all processes of an installation: its servers, and whoever was given its home."""
    wanted = f"ALMANAC_HOME={home}".encode()
    given = [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if wanted in _environment_in(entry).split(b"\0")
    ]
    return sorted({*given, *processes_in(home)})


def _environment_in(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:  # gone meanwhile, a zombie, or another user's
        return b""
