"""`almanac dead`. Heavy modules are imported inside the commands, as in `service.cli`."""

from typing import Annotated

import typer

dead = typer.Typer(help="Jobs that will not be retried by themselves.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of jobs")]
Name = Annotated[str | None, typer.Option(help="Such as posts.sweep")]
QueueName = Annotated[str | None, typer.Option("--queue", help="Such as publishing")]
ErrorClass = Annotated[
    str | None, typer.Option("--error", help="Class of the last error, such as TimeoutError")
]
Everything = Annotated[bool, typer.Option("--all", help="Really all of them")]


@dead.command("list")
def list_dead(
    name: Name = None, queue: QueueName = None, error: ErrorClass = None, as_json: Json = False
) -> None:
    """List dead jobs, the latest first."""
    from service.history_command import list_dead_jobs

    list_dead_jobs(name, queue, error, as_json=as_json)


@dead.command("replay")
def replay_dead(  # noqa: PLR0913, PLR0917 - one parameter is one option
    ids: Ids = None,
    name: Name = None,
    queue: QueueName = None,
    error: ErrorClass = None,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """Let dead jobs run again, as if they had never run."""
    from service.history_command import replay_dead_jobs, selection

    replay_dead_jobs(selection(ids, name, queue, error, everything=everything), as_json=as_json)


@dead.command("discard")
def discard_dead(  # noqa: PLR0913, PLR0917 - one parameter is one option
    ids: Ids = None,
    name: Name = None,
    queue: QueueName = None,
    error: ErrorClass = None,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """Forget dead jobs for good."""
    from service.history_command import discard_dead_jobs, selection

    discard_dead_jobs(selection(ids, name, queue, error, everything=everything), as_json=as_json)
