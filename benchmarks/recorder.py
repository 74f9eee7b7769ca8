"""What recording the history costs: rows per second, and no-op jobs per second beside it.

    python -m benchmarks.recorder [--count 100000] [--rounds 3] [--short] [--json]

Rows per second are those of a recorder that has the machine to itself: it reads a full stream and
writes PostgreSQL. Then one worker process drains no-op jobs, without a recorder and with one, in
turn. PostgreSQL is the embedded one, Valkey the benchmarks' own, without persistence.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from benchmarks.engine.bench import FULL, SHORT, Bench
from benchmarks.engine.draining import drain
from benchmarks.engine.processes import Hosts
from benchmarks.engine.server import running
from benchmarks.engine.statistics import Summary, number, summarise
from benchmarks.engine.systems import BY_NAME, OURS, ROOT
from benchmarks.peers.ours import QUEUE
from service.config import Settings
from service.db import migrate
from service.embedded import EmbeddedServers
from service.kit.memory import settle_memory
from service.kit.process import dying_with_us
from service.monitoring.recording import Recorder
from service.queue import queue_key
from service.queue.codec import Record, serialize_outcome
from service.queue.events import stream_key
from service.runtime import open_runtime
from workers import loops, recorder

ENTRY = 100
"""Runs of one entry, as under load."""


async def fill(settings: Settings, count: int) -> None:
    """Leave so many ends of no-op jobs in the stream."""
    key = queue_key(QUEUE)
    async with open_runtime(settings, "bench") as runtime:
        for start in range(0, count, ENTRY):
            fields: dict[str, str | bytes] = {"": "bench:1"}
            for n in range(start, start + ENTRY):
                now_ms = time.time_ns() // 1_000_000
                job_id = f"{n:032x}"
                fields[job_id] = serialize_outcome(
                    Record("bench.noop", [], {}, now_ms), None, success=True, job_id=job_id,
                    queue=key, tries=1, started_ms=now_ms, finished_ms=now_ms,
                )  # fmt: skip
            await runtime.queue.xadd(stream_key(key), fields)  # type: ignore[arg-type] # invariant


async def record(settings: Settings, count: int) -> float:
    """Record them and return the rows per second."""
    settle_memory()
    async with open_runtime(settings, "bench") as runtime:
        began = time.perf_counter()
        recorded = await Recorder(runtime).catch_up()
        seconds = time.perf_counter() - began
    assert recorded == count, f"{recorded} recorded of {count}"
    return count / seconds


async def wait_recorded(settings: Settings) -> None:
    """Wait until the stream is recorded."""
    async with open_runtime(settings, "bench") as runtime:
        while await runtime.queue.xlen(stream_key(queue_key(QUEUE))):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)


async def empty(settings: Settings) -> None:
    """Delete the history."""
    async with open_runtime(settings, "bench") as runtime:
        await runtime.database.execute(text("TRUNCATE job_runs"))


async def serve(settings: Settings) -> None:
    """Record as the maintenance process does, until killed."""
    settle_memory()
    async with open_runtime(settings, "recorder") as runtime:
        print("ready", flush=True)
        await loops.run_alone(runtime, recorder.LOCK, "the recorder", recorder.serve)


@contextmanager
def recorder_process(settings: Settings) -> Iterator[None]:
    """A recorder in a process of its own."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    environment = {
        **os.environ,
        "ALMANAC_ENV": "development",
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "SECRET_KEY": "a secret of benchmarks",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.recorder", "--serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        preexec_fn=dying_with_us(signal.SIGKILL),  # noqa: PLW1509 - system calls only
    )
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def measure(settings: Settings, bench: Bench, count: int, rounds: int) -> dict[str, Summary]:
    """Take every sample, the kinds in turn."""
    slots = bench.hosts.system.slots
    samples: dict[str, list[float]] = {"rows_per_s": [], "alone_per_s": [], "recorded_per_s": []}
    for _ in range(rounds):
        bench.fresh()
        asyncio.run(fill(settings, count))
        samples["rows_per_s"].append(uvloop.run(record(settings, count)))
        samples["alone_per_s"].append(drain(bench, "noop", slots).per_second)
        with recorder_process(settings):
            samples["recorded_per_s"].append(drain(bench, "noop", slots).per_second)
            asyncio.run(wait_recorded(settings))
        asyncio.run(empty(settings))
    return {name: summarise(values) for name, values in samples.items()}


def report(found: dict[str, Summary], *, as_json: bool) -> None:
    """Print what was measured beside what is wanted."""
    share = found["recorded_per_s"].median / found["alone_per_s"].median
    rows = (
        ("rows recorded/s", found["rows_per_s"].median, ">= 50,000"),
        ("no-op jobs/s, no recorder", found["alone_per_s"].median, ""),
        ("no-op jobs/s, recorder beside", found["recorded_per_s"].median, ""),
        ("share of the throughput", share, ">= 0.6"),
    )
    if as_json:
        figures = {name: summary.median for name, summary in found.items()}
        print(json.dumps({**figures, "share": round(share, 3), "cores": os.cpu_count()}, indent=2))
        return
    table = Table("figure", "measured", "wanted")
    for title, value, wanted in rows:
        table.add_row(title, number(value), wanted)
    Console().print(table)


def main() -> None:
    """Run on servers of the benchmark's own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000, help="runs to record")
    parser.add_argument("--rounds", type=int, help="3, or 1 in the short form")
    parser.add_argument("--short", action="store_true", help="the quick form, one round")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    if arguments.serve:
        uvloop.run(serve(Settings(_env_file=None)))
        return
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedServers(Path(name) / "home") as endpoints,
        running(Path(name)) as server,
    ):
        settings = Settings(
            _env_file=None,
            environment="development",
            database_url=SecretStr(endpoints.database_url),
            redis_url=SecretStr(server.url),
            secret_key=SecretStr("a secret of benchmarks"),
            home=Path(name) / "home",
        )
        asyncio.run(migrate.upgrade(endpoints.database_url))
        (board := Path(name) / "board").mkdir()
        hosts = Hosts(BY_NAME[OURS], server.url, board, Path(name) / "log")
        scale = SHORT if arguments.short else FULL
        rounds = arguments.rounds or (1 if arguments.short else 3)
        found = measure(settings, Bench(hosts, server, scale), arguments.count, rounds)
    report(found, as_json=arguments.json)


if __name__ == "__main__":
    main()
