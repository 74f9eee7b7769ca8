"""What live events cost the API: processor time of its process with many clients listening.

    python -m benchmarks.events [--clients 100] [--rate 10] [--seconds 20] [--json]

The clients are connections to `GET /v1/events` that read all there is. First nothing happens, then
so many jobs are queued a second, each of which is one event for every client.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from benchmarks.engine.statistics import percentile
from benchmarks.servers import PORT, api, cpu_seconds, own_servers, report
from service.access.actions import create_key
from service.access.caller import Scope
from service.config import Settings
from service.queue import QueueClient
from service.runtime import open_runtime

QUEUE = "almanac:bench"
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
    with own_servers() as settings, api(settings) as pid:
        found = asyncio.run(
            measure(settings, pid, arguments.clients, arguments.rate, arguments.seconds)
        )
    report(found, {"cpu_percent": WANTED}, as_json=arguments.json)


if __name__ == "__main__":
    main()
