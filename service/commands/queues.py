"""`almanac queues`: what waits, and steering whole queues."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from service import queue
from service.commands.acting import on_runtime
from service.commands.terminal import Json, out, print_json, print_rows, span
from service.errors import InvalidInput, Problem
from service.monitoring import queue_views
from service.monitoring.auditing import note
from service.monitoring.queue_views import Percentiles, QueueView
from service.monitoring.queues import queue_keys
from service.operator import OPERATOR
from service.queue import Purged
from service.queue.presence import queue_name
from service.runtime import Runtime

app = typer.Typer()
COLUMNS = (
    *("queue", "#ready", "#running", "#deferred", "#dead", "#oldest"),
    *("#/min", "#wait s", "#took s", ""),
)
"""Waits and durations are those that half of the runs, and 95 % of them, stay below."""
Name = Annotated[str, typer.Argument(help="Such as publishing")]


@app.command("list")
def list_queues(*, as_json: Json = False) -> None:
    """List queues: what is ready, runs, waits for its time or is dead, how fast, and who serves."""
    found = on_runtime(queue_views.queues)
    if as_json:
        print_json({"items": [asdict(each) for each in found], "next_cursor": None})
        return
    shown = [view for view in found if is_of_interest(view)]
    print_rows(COLUMNS, map(cells, shown))
    if len(found) > len(shown):
        out.print(f"{len(found) - len(shown)} more queues have neither jobs nor workers")


def is_of_interest(view: QueueView) -> bool:
    """Whether a queue has jobs, of whatever kind, or workers, or is paused."""
    jobs = view.ready + view.running + view.deferred + view.dead
    return bool(jobs or view.workers or view.paused)


def cells(found: QueueView) -> tuple[object, ...]:
    """Return the row of a queue in a table."""
    return (
        found.name,
        found.ready,
        found.running,
        found.deferred,
        found.dead,
        span(found.oldest_age) if found.ready else "",
        f"{found.rate:.1f}",
        _pair(found.wait),
        _pair(found.duration),
        ", ".join(_served(found)),
    )


def _served(found: QueueView) -> Iterator[str]:
    if found.workers or found.problem != "no living worker":
        yield f"{found.workers} worker{'' if found.workers == 1 else 's'}"
    if found.problem:
        yield found.problem
    elif found.paused:
        yield "paused"


def _pair(found: Percentiles | None) -> str:
    return f"{found.p50:.2f}/{found.p95:.2f}" if found else ""


@app.command("pause")
def pause_queue(name: Name) -> None:
    """Let no worker start a job of a queue; running ones run on."""
    on_runtime(lambda runtime: _steer(runtime, "pause", name))
    out.print(f"{name} is paused; resume it with: almanac queues resume {name}")


@app.command("resume")
def resume_queue(name: Name) -> None:
    """Let the jobs of a paused queue start again."""
    on_runtime(lambda runtime: _steer(runtime, "resume", name))
    out.print(f"{name} runs")


async def _steer(runtime: Runtime, verb: Literal["pause", "resume"], name: str) -> None:
    key = await queue_views.known_key(runtime, name)
    await note(runtime, OPERATOR, f"queues.{verb}", f"queue:{name}")
    await (queue.pause if verb == "pause" else queue.resume)(runtime.queue, key)


@app.command("purge")
def purge_queues(
    *,
    queues: Annotated[
        list[str] | None, typer.Option("--queue", "-Q", help="Only this one; may be repeated")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    cancel_owners: Annotated[
        bool, typer.Option("--cancel-owners", help="Also what rows wait for, and cancel the rows")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove every job that waits in a queue, or in all; jobs of rows are left to their rows."""
    if not yes:
        _ask(", ".join(queues) if queues else "all queues")
    found = on_runtime(lambda runtime: _purge(runtime, queues, cancel_owners=cancel_owners))
    if as_json:
        print_json({name: asdict(purged) for name, purged in found.items()})
        return
    rows = [(n, p.removed, p.kept_owned, p.running_left) for n, p in found.items()]
    shown = [row for row in rows if queues or any(row[1:])]
    if shown:
        print_rows(("queue", "#removed", "#left to their rows", "#left running"), shown)
    out.print(f"{sum(purged.removed for purged in found.values())} jobs removed")


def _ask(meant: str) -> None:
    """Ask on a terminal; elsewhere refuse."""
    if not sys.stdin.isatty():
        raise InvalidInput([Problem("--yes", f"is needed to purge {meant}; nothing was removed")])
    typer.confirm(f"Remove every job that waits in {meant}?", abort=True)


async def _purge(
    runtime: Runtime, names: Sequence[str] | None, *, cancel_owners: bool
) -> dict[str, Purged]:
    keys = [await queue_views.known_key(runtime, n) for n in names] if names else queue_keys()
    resolve = runtime.owners(OPERATOR) if cancel_owners else None
    found = {}
    for key in keys:
        name = queue_name(key)
        await note(runtime, OPERATOR, "queues.purge", f"queue:{name}", cancel_owners=cancel_owners)
        found[name] = await queue.purge(
            runtime.queue, key, cancel_owners=cancel_owners, resolve=resolve
        )
    return found
