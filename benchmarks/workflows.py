"""A chord, 1,000 steps and their callback, against Celery's chord in one run.

    python -m benchmarks.workflows [--members 1000] [--rounds 5] [--short]

Both have two worker processes and the same Valkey; ours keeps every step in PostgreSQL, Celery
keeps nothing but Redis. Measured is the time from the call to the callback's result, in turns.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from benchmarks.engine import server
from benchmarks.engine.systems import PEERS_PYTHON, ROOT
from service.access.models import User
from service.config import Settings
from service.db import migrate
from service.embedded import EmbeddedServers
from service.kit.ids import uuid7
from service.queue import job, queue_key
from service.queue.codec import deserialize, serialize
from service.runtime import Runtime, open_runtime
from service.workflows import actions
from service.workflows.building import chord, group, results
from workers import process
from workers.engine import Context, run
from workers.engine.serve import serve

PROCESSES = 2
QUEUE = "bench"
LIMIT = 300.0
STATE = text("SELECT state, output FROM workflows WHERE id = :id")


@job("bench.number", queue=QUEUE, coroutine="benchmarks.workflows.number", keep_result=0)
async def number_job(number: int) -> int:
    """Return the number."""
    raise NotImplementedError


@job("bench.total", queue=QUEUE, coroutine="benchmarks.workflows.total", keep_result=0)
async def total_job(numbers: list[int]) -> int:
    """Return the sum."""
    raise NotImplementedError


async def number(_ctx: Context, number: int) -> int:
    return number


async def total(_ctx: Context, numbers: list[int]) -> int:
    return sum(numbers)


class WorkerSettings:
    """A worker of the benchmark."""

    functions = (run(number_job, number), run(total_job, total))
    queue_name = queue_key(QUEUE)
    max_jobs = 100
    redis_pool = process.connect
    job_serializer = serialize
    job_deserializer = deserialize
    on_startup = process.startup
    on_shutdown = process.shutdown


@contextmanager
def processes(command: Sequence[object], count: int, environment: dict[str, str]) -> Iterator[None]:
    """Run worker processes until the block ends."""
    started = [
        subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
        )
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for worker in started:
            worker.terminate()
        for worker in started:
            worker.wait(30)


async def ours(runtime: Runtime, owner_id: UUID, members: int) -> float:
    """Run one chord and return its seconds."""
    flow = chord(
        group(*(number_job(number=n) for n in range(members))), total_job(numbers=results())
    )
    began = time.perf_counter()
    async with runtime.unit_of_work() as uow:
        workflow_id = await actions.start(uow, flow.named("bench"), owner_id)
    while time.perf_counter() - began < LIMIT:
        (row,) = await runtime.database.execute(STATE, {"id": workflow_id})
        if row.state == "succeeded":
            assert row.output == sum(range(members))
            return time.perf_counter() - began
        await asyncio.sleep(0.01)
    raise RuntimeError(f"the chord did not end in {LIMIT:g} s")


class Celery:
    """A process that runs Celery's chords when it is told to."""

    def __init__(self, url: str, members: int) -> None:
        command = [PEERS_PYTHON, "-m", "benchmarks.peers.celery_chord", url, members]
        self._process = subprocess.Popen(
            list(map(str, command)), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self) -> float:
        """Run one chord and return its seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@asynccontextmanager
async def opened(home: Path) -> AsyncIterator[tuple[Runtime, UUID]]:
    """Yield our runtime with a user."""
    async with open_runtime(Settings(_env_file=None, home=home), "bench") as runtime:
        async with runtime.unit_of_work() as uow:
            user = User(id=uuid7(), name="bench")
            uow.session.add(user)
            await uow.session.flush()
        yield runtime, user.id


async def measure(home: Path, url: str, members: int, rounds: int) -> dict[str, Any]:
    """Run both in turns."""
    celery, taken = Celery(url, members), {"almanac": list[float](), "celery": list[float]()}
    async with opened(home) as (runtime, owner_id):
        await ours(runtime, owner_id, 10)  # everybody is connected
        for _ in range(rounds):
            taken["almanac"].append(await ours(runtime, owner_id, members))
            taken["celery"].append(await asyncio.to_thread(celery.run))
    celery.close()
    return taken


def main() -> None:
    """Run the benchmark, or one worker of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", nargs="?", choices=["work"])
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--rounds", type=int, help="5, or 2 in the short form")
    parser.add_argument("--short", action="store_true", help="the quick form, two rounds")
    arguments = parser.parse_args()
    if arguments.action == "work":
        settings: Any = WorkerSettings
        asyncio.run(serve([settings]))
        return
    with tempfile.TemporaryDirectory() as name, server.running(Path(name)) as valkey:
        home = Path(name) / "home"
        with EmbeddedServers(home) as endpoints:
            asyncio.run(migrate.upgrade(endpoints.database_url))
            us = [sys.executable, "-m", "benchmarks.workflows", "work"]
            names = {"ALMANAC_HOME": str(home), "ALMANAC_LOG_LEVEL": "WARNING"}
            peer = [PEERS_PYTHON, "-m", "benchmarks.peers.celery_chord", valkey.url]
            with processes(us, PROCESSES, names), processes(peer, 1, {}):
                rounds = arguments.rounds or (2 if arguments.short else 5)
                taken = asyncio.run(measure(home, valkey.url, arguments.members, rounds))
    middle = {system: statistics.median(seconds) for system, seconds in taken.items()}
    figures = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "members": arguments.members,
        "seconds": {system: [round(s, 2) for s in found] for system, found in taken.items()},
        "steps_per_second": {s: round(arguments.members / m) for s, m in middle.items()},
        "ratio": round(middle["celery"] / middle["almanac"], 2),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
