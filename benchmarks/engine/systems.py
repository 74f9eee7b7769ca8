"""The systems side by side, each in the configuration in which it was fastest here."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

OURS = "almanac"
ARQ = "arq"
BARE = "bare"
ROOT = Path(__file__).parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system: where it runs and how."""

    name: str
    module: str
    """In benchmarks.peers."""
    distributions: tuple[str, ...]
    """Whose versions count."""
    configuration: str
    slots: int
    """Jobs at the same time where jobs do nothing: what was fastest of 10 to 1,000."""
    results: str | None
    """Pattern of the keys of its results; None where it stores none. SAQ's are its jobs' own."""
    peer: bool = True
    """Runs under the peers' Python."""
    defers: bool = True

    @property
    def python(self) -> Path:
        """The interpreter that it runs under."""
        return PEERS_PYTHON if self.peer else Path(sys.executable)


SYSTEMS = (
    System(
        name=OURS,
        module="ours",
        distributions=("almanac", "arq", "redis"),
        configuration="declared jobs, 300 slots, uvloop, JSON by msgspec, events on",
        slots=300,
        results="arq:result:*",
        peer=False,
    ),
    System(
        name=ARQ,
        module="arq",
        distributions=("arq", "redis"),
        configuration="tuned: poll 10 ms, 300 slots, uvloop, hiredis, JSON by msgspec",
        slots=300,
        results="arq:result:*",
        peer=False,
    ),
    System(
        name=BARE,
        module="bare",
        distributions=("hiredis",),
        configuration="claim-run-finish by two scripts, batches of 100, no features",
        slots=100,
        results="arq:result:*",
        peer=False,
    ),
    System(
        name="ardiq",
        module="ardiq",
        distributions=("ardiq",),
        configuration="concurrency and prefetch 100, uvloop, Rust core",
        slots=100,
        results="*:task:results:*",
    ),
    System(
        name="repid",
        module="repid",
        distributions=("repid", "redis"),
        configuration="Redis streams, limit of 300 tasks, batches of 100, uvloop, no results",
        slots=300,
        results=None,
        defers=False,
    ),
    System(
        name="saq",
        module="saq",
        distributions=("saq", "redis"),
        configuration="concurrency 20, uvloop, hiredis",
        slots=20,
        results="saq:job:*",
    ),
    System(
        name="streaq",
        module="streaq",
        distributions=("streaq", "coredis"),
        configuration="concurrency 8, uvloop",
        slots=8,
        results="*:task:results:*",
    ),
    System(
        name="taskiq",
        module="taskiq",
        distributions=("taskiq", "taskiq-redis", "redis"),
        configuration="Redis streams, 300 tasks and as many prefetched, uvloop, scheduler 1 s",
        slots=300,
        results="result:*",
    ),
    System(
        name="celery",
        module="celery",
        distributions=("celery", "redis"),
        configuration=f"prefork {os.cpu_count()}, prefetch 100; threads for waiting jobs",
        slots=0,
        results="celery-task-meta-*",
    ),
    System(
        name="dramatiq",
        module="dramatiq",
        distributions=("dramatiq", "redis"),
        configuration="32 threads; 100 and 500 for waiting jobs",
        slots=32,
        results="?" * 32,
    ),
    System(
        name="huey",
        module="huey",
        distributions=("huey", "redis"),
        configuration="2 threads, blocking; 100 and 500 for waiting jobs",
        slots=2,
        results="huey.r.*",
    ),
)
BY_NAME = {system.name: system for system in SYSTEMS}
