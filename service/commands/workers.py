"""`almanac workers`: who runs jobs, and telling them what to do."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from service.commands.acting import on_runtime
from service.commands.terminal import (
    Json,
    moment,
    out,
    print_fields,
    print_json,
    print_rows,
    span,
)
from service.errors import InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.monitoring.auditing import note
from service.operator import OPERATOR
from service.queue import control, presence
from service.queue.control import Answer, Command
from service.queue.presence import WorkerView
from service.runtime import Runtime

app = typer.Typer()
COLUMNS = (
    *("worker", "queue", "state", "#seen", "#up", "#jobs", "#done", "#failed", "#retried"),
    *("#MiB", "#lag ms", "lease"),
)
Names = Annotated[list[str] | None, typer.Argument(help="As `almanac workers list` has them")]
Everybody = Annotated[bool, typer.Option("--all", help="Really all of them")]


@app.command("list")
def list_workers(*, as_json: Json = False) -> None:
    """List workers with their queue, slots, counts, memory and leases."""
    found = on_runtime(lambda runtime: presence.workers(runtime.queue))
    if as_json:
        print_json({"items": msgspec.to_builtins(found), "next_cursor": None})
        return
    print_rows(COLUMNS, map(cells, found))
    if not found:
        out.print("No worker is known: start one, such as: almanac worker publishing")


def cells(worker: WorkerView) -> tuple[object, ...]:
    """Return the row of a worker in a table."""
    at = now()
    return (
        worker.name,
        worker.queue,
        worker.state,
        span(max(0.0, (at - worker.seen_at).total_seconds())),
        span((at - worker.started_at).total_seconds()),
        f"{worker.busy}/{worker.open}",
        worker.done,
        worker.failed,
        worker.retried,
        f"{worker.memory_mib:.0f}",
        f"{worker.loop_lag_ms:.0f}",
        worker.lease + (f" ({worker.leases_lost} lost)" if worker.leases_lost else ""),
    )


@app.command("show")
def show_workers(*, names: Names = None, as_json: Json = False) -> None:
    """Show what workers can run and what they are running; without names, all of them."""
    found = [w for w in on_runtime(lambda r: presence.workers(r.queue)) if _meant(w.name, names)]
    _check_known(names, found)
    if as_json:
        print_json({"items": msgspec.to_builtins(found), "next_cursor": None})
        return
    for worker in found:
        _print(worker)


def _print(worker: WorkerView) -> None:
    fields: dict[str, Any] = msgspec.to_builtins(worker)
    fields["functions"] = ", ".join(worker.functions)
    fields["load_average"] = " ".join(f"{load:.2f}" for load in worker.load_average)
    del fields["running"]
    print_fields(fields)
    rows = [(job.id, job.name, moment(job.started_at), job.tries) for job in worker.running]
    if rows:
        print_rows(("id", "running", "since", "#try"), rows)
    out.print()


@app.command("ping")
def ping_workers(
    names: Names = None,
    *,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait")] = 3,
    as_json: Json = False,
) -> None:
    """Ask workers for a sign of life; exit 1 if one does not answer, or there is none."""
    answers = _tell("ping", names, timeout)
    if as_json:
        print_json({name: answer and msgspec.to_builtins(answer) for name, answer in answers})
    else:
        for name, answer in answers:
            said = f"{answer.said}, loop lag {answer.loop_lag_ms:.1f} ms" if answer else "no answer"
            out.print(f"{name}: {said}", soft_wrap=True)
        if not answers:
            out.print("No worker is alive: start one, such as: almanac worker publishing")
    raise typer.Exit(not answers or not all(answer for _, answer in answers))


@app.command("quiet")
def quiet_workers(*, names: Names = None, everybody: Everybody = False) -> None:
    """Let workers take no new job; running ones go on."""
    _steer("quiet", names, everybody=everybody)


@app.command("resume")
def resume_workers(*, names: Names = None, everybody: Everybody = False) -> None:
    """Let quiet workers take jobs again."""
    _steer("resume", names, everybody=everybody)


@app.command("shutdown")
def shut_workers_down(*, names: Names = None, everybody: Everybody = False) -> None:
    """Stop workers as SIGTERM does: what runs is finished first; a supervisor starts them again."""
    _steer("shutdown", names, everybody=everybody)


def _steer(command: Command, names: Sequence[str] | None, *, everybody: bool) -> None:
    if bool(names) == everybody:
        raise InvalidInput([Problem("NAME", "say which workers by their names; or only --all")])
    answers = _tell(command, names, 3)
    for name, answer in answers:
        out.print(f"{name}: {answer.said if answer else 'no answer'}", soft_wrap=True)
    if not answers:
        out.print("No worker is alive")
    raise typer.Exit(not answers or not all(answer for _, answer in answers))


def _tell(
    command: Command, names: Sequence[str] | None, timeout: float
) -> list[tuple[str, Answer | None]]:
    """Tell living workers something at the same time, and return what each says."""

    async def tell(runtime: Runtime) -> list[tuple[str, Answer | None]]:
        alive = {worker.name for worker in await presence.alive(runtime.queue)}
        for name in names or ():
            if name not in alive:
                raise NotFound(f"No worker '{name}' is alive: see almanac workers list")
        chosen = sorted(names or alive)
        if command != "ping":
            for name in chosen:
                await note(runtime, OPERATOR, f"workers.{command}", f"worker:{name}")
        asked = (
            control.tell(runtime.queue, name, command, by=OPERATOR.actor, timeout=timeout)
            for name in chosen
        )
        return list(zip(chosen, await asyncio.gather(*asked), strict=True))

    return on_runtime(tell)


def _meant(name: str, names: Sequence[str] | None) -> bool:
    return not names or name in names


def _check_known(names: Sequence[str] | None, found: Sequence[WorkerView]) -> None:
    for name in names or ():
        if name not in {worker.name for worker in found}:
            raise NotFound(f"There is no worker '{name}': see almanac workers list")
