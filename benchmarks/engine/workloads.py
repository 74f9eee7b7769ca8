"""What is measured of each system; every workload is one sample and returns its figures."""

import time
from collections.abc import Callable, Mapping

from benchmarks.engine.bench import Bench, Figures
from benchmarks.engine.draining import drain, sized, wait_for
from benchmarks.engine.flatness import flat
from benchmarks.engine.statistics import percentile
from benchmarks.engine.systems import ARQ, BARE, OURS, System
from benchmarks.peers.board import Board

WARM_UP = 50
"""Paced jobs before those that count."""
SETTLE_SECONDS = 11.0
"""Until the leases of the last jobs would have ended: a worker that looks then is idle after it."""
FEW, MANY = 100, 500
"""Slots where jobs wait."""


def noop(bench: Bench) -> Figures:
    """Drain jobs that do nothing by one process."""
    drained = drain(bench, "noop", bench.hosts.system.slots)
    return {
        "noop_per_s": drained.per_second,
        "commands_per_job": drained.commands_per_job,
        "reads_per_job": drained.reads_per_job,
        "rss_busy_mib": drained.rss_mib,
    }


def io(bench: Bench) -> Figures:
    """Drain jobs that wait for 10 ms, with few and with many slots."""
    return {f"io{slots}_per_s": drain(bench, "nap", slots).per_second for slots in (FEW, MANY)}


def second(bench: Bench) -> Figures:
    """Drain waiting jobs by one process, then by two."""
    one, two = (drain(bench, "nap", FEW, processes).per_second for processes in (1, 2))
    return {"second_process_ratio": two / one}


def enqueue(bench: Bench) -> Figures:
    """Send jobs one by one, and in bulk; no worker runs."""
    bench.fresh()
    sends = bench.scale.sends

    def attempt(count: int) -> tuple[float, float]:
        bench.fresh()
        rate = (count - 1) / bench.hosts.send("bulk", "noop", count)
        return rate, rate

    single = (sends - 1) / bench.hosts.send("single", "noop", sends)
    return {"single_per_s": single, "bulk_per_s": sized(bench, "bulk", attempt)}


def pickup(bench: Bench) -> Figures:
    """Send jobs at random gaps to an idle worker: from the call of enqueue to the job's start."""
    lags = _lags(bench, "paced", WARM_UP, bench.scale.pickups)
    return {"pickup_p50_ms": percentile(lags, 50), "pickup_p99_ms": percentile(lags, 99)}


def deferred(bench: Bench) -> Figures:
    """Send jobs for random instants 100 to 2,000 ms ahead: how late they start."""
    # The sender's first job is due at once, to connect.
    lags = _lags(bench, "deferred", 1, bench.scale.deferred)
    return {
        "late_p50_ms": percentile(lags, 50),
        "late_p99_ms": percentile(lags, 99),
        "earliest_ms": min(lags),
    }


def idle(bench: Bench) -> Figures:
    """Watch a worker that has worked and has nothing to do."""
    board = bench.fresh()
    with bench.hosts.workers(bench.hosts.system.slots) as workers:
        bench.hosts.send("paced", "stamp", WARM_UP)
        wait_for(board, workers, WARM_UP)
        time.sleep(SETTLE_SECONDS)
        began, before, cpu = time.monotonic(), bench.server.info(), workers.cpu_seconds()
        time.sleep(bench.scale.idle_seconds)
        seconds, after = time.monotonic() - began, bench.server.info()
        # One of the commands is the first INFO.
        commands = after["total_commands_processed"] - before["total_commands_processed"] - 1
        return {
            "idle_commands_per_s": commands / seconds,
            "idle_cpu_percent": (workers.cpu_seconds() - cpu) / seconds * 100,
            "rss_mib": workers.rss_mib(),
        }


def _lags(bench: Bench, mode: str, skipped: int, count: int) -> list[float]:
    board: Board = bench.fresh()
    with bench.hosts.workers(bench.hosts.system.slots) as workers:
        bench.hosts.send("single", "noop", 1)  # the worker is up when it has done this
        wait_for(board, workers, 1)
        bench.hosts.send(mode, "stamp", skipped + count)
        wait_for(board, workers, skipped + count + 1)
        return board.lags(skipped, count)


WORKLOADS: Mapping[str, Callable[[Bench], Figures]] = {
    "noop": noop,
    "io": io,
    "enqueue": enqueue,
    "pickup": pickup,
    "deferred": deferred,
    "idle": idle,
    "second": second,
    "flat": flat,
}


def applies(workload: str, system: System) -> bool:
    """Tell whether a workload is measured of a system."""
    if system.name == BARE:
        return workload == "noop"
    if workload == "flat":
        return system.name in {OURS, ARQ}
    return workload != "deferred" or system.defers
