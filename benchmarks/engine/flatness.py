"""What one job costs with backlogs of different sizes; of Almanac and of arq, on the same keys.

A backlog is sent for one instant ahead, so that a worker which is warm and idle finds all of it due
at once.
"""

import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta

from benchmarks.engine.bench import Bench, Figures
from benchmarks.engine.draining import rate_of, wait_for
from benchmarks.engine.processes import SampleFailed, Workers
from benchmarks.peers.board import Board
from benchmarks.peers.ours import calls
from service.queue import connect

SEEDS_PER_SECOND = 20_000
"""Less than the slowest enqueueing seen."""
CHUNK = 5_000
WARM_UP = 3_000
SMALL = 1_000
"""Up to so many, a backlog is drained several times, since it is gone in a moment."""
REPEATS = 7
DUE = 10_000
"""Among those far ahead."""
LEAD_SECONDS = 0.05
"""The clock runs from here on before the jobs are due."""
FAR = timedelta(days=30)


def flat(bench: Bench) -> Figures:
    """Measure each backlog of the scale, and one of 10,000 among jobs far ahead."""
    figures = {f"job_us_of_{size}": _cost(bench, size, 0) for size in bench.scale.backlogs}
    figures[f"job_us_among_{bench.scale.future}_future"] = _cost(bench, DUE, bench.scale.future)
    return {
        **figures,
        "flat_spread_percent": (max(figures.values()) / min(figures.values()) - 1) * 100,
    }


def _cost(bench: Bench, size: int, future: int) -> float:
    """Return the microseconds that a job takes."""
    board = bench.fresh()
    with bench.hosts.workers(bench.hosts.system.slots) as workers:
        _seed(bench, WARM_UP, datetime.now(UTC))
        wait_for(board, workers, WARM_UP)
        if future:
            _seed(bench, future, datetime.now(UTC) + FAR)
        rates = [
            _burst(bench, board, workers, size) for _ in range(REPEATS if size <= SMALL else 1)
        ]
        return 1e6 / statistics.median(rates)


def _burst(bench: Bench, board: Board, workers: Workers, size: int) -> float:
    """Send a backlog for one instant and return the jobs per second from then on."""
    done, _ = board.total()
    due = datetime.now(UTC) + timedelta(seconds=0.5 + size / SEEDS_PER_SECOND)
    _seed(bench, size, due)
    left = (due - datetime.now(UTC)).total_seconds()
    if left < LEAD_SECONDS:
        raise SampleFailed(f"sending {size} jobs took {LEAD_SECONDS - left:.1f} s too long")
    time.sleep(left - LEAD_SECONDS)
    return rate_of(wait_for(board, workers, done + min(size, bench.scale.drained)))


def _seed(bench: Bench, count: int, due: datetime) -> None:
    async def send() -> None:
        client = connect(bench.server.url)
        try:
            for first in range(0, count, CHUNK):
                numbers = range(first, min(first + CHUNK, count))
                await client.enqueue_many(calls("noop", numbers, due))
        finally:
            await client.aclose()

    asyncio.run(send())
