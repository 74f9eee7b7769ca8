"""`almanac dead`: jobs that will not be retried by themselves."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, TypeVar

import typer

from service.access.caller import Caller
from service.commands.acting import on_runtime
from service.commands.history import print_page
from service.commands.terminal import Json, QueueName, err, out, print_json
from service.kit.pagination import MAX_LIMIT
from service.monitoring import dead, dead_steering
from service.monitoring.auditing import note
from service.monitoring.dead_queries import Wanted
from service.monitoring.schemas import DeadSelection
from service.operator import OPERATOR
from service.runtime import Runtime

T = TypeVar("T")

app = typer.Typer()
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of jobs")]
Name = Annotated[str | None, typer.Option(help="Such as posts.sweep")]
ErrorClass = Annotated[
    str | None, typer.Option("--error", help="Class of the last error, such as TimeoutError")
]
Everything = Annotated[bool, typer.Option("--all", help="Really all of them")]


@app.command("list")
def list_dead(
    *, name: Name = None, queue: QueueName = None, error: ErrorClass = None, as_json: Json = False
) -> None:
    """List dead jobs, the latest first."""
    wanted = Wanted(name=name, queue=queue, error=error)
    found = on_runtime(lambda runtime: dead.page(runtime, OPERATOR, wanted, MAX_LIMIT, None))
    columns = ("died_at", "name", "tries")
    print_page(found.model_dump(mode="json"), columns, "error", as_json=as_json)


@app.command("replay")
def replay_dead(  # noqa: PLR0913 - one parameter is one option
    *,
    ids: Ids = None,
    name: Name = None,
    queue: QueueName = None,
    error: ErrorClass = None,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """Let dead jobs run again, as if they had never run."""
    which = _selection(ids, name, queue, error, everything=everything)
    done = _act(which, "dead.replay", dead_steering.replay)
    _print_counts({"replayed": done.replayed, "left": done.left}, as_json=as_json)
    for job_id, reason in done.refused.items():
        err.print(f"{job_id}: {reason}", soft_wrap=True)


@app.command("discard")
def discard_dead(  # noqa: PLR0913 - one parameter is one option
    *,
    ids: Ids = None,
    name: Name = None,
    queue: QueueName = None,
    error: ErrorClass = None,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """Forget dead jobs for good."""
    which = _selection(ids, name, queue, error, everything=everything)
    count = _act(which, "dead.discard", dead_steering.discard)
    _print_counts({"discarded": count}, as_json=as_json)


def _selection(
    ids: Sequence[str] | None,
    name: str | None,
    queue: str | None,
    error: str | None,
    *,
    everything: bool,
) -> DeadSelection:
    return DeadSelection(
        ids=list(ids) if ids else None, name=name, queue=queue, error=error, all=everything
    )


def _act(
    which: DeadSelection,
    action: str,
    act: Callable[[Runtime, Caller, Wanted], Coroutine[Any, Any, T]],
) -> T:
    """Do something to the jobs that are meant, once the audit log has it."""

    async def noted(runtime: Runtime) -> T:
        wanted = dead.wanted_of(which)
        told = which.model_dump(exclude_defaults=True)
        await note(runtime, OPERATOR, action, "dead jobs", **told)
        return await act(runtime, OPERATOR, wanted)

    return on_runtime(noted)


def _print_counts(counts: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        print_json(counts)
    else:
        out.print(", ".join(f"{count} {what}" for what, count in counts.items()))
