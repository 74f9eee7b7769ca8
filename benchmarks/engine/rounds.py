"""Rounds over all systems in turn, so that a slower minute of the machine is shared."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.engine.bench import Bench, Figures, Scale
from benchmarks.engine.goals import Table
from benchmarks.engine.processes import Hosts, SampleFailed
from benchmarks.engine.server import Server
from benchmarks.engine.statistics import summarise
from benchmarks.engine.systems import System
from benchmarks.engine.workloads import WORKLOADS, applies


@dataclass(frozen=True, slots=True)
class Sample:
    """One workload of one system in one round: its figures, or why there are none."""

    round: int
    workload: str
    system: str
    seconds: float
    figures: Figures
    failure: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, of whom, how much of it and how often."""

    systems: Sequence[System]
    workloads: Sequence[str]
    scale: Scale
    rounds: int

    def steps(self) -> list[tuple[int, str, str]]:
        """Return round, workload and system of every sample, the systems taking turns."""
        return [
            (number, workload, system.name)
            for number in range(1, self.rounds + 1)
            for workload in self.workloads
            for system in self.systems
            if applies(workload, system)
        ]


def measure(server: Server, plan: Plan, folder: Path) -> list[Sample]:
    """Take every sample; a system that fails a workload is not asked for it again."""
    benches = {system.name: _bench(system, server, plan.scale, folder) for system in plan.systems}
    steps = plan.steps()
    samples: list[Sample] = []
    failed: set[tuple[str, str]] = set()
    with _progress() as progress:
        task = progress.add_task("", total=len(steps))
        for number, workload, name in steps:
            progress.update(
                task, description=f"round {number} of {plan.rounds}: {workload}, {name}"
            )
            if (workload, name) not in failed:
                samples.append(_sample(number, workload, benches[name]))
                if samples[-1].failure:
                    failed.add((workload, name))
                    progress.console.print(
                        f"{workload}, {name}: {samples[-1].failure}", markup=False
                    )
            progress.advance(task)
    return samples


def tabulate(samples: Iterable[Sample]) -> Table:
    """Summarise the samples by system and figure."""
    values: dict[str, dict[str, list[float]]] = {}
    for sample in samples:
        for figure, value in sample.figures.items():
            values.setdefault(sample.system, {}).setdefault(figure, []).append(value)
    return {
        system: {figure: summarise(found) for figure, found in figures.items()}
        for system, figures in values.items()
    }


def _bench(system: System, server: Server, scale: Scale, folder: Path) -> Bench:
    board = folder / f"board-{system.name}"
    board.mkdir()
    hosts = Hosts(system, server.url, board, folder / f"{system.name}.log")
    return Bench(hosts, server, scale)


def _sample(number: int, workload: str, bench: Bench) -> Sample:
    began = time.monotonic()
    figures: Figures = {}
    failure = None
    try:
        figures = WORKLOADS[workload](bench)
    except SampleFailed as error:
        failure = str(error)
    name = bench.hosts.system.name
    return Sample(number, workload, name, time.monotonic() - began, figures, failure)


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns)
