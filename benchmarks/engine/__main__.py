"""Measure Almanac's engine beside its peers, in one run, and judge what it promises.

    make bench                                    # everything: about 40 minutes
    python -m benchmarks.engine --short           # Almanac, arq and the fastest peer: 3 minutes
    python -m benchmarks.engine --only almanac,arq --workload noop,pickup --rounds 1

Needs Linux. The peers live in .venv-peers (`make peers`); those that are missing are left out.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.engine.bench import FULL, SHORT
from benchmarks.engine.conditions import conditions, versions
from benchmarks.engine.goals import judge
from benchmarks.engine.report import markdown
from benchmarks.engine.rounds import Plan, measure, tabulate
from benchmarks.engine.server import running
from benchmarks.engine.systems import ARQ, BARE, BY_NAME, OURS, SYSTEMS, System
from benchmarks.engine.workloads import WORKLOADS

FASTEST = ("ardiq", "repid")
"""The fastest peer, and the one that is when this is missing."""
ROUNDS = 3


def main() -> None:
    """Measure, print the page, and write the files that were asked for."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop as cleanly as by Ctrl-C
    systems = _systems(arguments.only, short=arguments.short)
    workloads = arguments.workload or list(WORKLOADS)
    rounds = arguments.rounds or (1 if arguments.short else ROUNDS)
    plan = Plan(systems, workloads, SHORT if arguments.short else FULL, rounds)
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as server:
        found = conditions(server, systems, rounds=rounds, short=arguments.short)
        samples = measure(server, plan, Path(name))
    table = tabulate(samples)
    failures = [f"{s.workload}, {s.system}: {s.failure}" for s in samples if s.failure]
    page = markdown(found, table, judge(table), failures)
    print(page)
    if arguments.markdown:
        arguments.markdown.write_text(page)
    if arguments.json:
        result = {"conditions": found, "samples": [sample.as_dict() for sample in samples]}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


def _systems(only: list[str] | None, *, short: bool) -> list[System]:
    """Choose the systems; those that are not installed are named and left out."""
    installed = [system for system in SYSTEMS if versions(system) is not None]
    missing = [system.name for system in SYSTEMS if system not in installed]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}", file=sys.stderr)
    if only is None and short:
        peers = [name for name in FASTEST if BY_NAME[name] in installed]
        only = [OURS, ARQ, BARE, *peers[:1]]
    return [system for system in installed if only is None or system.name in only]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="the quick form, one round")
    parser.add_argument("--only", type=_names(BY_NAME), metavar="SYSTEM,…", help=", ".join(BY_NAME))
    parser.add_argument(
        "--workload", type=_names(WORKLOADS), metavar="NAME,…", help=", ".join(WORKLOADS)
    )
    parser.add_argument("--rounds", type=int, help=f"{ROUNDS}, or 1 in the short form")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page")
    return parser.parse_args()


def _names(known: Mapping[str, object]) -> Callable[[str], list[str]]:
    """Return an argparse type: names separated by commas."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(unknown)}; known are {', '.join(known)}"
            )
        return names

    return parse


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("stopped before the end; nothing was written", file=sys.stderr)
        sys.exit(130)
