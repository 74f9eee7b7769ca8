"""`almanac status`: what is up, what waits, how jobs fared."""

from datetime import timedelta
from typing import Any

import typer
from rich.console import Console

import service.operator  # noqa: F401 - it declares every job
from service.commands.acting import on_runtime
from service.commands.history import period
from service.commands.terminal import err, out, print_json, table_of
from service.monitoring.status import status
from service.runtime import Runtime, ServersDown
from service.verifying.parts import parts


def show_status(since: str, *, as_json: bool) -> None:
    """Print what is up and the report of a period; exit 1 when something is down."""
    length = period(since)
    try:
        found = on_runtime(lambda runtime: find_status(runtime, length))
    except ServersDown as error:
        found = {"parts": {"servers": {"ok": False, "detail": error.message}}}
    down = [name for name, part in found["parts"].items() if not part["ok"]]
    if as_json:
        print_json(found)
    else:
        print_parts(found, out)
        if "queues" in found:
            print_status(found, out)
        if down:
            err.print(f"[red]Down:[/] {', '.join(down)}", soft_wrap=True)
    raise typer.Exit(bool(down))


async def find_status(runtime: Runtime, length: timedelta) -> dict[str, Any]:
    """Return the parts of the installation and, if PostgreSQL is there, the report."""
    looked_at = await parts(runtime)
    up = {part.name: {"ok": part.ok, "detail": part.detail} for part in looked_at}
    found: dict[str, Any] = {"parts": up}
    return found | await status(runtime, length) if up["PostgreSQL"]["ok"] else found


def print_parts(found: dict[str, Any], console: Console) -> None:
    """Print which part is up."""
    rows = [("up" if p["ok"] else "DOWN", name, p["detail"]) for name, p in found["parts"].items()]
    console.print(table_of(("", "part", "found"), rows))


def print_status(found: dict[str, Any], console: Console) -> None:
    """Print the report as tables."""
    for group, title in (("paths", "who ran it"), ("jobs", "job"), ("days", "day (UTC)")):
        rows = [
            (name, ends["succeeded"], ends["failed"], f"{ends['rate']:.1%}")
            for name, ends in found[group].items()
        ]
        if rows:
            console.print(table_of((title, "#succeeded", "#failed", "#success"), rows))
    queues = [_queue(name, queue) for name, queue in found["queues"].items()]
    console.print(table_of(("queue", "#waiting", "#oldest", "#workers", ""), queues))


def _queue(name: str, queue: dict[str, Any]) -> tuple[object, ...]:
    workers = "?" if queue["workers"] is None else queue["workers"]
    notes = [queue["problem"], "paused" if queue["paused"] else None]
    oldest = f"{queue['oldest']:.0f} s"
    return name, queue["waiting"], oldest, workers, " ".join(filter(None, notes))
