"""The `almanac` command. Heavy modules are imported inside the commands that need them."""

import asyncio
import json
import sys
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service.cli_dead import dead
from service.config import Settings, explain
from service.errors import AlmanacError
from service.kit.logging import configure_logging

app = typer.Typer(
    help="Schedules posts and publishes them once, on time.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
jobs = typer.Typer(help="Jobs, waiting, running or finished.", no_args_is_help=True)
schedules = typer.Typer(help="Periodic jobs.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(jobs, name="jobs")
app.add_typer(dead, name="dead")
app.add_typer(schedules, name="schedules")

out = Console()
err = Console(stderr=True)
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Json = Annotated[bool, typer.Option("--json", help="Print JSON")]


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, default=str) + "\n")


def _start_logging(settings: Settings) -> None:
    configure_logging(settings.log_level, json=settings.production)


@app.command()
def up() -> None:
    """Run API and all workers, on embedded servers where no URLs are set; Ctrl-C stops all."""
    from service.stack_command import run_up

    settings = Settings()
    _start_logging(settings)
    run_up(settings, out)


@app.command()
def demo(
    platform: Annotated[str, typer.Option(help="feed, mastodon, bluesky or webhook")] = "feed",
    url: Annotated[str | None, typer.Option(help="The server, or the webhook's URL")] = None,
    token: Annotated[str | None, typer.Option(help="Access token or app password")] = None,
    handle: Annotated[str, typer.Option(help="Feed name, or Bluesky handle")] = "demo",
    delay: Annotated[float, typer.Option(min=0, help="Seconds until the post is due")] = 3.0,
) -> None:
    """Schedule a post a few seconds ahead, publish it, and show where it is."""
    from service.demo import Destination, run_demo

    settings = Settings()
    configure_logging("WARNING", json=False)
    run_demo(settings, Destination(platform, url, token, handle), delay, out)


@app.command()
def api() -> None:
    """Run the HTTP API."""
    import uvicorn

    from service.app import create_app
    from service.runtime import with_servers

    settings = with_servers(Settings())
    _start_logging(settings)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )


@app.command()
def worker(  # noqa: PLR0913, PLR0917 - one parameter is one option
    queues: Annotated[list[str], typer.Argument(help="Queues to serve, such as: publishing")],
    concurrency: Annotated[
        str | None, typer.Option(metavar="N|MIN..MAX", help="Jobs at a time, per queue")
    ] = None,
    prefetch: Annotated[
        int | None, typer.Option(min=0, help="Jobs to claim ahead of a free slot")
    ] = None,
    max_jobs: Annotated[
        int | None, typer.Option(min=1, help="Jobs after which a process is replaced")
    ] = None,
    max_memory: Annotated[
        int | None, typer.Option(min=1, metavar="MIB", help="Memory above which it is replaced")
    ] = None,
    processes: Annotated[
        str, typer.Option(metavar="N|MIN..MAX", help="Processes; a range follows the backlog")
    ] = "1",
    log_level: Annotated[
        LogLevel | None, typer.Option(case_sensitive=False, help="Instead of ALMANAC_LOG_LEVEL")
    ] = None,
    burst: Annotated[bool, typer.Option("--burst", help="Stop when the queues are empty")] = False,
    supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False,
) -> None:
    """Serve one or several queues."""
    from service.worker_command import WorkerOptions, run_worker

    settings = Settings()
    if log_level is not None:
        settings = settings.model_copy(update={"log_level": log_level})
    _start_logging(settings)
    options = WorkerOptions(
        queues=queues,
        concurrency=concurrency,
        prefetch=prefetch,
        max_jobs=max_jobs,
        max_memory=max_memory,
        processes=processes,
        log_level=log_level,
        burst=burst,
        supervised=supervised,
    )
    run_worker(settings, options)


@app.command(name="migrate")
def migrate_command() -> None:
    """Bring the database schema up to date; safe to run at the same time elsewhere."""
    from service.db.migrate import upgrade
    from service.runtime import database_url

    revision = asyncio.run(upgrade(database_url(Settings())))
    out.print(f"The schema is at revision {revision}")


@app.command()
def conf(as_json: Json = False) -> None:
    """Show the settings in force and what they come to for jobs; secrets are masked."""
    from service.effective import effective

    found = effective(Settings())
    if as_json:
        _print_json(found)
        return
    for title, values in found.items():
        table = Table(title=title, show_header=False)
        for name, value in values.items():
            shown = (
                "\n".join(f"{k}: {v}" for k, v in value.items())
                if isinstance(value, dict)
                else value
            )
            table.add_row(name, escape(str(shown)))
        out.print(table)


@app.command()
def verify(as_json: Json = False) -> None:
    """Check settings, servers, schema and keys; exit 1 when something is wrong."""
    from service.verify import checks

    found = asyncio.run(checks(Settings()))
    if as_json:
        _print_json({check.name: {"ok": check.ok, "detail": check.detail} for check in found})
    else:
        table = Table("", "check", "found")
        for check in found:
            table.add_row("[green]ok[/]" if check.ok else "[red]no[/]", check.name, check.detail)
        out.print(table)
    raise typer.Exit(not all(check.ok for check in found))


@app.command()
def status(
    since: Annotated[str, typer.Option(metavar="PERIOD", help="Such as 7d, 12h or 30m")] = "7d",
    as_json: Json = False,
) -> None:
    """Show how jobs fared, who ran them, what waits and which queues nobody serves."""
    from service.status_command import find_status, print_status

    found = find_status(Settings(), since)
    if as_json:
        _print_json(found)
    else:
        print_status(found, out)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for")],
    scope: Annotated[list[str], typer.Option(help="May be given several times")],
    user: Annotated[str, typer.Option(help="Who owns what the key makes")] = "admin",
    as_json: Json = False,
) -> None:
    """Make an API key; it is shown once."""
    from service.operator import make_key

    key = asyncio.run(make_key(Settings(), name, scope, user))
    if as_json:
        _print_json({"key": key})
    else:
        out.print(f"{key}\n[dim]Keep it now: it is not shown again.[/]", soft_wrap=True)


@jobs.command("enqueue")
def enqueue_job(
    name: Annotated[str, typer.Argument(help="Such as posts.sweep; docs/jobs.md lists all")],
    arguments: Annotated[str, typer.Option("--args", help="A JSON object")] = "{}",
    sync: Annotated[bool, typer.Option("--sync", help="Run it here and print its result")] = False,
    as_json: Json = False,
) -> None:
    """Send a job to its queue, or run it in this process."""
    from service.operator import enqueue, job_call, run_here

    try:
        given = json.loads(arguments)
    except ValueError as error:
        raise typer.BadParameter(f"--args is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise typer.BadParameter('--args must be a JSON object such as {"batch_id": "…"}')
    call = job_call(name, given)
    if sync:
        _print_json(asyncio.run(run_here(Settings(), call)))
        return
    job_id = asyncio.run(enqueue(Settings(), call))
    if as_json:
        _print_json({"id": job_id})
    else:
        out.print(job_id)


@jobs.command("list")
def list_jobs(
    name: Annotated[str | None, typer.Option(help="Such as posts.sweep")] = None,
    state: Annotated[
        str | None, typer.Option(help="succeeded, failed, cancelled or retrying")
    ] = None,
    queue: Annotated[str | None, typer.Option(help="Such as publishing")] = None,
    since: Annotated[str | None, typer.Option(help="Such as 7d, 12h or 30m")] = None,
    as_json: Json = False,
) -> None:
    """List the latest runs in the history."""
    from service.history_command import list_runs

    list_runs(name, state, queue, since, as_json=as_json)


@jobs.command("show")
def show_job(job_id: str, as_json: Json = False) -> None:
    """Show one job."""
    _job(job_id, 0, as_json=as_json)


@jobs.command("wait")
def wait_job(
    job_id: str,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait")] = 60,
    as_json: Json = False,
) -> None:
    """Wait until a job has ended; exit 1 unless it succeeded."""
    state = _job(job_id, timeout, as_json=as_json)
    raise typer.Exit(state != "succeeded")


def _job(job_id: str, timeout: float, *, as_json: bool) -> str:
    from service.operator import find_job

    job = asyncio.run(find_job(Settings(), job_id, timeout))
    fields = job.model_dump(mode="json")
    if as_json:
        _print_json(fields)
    else:
        table = Table.grid(padding=(0, 2))
        for name, value in fields.items():
            if value is not None:
                table.add_row(f"[dim]{name}[/]", str(value))
        out.print(table)
    return job.state


@schedules.command("list")
def list_schedules(as_json: Json = False) -> None:
    """List every periodic job: when it runs, in which zone, its last and its next run."""
    from service.schedules_command import list_all, print_all

    found = asyncio.run(list_all(Settings()))
    if as_json:
        _print_json(found.model_dump(mode="json"))
    else:
        print_all(found, out)


@schedules.command("run")
def run_schedule(
    name: Annotated[str, typer.Argument(help="Name or id")], as_json: Json = False
) -> None:
    """Run a schedule's job now, and print the job's id."""
    from service.schedules_command import run

    job_id = asyncio.run(run(Settings(), name))
    if as_json:
        _print_json({"job_id": job_id})
    else:
        out.print(job_id, soft_wrap=True)


@schedules.command("pause")
def pause_schedule(name: Annotated[str, typer.Argument(help="Name or id")]) -> None:
    """Let no tick of a schedule fire until it is resumed."""
    from service.schedules_command import pause

    asyncio.run(pause(Settings(), name))


@schedules.command("resume")
def resume_schedule(name: Annotated[str, typer.Argument(help="Name or id")]) -> None:
    """Let a schedule tick again, from now on."""
    from service.schedules_command import resume

    asyncio.run(resume(Settings(), name))


def _in_one_line(error: BaseException) -> str | None:
    """Return what a known failure means for the person; None for one that we did not foresee."""
    from pydantic import ValidationError
    from redis.exceptions import RedisError
    from sqlalchemy.exc import DBAPIError

    if isinstance(error, AlmanacError):
        return error.message
    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        return explain(error)
    if isinstance(error, DBAPIError):
        return f"PostgreSQL: {error.orig}"
    if isinstance(error, RedisError | OSError):
        return f"A server does not answer: {error}"
    return None


def main() -> None:
    """Run the command line; failures that we know are one line, not a traceback."""
    try:
        app()
    except Exception as error:  # the last place before the person
        message = _in_one_line(error)
        if message is None:
            raise
        err.print(f"[red]Error:[/] {escape(message)}", soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
