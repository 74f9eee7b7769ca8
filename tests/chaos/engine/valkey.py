"""A Valkey of the scenario's own that may be killed, stopped, wiped and started again."""

import asyncio
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from redis.asyncio import Redis

from service.embedded.binaries import valkey_server
from service.kit.process import dying_with_us

APPEND_ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")
APPEND_EVERYSEC = ("--appendonly", "yes", "--appendfsync", "everysec")


class Valkey:
    """Listens on a unix socket; `url` is for clients, `redis` the scenario's own connection."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.socket = folder / "valkey.sock"
        self.url = f"unix://{quote(str(self.socket))}"
        self.redis: Redis = Redis(unix_socket_path=str(self.socket))
        self._command = [str(valkey_server(None)), "--port", "0", "--save", "", *options]
        self._command += ["--dir", str(folder), "--unixsocket", str(self.socket)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on what it has appended; return when it has loaded."""
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            preexec_fn=dying_with_us(signal.SIGKILL),  # noqa: PLW1509 - system calls only
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, f"valkey-server: {self._process.returncode}"
            assert time.monotonic() < deadline, "valkey-server does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL it."""
        assert self._process is not None, "it runs"
        self._process.kill()
        self._process.wait()
        self.socket.unlink(missing_ok=True)

    async def away(self, seconds: float) -> None:
        """Kill it and start it again so many seconds later."""
        self.kill()
        await asyncio.sleep(seconds)
        self.start()

    async def call(self, *words: str | int) -> Any:
        """Run any command; redis-py's own methods are typed for two kinds of clients at once."""
        return await self.redis.execute_command(*words)  # type: ignore[no-untyped-call] # redis-py

    async def requests(self) -> int:
        """Return how many requests clients have sent; what scripts call does not count."""
        return int((await self.redis.info("stats"))["total_reads_processed"])

    async def latency(self, command: str) -> dict[str, float]:
        """Return the percentiles of a command's duration in microseconds, p50 first."""
        stats: dict[str, Any] = await self.redis.info("latencystats")
        found: dict[str, float] = stats.get(f"latency_percentiles_usec_{command}", {})
        return found

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(5) == b"+PONG"
            except OSError:  # not listening yet
                return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
