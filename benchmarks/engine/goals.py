"""What Almanac promises of its engine (design, section 7), judged on one run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.engine.statistics import Summary, number
from benchmarks.engine.systems import ARQ, BARE, OURS

Table = Mapping[str, Mapping[str, Summary]]
"""By system, then by figure."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A promise: a figure and the limit that it must reach or not exceed."""

    label: str
    limit: float
    measure: Callable[[Table], tuple[float, str] | None]
    """Its value and whom it was compared with, or None when that was not measured."""
    at_most: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal, judged."""

    label: str
    promised: str
    measured: str
    kept: bool | None
    """None when it was not measured."""


def judge(table: Table) -> list[Verdict]:
    """Judge every goal."""
    return [_judge(goal, table) for goal in GOALS]


def _judge(goal: Goal, table: Table) -> Verdict:
    sign = "≤" if goal.at_most else "≥"
    promised = f"{sign} {goal.limit:,g}{goal.unit}"
    found = goal.measure(table)
    if found is None:
        return Verdict(goal.label, promised, "not measured", None)
    value, against = found
    kept = value <= goal.limit if goal.at_most else value >= goal.limit
    measured = f"{number(value)}{goal.unit}{f' ({against})' if against else ''}"
    return Verdict(goal.label, promised, measured, kept)


def _own(figure: str) -> Callable[[Table], tuple[float, str] | None]:
    def measure(table: Table) -> tuple[float, str] | None:
        found = table.get(OURS, {}).get(figure)
        return None if found is None else (found.median, "")

    return measure


def _against(figure: str, other: str) -> Callable[[Table], tuple[float, str] | None]:
    def measure(table: Table) -> tuple[float, str] | None:
        ours, theirs = (table.get(name, {}).get(figure) for name in (OURS, other))
        if ours is None or theirs is None:
            return None
        return ours.median / theirs.median, f"{number(ours.median)} against {number(theirs.median)}"

    return measure


def _against_best(
    figure: str, best: Callable[..., str] = max
) -> Callable[[Table], tuple[float, str] | None]:
    def measure(table: Table) -> tuple[float, str] | None:
        peers = [name for name in table if name not in {OURS, BARE} and figure in table[name]]
        if not peers or figure not in table.get(OURS, {}):
            return None
        first = best(peers, key=lambda name: table[name][figure].median)
        found = _against(figure, first)(table)
        return None if found is None else (found[0], f"{found[1]}, {first}")

    return measure


GOALS = (
    Goal("no-op jobs, against tuned arq", 15, _against("noop_per_s", ARQ), unit=" x"),
    Goal("no-op jobs, against the fastest peer", 2.5, _against_best("noop_per_s"), unit=" x"),
    Goal("no-op jobs, against a bare loop", 0.7, _against("noop_per_s", BARE), unit=" x"),
    Goal("bulk enqueue, against arq", 12, _against("bulk_per_s", ARQ), unit=" x"),
    Goal("bulk enqueue, against the fastest peer", 1, _against_best("bulk_per_s"), unit=" x"),
    Goal("10 ms jobs, 100 slots", 8_000, _own("io100_per_s"), unit=" /s"),
    Goal("10 ms jobs, 500 slots", 30_000, _own("io500_per_s"), unit=" /s"),
    Goal("second worker process", 1.6, _own("second_process_ratio"), unit=" x"),
    Goal("pick-up p50", 0.9, _own("pickup_p50_ms"), at_most=True, unit=" ms"),
    Goal("pick-up p99", 2, _own("pickup_p99_ms"), at_most=True, unit=" ms"),
    Goal(
        "pick-up p50, against the best peer",
        1,
        _against_best("pickup_p50_ms", min),
        at_most=True,
        unit=" x",
    ),
    Goal(
        "pick-up p99, against the best peer",
        1,
        _against_best("pickup_p99_ms", min),
        at_most=True,
        unit=" x",
    ),
    Goal("lateness of deferred jobs p99", 3.6, _own("late_p99_ms"), at_most=True, unit=" ms"),
    Goal("earliest deferred job", 0, _own("earliest_ms"), unit=" ms"),
    Goal("commands per second, idle", 0.5, _own("idle_commands_per_s"), at_most=True, unit=" /s"),
    Goal("processor, idle", 0.2, _own("idle_cpu_percent"), at_most=True, unit=" %"),
    Goal(
        "cost per job over all backlogs", 20, _own("flat_spread_percent"), at_most=True, unit=" %"
    ),
    Goal("worker memory", 40, _own("rss_mib"), at_most=True, unit=" MiB"),
)
