"""What a workload is given, and how much of it is measured."""

from dataclasses import dataclass, field

from benchmarks.engine.processes import Hosts
from benchmarks.engine.server import Server
from benchmarks.peers.board import Board

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    seconds: float
    """Length of a throughput sample."""
    sends: int
    """Single enqueues."""
    pickups: int
    deferred: int
    idle_seconds: float
    backlogs: tuple[int, ...]
    drained: int
    """Jobs at most that are drained of a backlog to see what one costs."""
    future: int
    """Jobs far ahead while others are due."""


FULL = Scale(
    seconds=2.5,
    sends=3_000,
    pickups=1_000,
    deferred=1_000,
    idle_seconds=30,
    backlogs=(1_000, 10_000, 100_000, 1_000_000),
    drained=30_000,
    future=1_000_000,
)
SHORT = Scale(
    seconds=1,
    sends=1_000,
    pickups=500,
    deferred=500,
    idle_seconds=5,
    backlogs=(1_000, 10_000, 100_000),
    drained=10_000,
    future=100_000,
)


@dataclass(slots=True)
class Bench:
    """One system against one server; `sizes` remembers between rounds how many jobs to send."""

    hosts: Hosts
    server: Server
    scale: Scale
    sizes: dict[str, int] = field(default_factory=dict)

    def fresh(self) -> Board:
        """Empty the server and the board; no process of the system may be running."""
        self.server.empty()
        self.hosts.clear()
        return self.hosts.board()
