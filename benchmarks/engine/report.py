"""The figures as a page of Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.engine.goals import Table, Verdict
from benchmarks.engine.statistics import Summary, number

COLUMNS = (
    ("no-op jobs/s", ("noop_per_s",)),
    ("commands / reads per job", ("commands_per_job", "reads_per_job")),
    ("10 ms jobs/s, 100 / 500 slots", ("io100_per_s", "io500_per_s")),
    ("2nd process x", ("second_process_ratio",)),
    ("enqueue/s, single / bulk", ("single_per_s", "bulk_per_s")),
    ("pick-up p50 / p99 ms", ("pickup_p50_ms", "pickup_p99_ms")),
    ("late p50 / p99 ms", ("late_p50_ms", "late_p99_ms")),
    ("earliest ms", ("earliest_ms",)),
    ("idle commands/s / CPU %", ("idle_commands_per_s", "idle_cpu_percent")),
    ("RSS MiB, idle / busy", ("rss_mib", "rss_busy_mib")),
)
_METHOD = """\
Every system has a worker process of its own on the same server, emptied before each sample; the \
systems take turns in each round. Medians over the rounds, in brackets the lowest and the highest. \
A job counts itself in shared memory when its work is done, at the same cost in every system; the \
first tenth of a backlog is warm-up; that every result is stored is checked after each sample. \
Pick-up is from the call of enqueue to the job's start, one clock, gaps of 5 to 15 ms. \
Commands and reads are the server's own counts, commands inside scripts included."""


def markdown(
    conditions: Mapping[str, Any],
    table: Table,
    verdicts: Sequence[Verdict],
    failures: Sequence[str],
) -> str:
    """Render conditions, promises, the table of systems and what failed."""
    parts = [
        "# The engine beside its peers",
        _conditions(conditions),
        _METHOD,
        "## Promises",
        _grid(("promise", "figure", "measured", "kept"), map(_promise, verdicts)),
        "## Systems",
        _grid(
            ("system", *(title for title, _ in COLUMNS)),
            (
                [name, *(_cell(figures, keys) for _, keys in COLUMNS)]
                for name, figures in table.items()
            ),
        ),
        _backlogs(table),
        "## Configurations",
        _grid(("system", "configuration", "versions"), _configurations(conditions["systems"])),
    ]
    if failures:
        parts += ["## Failed", "\n".join(f"- {failure}" for failure in failures)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _conditions(found: Mapping[str, Any]) -> str:
    run = "short form" if found["short"] else "full form"
    return (
        f"{found['date']}: {found['cores']} cores ({found['processor']}), {found['system']}, "
        f"Python {found['python']}, {found['server']}; {run}, {found['rounds']} rounds, "
        f"load before the run {found['load_before']}."
    )


def _promise(verdict: Verdict) -> list[str]:
    kept = {True: "yes", False: "**no**", None: "-"}[verdict.kept]
    return [verdict.label, verdict.promised, verdict.measured, kept]


def _cell(figures: Mapping[str, Summary], keys: Sequence[str]) -> str:
    found = [figures.get(key) for key in keys]
    if not any(found):
        return "-"
    return " / ".join(_summary(summary) if summary else "-" for summary in found)


def _summary(summary: Summary) -> str:
    if summary.rounds == 1:
        return number(summary.median)
    return f"{number(summary.median)} ({number(summary.low)}-{number(summary.high)})"


def _backlogs(table: Table) -> str:
    measured = {
        name: figures for name, figures in table.items() if "flat_spread_percent" in figures
    }
    if not measured:
        return ""
    keys = [key for key in next(iter(measured.values())) if key.startswith("job_us_")]
    titles = [key.removeprefix("job_us_").replace("_", " ") for key in keys]
    rows = ([name, *(_summary(figures[key]) for key in keys)] for name, figures in measured.items())
    grid = _grid(("µs per job, backlog", *titles), rows)
    return f"## Backlogs\n\n{grid}"


def _configurations(systems: Mapping[str, Any]) -> list[list[str]]:
    return [
        [name, found["configuration"], ", ".join(found["versions"] or ["not installed"])]
        for name, found in systems.items()
    ]


def _grid(titles: Sequence[str], rows: Any) -> str:
    lines = [list(titles), ["---"] * len(titles), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
