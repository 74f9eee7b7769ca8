"""What live events cost the API: processor time of its process with many clients listening.

    python -m benchmarks.events [--clients 100] [--rate 10] [--seconds 20] [--json]

The clients are connections to `GET /v1/events` that read all there is. First nothing happens, then
so many jobs are queued a second, each of which is one event for every client.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from benchmarks.engine.statistics import percentile
from benchmarks.engine.systems import ROOT
from service.access.actions import create_key
from service.access.caller import Scope
from service.config import Settings
from service.db import migrate
from service.embedded import EmbeddedServers
from service.kit.process import dying_with_us
from service.queue import QueueClient
from service.runtime import open_runtime

QUEUE = "almanac:bench"
PORT = 18_765
WANTED = 5.0
"""Percent of a core."""


class Client:
    """One listener: how many events it got, and how late."""

    def __init__(self) -> None:
        self.events = 0
        self.lags: list[float] = []

    async def listen(self, key: str, ready: asyncio.Event) -> None:
        """Read events until cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        request = f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
        writer.write(request.encode())
        async for line in reader:
            if line.startswith(b"retry:"):
                ready.set()
            if line.startswith(b"id: "):
                self.events += 1
                self.lags.append(time.time() - int(line[4:17]) / 1000)


@contextmanager
def api(settings: Settings) -> Iterator[int]:
    """An API process; yields its id."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    assert settings.secret_key is not None
    environment = {
        **os.environ,
        "ALMANAC_ENV": "development",
        "ALMANAC_PORT": str(PORT),
        "ALMANAC_LOG_LEVEL": "WARNING",
        "ALMANAC_HOME": str(settings.home),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "SECRET_KEY": settings.secret_key.get_secret_value(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "api"],
        cwd=ROOT,
        env=environment,
        preexec_fn=dying_with_us(signal.SIGKILL),  # noqa: PLW1509 - system calls only
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


async def wait_ready() -> None:
    """Wait until the API answers."""
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(30):
        while True:
            try:
                if (await http.get(f"http://127.0.0.1:{PORT}/readyz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


@asynccontextmanager
async def listening(clients: list[Client], key: str) -> AsyncIterator[None]:
    """Have the clients listen meanwhile."""
    async with AsyncExitStack() as stack:
        for client in clients:
            ready = asyncio.Event()
            task = asyncio.create_task(client.listen(key, ready))
            stack.callback(task.cancel)
            await asyncio.wait_for(ready.wait(), 30)
        yield


async def send(queue: QueueClient, rate: float, seconds: float) -> int:
    """Queue jobs at a rate; return how many."""
    began, sent = time.monotonic(), 0
    while (due := sent / rate) < seconds:
        await asyncio.sleep(max(0.0, began + due - time.monotonic()))
        await queue.enqueue_job("bench.noop", _queue_name=QUEUE)
        sent += 1
    return sent


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((at / "schedstat").read_text().split()[0]) for at in threads) / 1e9


async def measure(
    settings: Settings, pid: int, count: int, rate: float, seconds: float
) -> dict[str, float]:
    """Return percents of a core without and with events, and how late they were."""
    async with open_runtime(settings, "bench") as runtime:
        async with runtime.unit_of_work() as uow:
            key = await create_key(uow.session, "bench", [Scope.ADMIN])
        clients = [Client() for _ in range(count)]
        async with listening(clients, key):
            await asyncio.sleep(2)
            before, began = cpu_seconds(pid), time.monotonic()
            await asyncio.sleep(seconds)
            quiet = (cpu_seconds(pid) - before) / (time.monotonic() - began)
            before, began = cpu_seconds(pid), time.monotonic()
            sent = await send(runtime.queue, rate, seconds)
            busy = (cpu_seconds(pid) - before) / (time.monotonic() - began)
            await asyncio.sleep(2)
    events = [client.events for client in clients]
    assert events == [sent] * count, f"{sent} sent, received {min(events)} to {max(events)}"
    lags = [lag * 1000 for client in clients for lag in client.lags]
    return {
        "clients": count,
        "events_per_s": rate,
        "quiet_cpu_percent": quiet * 100,
        "cpu_percent": busy * 100,
        "late_p50_ms": percentile(lags, 50),
        "late_p99_ms": percentile(lags, 99),
    }


def report(found: dict[str, float], *, as_json: bool) -> None:
    """Print what was measured beside what is wanted."""
    if as_json:
        print(json.dumps({name: round(value, 2) for name, value in found.items()}, indent=2))
        return
    table = Table("figure", "measured", "wanted")
    for name, value in found.items():
        table.add_row(name, f"{value:.2f}", f"< {WANTED:g}" if name == "cpu_percent" else "")
    Console().print(table)


def main() -> None:
    """Run on servers of the benchmark's own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--rate", type=float, default=10, help="events per second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedServers(Path(name) / "home") as endpoints,
    ):
        settings = Settings(
            _env_file=None,
            environment="development",
            database_url=SecretStr(endpoints.database_url),
            redis_url=SecretStr(endpoints.redis_url),
            secret_key=SecretStr("a secret of benchmarks"),
            home=Path(name) / "home",
        )
        asyncio.run(migrate.upgrade(endpoints.database_url))
        with api(settings) as pid:
            asyncio.run(wait_ready())
            found = asyncio.run(
                measure(settings, pid, arguments.clients, arguments.rate, arguments.seconds)
            )
    report(found, as_json=arguments.json)


if __name__ == "__main__":
    main()
