"""A Valkey server of the benchmark's own, on loopback TCP, without persistence."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from redis import Redis
from redis.exceptions import ConnectionError as NotUp

from service.embedded.binaries import valkey_server
from service.embedded.valkey import MEMORY
from service.kit.process import dying_with_us

START_SECONDS = 10.0


class Server:
    """The running server: its URL for the systems, its counters for us."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}"
        self._redis = Redis(port=port, decode_responses=True)

    def empty(self) -> None:
        """Delete everything and start its counters anew."""
        self._redis.flushall()
        self._redis.script_flush()

    def ping(self) -> bool:
        """Tell whether it answers."""
        try:
            return bool(self._redis.ping())
        except NotUp:
            return False

    def info(self) -> dict[str, Any]:
        """Return its INFO reply."""
        return cast("dict[str, Any]", self._redis.info())  # typed for the async client too

    def count(self, pattern: str) -> int:
        """Count the keys of a pattern."""
        return sum(1 for _ in self._redis.scan_iter(match=pattern, count=10_000))


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Run the server until the block ends."""
    port = _free_port()
    settings = {
        "port": port,
        "bind": "127.0.0.1",
        "dir": folder,
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
    }
    flags = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
    process = subprocess.Popen(
        [str(valkey_server(None)), *flags],
        stdout=subprocess.DEVNULL,
        env={**os.environ, **MEMORY},
        start_new_session=True,  # a Ctrl-C must not reach it before the workers
        preexec_fn=dying_with_us(signal.SIGKILL),  # noqa: PLW1509 - system calls only
    )
    try:
        server = Server(port)
        deadline = time.monotonic() + START_SECONDS
        while not server.ping():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Valkey did not start on port {port}; is the port taken?")
            time.sleep(0.01)
        yield server
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
