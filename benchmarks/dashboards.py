"""What open dashboards cost the API: processor time of its process, quiet and while jobs run.

    python -m benchmarks.dashboards [--clients 50] [--rate 10] [--seconds 30] [--json]

Each client does what a browser does with the overview: it listens to `/live`, and asks for the
page's live part at each signal. First nothing happens, then so many jobs are queued a second.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic

import httpx

from benchmarks.events import send
from benchmarks.pages import log_in, owner
from benchmarks.servers import URL, api, cpu_seconds, own_servers, report
from service.config import Settings
from service.runtime import open_runtime

WANTED = 10.0
"""Percent of a core."""
PART = {"Accept": "text/html", "HX-Request": "true"}


class Dashboard:
    """One open overview: how often it was drawn anew."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.drawn = 0

    async def look(self, ready: asyncio.Event) -> None:
        """Draw the live part at every signal, until cancelled."""
        async with self._http.stream("GET", "/live", timeout=None) as signals:
            async for line in signals.aiter_lines():
                if line.startswith("retry:"):
                    ready.set()
                if line == "event: change":
                    reply = await self._http.get("/", headers=PART)
                    assert reply.status_code == 200, reply.text
                    self.drawn += 1


@asynccontextmanager
async def looking(count: int) -> AsyncIterator[list[Dashboard]]:
    """Have so many people look meanwhile, all of them the same user."""
    async with AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=None)
        http = httpx.AsyncClient(base_url=URL, trust_env=False, limits=limits)
        await stack.enter_async_context(http)
        await log_in(http)
        dashboards = [Dashboard(http) for _ in range(count)]
        for dashboard in dashboards:
            ready = asyncio.Event()
            task = asyncio.create_task(dashboard.look(ready))
            stack.callback(task.cancel)
            await asyncio.wait_for(ready.wait(), 30)
        yield dashboards


async def measure(
    settings: Settings, pid: int, count: int, rate: float, seconds: float
) -> dict[str, float]:
    """Return percents of a core without and with jobs, and how often the pages were drawn."""
    async with open_runtime(settings, "bench") as runtime:
        await owner(runtime)
        async with looking(count) as dashboards:
            await asyncio.sleep(2)
            before, began = cpu_seconds(pid), monotonic()
            await asyncio.sleep(seconds)
            quiet = (cpu_seconds(pid) - before) / (monotonic() - began)
            before, began = cpu_seconds(pid), monotonic()
            drawn = sum(dashboard.drawn for dashboard in dashboards)
            await send(runtime.queue, rate, seconds)
            taken = monotonic() - began
            busy = (cpu_seconds(pid) - before) / taken
            drawn = sum(dashboard.drawn for dashboard in dashboards) - drawn
    return {
        "dashboards": count,
        "jobs_per_s": rate,
        "seconds_between_drawings": count * taken / max(drawn, 1),
        "quiet_cpu_percent": quiet * 100,
        "cpu_percent": busy * 100,
    }


def main() -> None:
    """Run on servers of the benchmark's own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rate", type=float, default=10, help="jobs per second")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with own_servers() as settings, api(settings) as pid:
        found = asyncio.run(
            measure(settings, pid, arguments.clients, arguments.rate, arguments.seconds)
        )
    report(found, {"cpu_percent": WANTED}, as_json=arguments.json)


if __name__ == "__main__":
    main()
