"""Run the scenarios in full size and print the table: python -m tests.chaos.engine [R1 R5 …]."""

import argparse
import asyncio
import contextlib
import io
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.engine.catalogue import SCENARIOS
from tests.chaos.engine.scenario import Findings, Scenario, Size, prepared


@contextlib.contextmanager
def _folder(kept: Path | None, name: str) -> Iterator[Path]:
    """A folder for one scenario: below the one to keep, or one that goes away."""
    if kept is not None:
        folder = kept / name
        folder.mkdir(parents=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="chaos", ignore_cleanup_errors=True) as made:
        yield Path(made)


async def _play(chosen: Scenario, folder: Path, size: Size, findings: Findings) -> None:
    async with prepared(chosen, folder, size, findings) as site:
        await chosen.play(site)


def _played(chosen: Scenario, size: Size, kept: Path | None) -> Findings:
    """Play one; what it raises breaks its pass line and does not end the others."""
    begun, findings = time.monotonic(), Findings()
    with _folder(kept, chosen.name) as folder:
        try:
            asyncio.run(_play(chosen, folder, size, findings))
        except Exception as error:  # noqa: BLE001 - a scenario may break in any way
            findings.broken.append(f"{type(error).__name__}: {error}")
            traceback.print_exc(file=sys.stderr)
    findings.figure("took s", round(time.monotonic() - begun, 1))
    return findings


def table(found: Sequence[tuple[Scenario, Findings]]) -> str:
    """Return the table of all that was played."""
    shown = Table("scenario", "injected", "figures", "pass line", "result", show_lines=True)
    for chosen, findings in found:
        figures = ", ".join(f"{name} {value}" for name, value in findings.figures.items())
        result = "\n".join(findings.broken) or "passed"
        shown.add_row(chosen.name, chosen.injected, figures, chosen.passes, result)
    console = Console(file=io.StringIO(), width=200)
    console.print(shown, markup=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def main() -> int:
    """Return 0 when every pass line held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.engine", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="R1", help="only these; default: all")
    parser.add_argument("--short", action="store_true", help="the sizes of the test suite")
    parser.add_argument("--outage", type=float, default=60, help="seconds of R6's outage")
    parser.add_argument("--backlog", type=int, default=200_000, help="jobs of R31")
    parser.add_argument("--payload", type=int, default=64, help="MiB of R16's largest payload")
    parser.add_argument("--keep", type=Path, help="keep ledgers and logs in this new folder")
    given = parser.parse_args()
    if unknown := set(given.scenarios) - {known.name for known in SCENARIOS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    size = Size(not given.short, given.outage, given.backlog, given.payload)
    found = []
    for chosen in SCENARIOS:
        if not given.scenarios or chosen.name in given.scenarios:
            found.append((chosen, _played(chosen, size, given.keep)))
            sys.stdout.write(f"{chosen.name} {found[-1][1].broken or 'passed'}\n")
            sys.stdout.flush()
    sys.stdout.write(table(found))
    return int(any(findings.broken for _, findings in found))


if __name__ == "__main__":
    sys.exit(main())
