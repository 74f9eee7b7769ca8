"""`almanac verify`: a line for each thing that was looked at, and what it comes to."""

import asyncio
from collections.abc import AsyncIterator

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

import service.operator  # noqa: F401 - it declares every job
from service.commands.terminal import err, out, print_json
from service.config import Settings
from service.verifying import checks, sample_jobs
from service.verifying.check import Check


def verify_installation(*, as_json: bool) -> None:
    """Print every check as it ends; exit 1 when one failed."""
    _report(checks.checks(Settings()), checks.count(), as_json=as_json)


def verify_jobs(*, as_json: bool) -> None:
    """Run every declared job on servers of its own and print how; exit 1 when one failed."""
    with sample_jobs.scratch(Settings()) as settings:
        _report(sample_jobs.runs(settings), sample_jobs.count(), as_json=as_json)


def _report(found: AsyncIterator[Check], count: int, *, as_json: bool) -> None:
    # On a terminal the bar stands below the lines; elsewhere it would only be noise.
    console = out if out.is_terminal and not as_json else Console(quiet=True)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("verifying", total=count)
        done = asyncio.run(_print(found, progress, task, as_json=as_json))
    failed = [check.name for check in done if not check.ok]
    if as_json:
        print_json({check.name: {"ok": check.ok, "detail": check.detail} for check in done})
    elif failed:
        err.print(f"[red]{len(failed)} of {len(done)} failed:[/] {escape(', '.join(failed))}")
    else:
        out.print(f"[green]All {len(done)} passed.[/]")
    raise typer.Exit(bool(failed))


async def _print(
    found: AsyncIterator[Check], progress: Progress, task: TaskID, *, as_json: bool
) -> list[Check]:
    done = []
    async for check in found:
        done.append(check)
        progress.advance(task)
        if not as_json:
            out.print(_line(check), highlight=False)
    return done


def _line(check: Check) -> Table:
    line = Table.grid(padding=(0, 2))
    line.add_column(width=4)
    line.add_column(width=20, overflow="fold")
    line.add_column(overflow="fold")
    sign = "[green]pass[/]" if check.ok else "[red]FAIL[/]"
    line.add_row(sign, escape(check.name), escape(check.detail))
    return line
