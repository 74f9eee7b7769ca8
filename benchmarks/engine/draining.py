"""Throughput: how fast workers drain a backlog."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.engine.bench import Bench
from benchmarks.engine.processes import SampleFailed, Workers
from benchmarks.engine.statistics import steady_rate
from benchmarks.peers.board import Board

T = TypeVar("T")

STALL_SECONDS = 20.0
"""Without a job done the sample has failed."""
STORE_SECONDS = 5.0
LOOK_SECONDS = 0.002
SMALLEST, LARGEST = 2_000, 200_000
"""Jobs of a sample."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What draining a backlog took."""

    per_second: float
    commands_per_job: float
    reads_per_job: float
    rss_mib: float


def drain(bench: Bench, job: str, slots: int, processes: int = 1) -> Drained:
    """Drain a backlog that takes about the scale's seconds; what is learnt sizes the next one."""

    def attempt(count: int) -> tuple[Drained, float]:
        drained = _drain(bench, job, count, slots, processes)
        return drained, drained.per_second

    return sized(bench, f"{job}/{slots}/{processes}", attempt)


def sized(bench: Bench, key: str, attempt: Callable[[int], tuple[T, float]]) -> T:
    """Repeat an attempt with more jobs until it is long enough, and return its outcome.

    Args:
        bench: remembers the size under `key`.
        attempt: takes a number of jobs, returns its outcome and jobs per second.
    """
    while True:
        count = bench.sizes.get(key, SMALLEST)
        outcome, rate = attempt(count)
        wanted = round(rate * bench.scale.seconds)
        bench.sizes[key] = min(max(wanted, SMALLEST), LARGEST)
        if bench.sizes[key] < 2 * count:
            return outcome


def _drain(bench: Bench, job: str, count: int, slots: int, processes: int) -> Drained:
    board = bench.fresh()
    bench.hosts.send("bulk", job, count)
    before = bench.server.info()
    with bench.hosts.workers(slots, processes) as workers:
        per_second = rate_of(wait_for(board, workers, count))
        after = bench.server.info()
        _check_results(bench, count)
        return Drained(
            per_second,
            (after["total_commands_processed"] - before["total_commands_processed"]) / count,
            (after["total_reads_processed"] - before["total_reads_processed"]) / count,
            workers.rss_mib(),
        )


def wait_for(board: Board, workers: Workers, total: int) -> list[tuple[float, int]]:
    """Wait until so many jobs are done; return instants in seconds and the jobs done by then.

    Raises:
        SampleFailed: a worker ended, or none did anything for STALL_SECONDS.
    """
    samples = [(time.monotonic(), board.total()[0])]
    while samples[-1][1] < total:
        time.sleep(LOOK_SECONDS)
        workers.check()
        done, last_ns = board.total()
        if done > samples[-1][1]:
            samples.append((last_ns / 1e9, done))
        elif time.monotonic() > samples[-1][0] + STALL_SECONDS:
            raise SampleFailed(f"{done} of {total} jobs done, then none for {STALL_SECONDS:.0f} s")
    return samples


def rate_of(samples: Sequence[tuple[float, int]]) -> float:
    """Return jobs per second once warm; see `steady_rate`. Raises SampleFailed."""
    try:
        return steady_rate(samples)
    except ValueError as error:
        raise SampleFailed(str(error)) from error


def _check_results(bench: Bench, count: int) -> None:
    """A job counts before its result is stored, so make sure that all come, and at once."""
    pattern = bench.hosts.system.results
    deadline = time.monotonic() + STORE_SECONDS
    while pattern and (stored := bench.server.count(pattern)) < count:
        if time.monotonic() > deadline:
            raise SampleFailed(f"{stored} results stored of {count} jobs")
        time.sleep(0.05)
