"""The `almanac` command. Heavy modules are imported by the commands that need them."""

import asyncio
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from typer.core import TyperGroup
from typer.main import get_group

from service.commands.terminal import Json, err, out
from service.config import Settings
from service.kit.logging import configure_logging
from service.logs import start_logging

app = typer.Typer(
    help="Schedules posts and publishes them once, on time.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def _jobs() -> typer.Typer:
    from service.commands.jobs import app

    return app


def _queues() -> typer.Typer:
    from service.commands.queues import app

    return app


def _workers() -> typer.Typer:
    from service.commands.workers import app

    return app


def _dead() -> typer.Typer:
    from service.commands.dead import app

    return app


def _workflows() -> typer.Typer:
    from service.commands.workflows import app

    return app


def _schedules() -> typer.Typer:
    from service.commands.schedules import app

    return app


def _posts() -> typer.Typer:
    from service.commands.posts import app

    return app


def _rosters() -> typer.Typer:
    from service.commands.rosters import app

    return app


def _newsletters() -> typer.Typer:
    from service.commands.newsletters import app

    return app


def _members() -> typer.Typer:
    from service.commands.members import app

    return app


def _emails() -> typer.Typer:
    from service.commands.emails import app

    return app


def _subscribers() -> typer.Typer:
    from service.commands.subscribers import app

    return app


def _keys() -> typer.Typer:
    from service.commands.keys import app

    return app


def _users() -> typer.Typer:
    from service.commands.users import app

    return app


def _secrets() -> typer.Typer:
    from service.commands.secrets import app

    return app


GROUPS: dict[str, tuple[str, Callable[[], typer.Typer]]] = {
    "jobs": ("Jobs, waiting, running or ended.", _jobs),
    "queues": ("Queues: what waits in them; pause, resume, purge.", _queues),
    "workers": ("Workers: what they run; ping, quiet, shut down.", _workers),
    "dead": ("Jobs that will not be retried by themselves.", _dead),
    "workflows": ("Jobs with dependencies.", _workflows),
    "schedules": ("Periodic jobs.", _schedules),
    "posts": ("Posts of files and of other systems.", _posts),
    "rosters": ("Duty rosters: list them; lock those of days that are over.", _rosters),
    "newsletters": ("Newsletters.", _newsletters),
    "subscribers": ("Readers of newsletters.", _subscribers),
    "members": ("The members of the community.", _members),
    "emails": ("Mails to single persons, and whom nothing is mailed to.", _emails),
    "keys": ("API keys.", _keys),
    "users": ("Who may log in.", _users),
    "secrets": ("What is encrypted at rest.", _secrets),
}


def _imported_when_called(load: Callable[[], typer.Typer]) -> type[TyperGroup]:
    loaded = cache(lambda: get_group(load()))

    class Group(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return loaded().list_commands(ctx)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            return loaded().get_command(ctx, cmd_name)

    return Group


for _name, (_help, _load) in GROUPS.items():
    _group = typer.Typer(help=_help, no_args_is_help=True, cls=_imported_when_called(_load))
    app.add_typer(_group, name=_name)


@app.command()
def up() -> None:
    """Run API and all workers, on embedded servers where no URLs are set; Ctrl-C stops all."""
    from service.commands.up import run_up

    settings = Settings()
    start_logging(settings)
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
    from service.kit.memory import settle_memory
    from service.runtime import with_servers

    settings = with_servers(Settings())
    start_logging(settings)
    app = create_app(settings)
    settle_memory()
    uvicorn.run(
        app,
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
    check: Annotated[
        bool, typer.Option("--check", help="Serve nothing: do this machine's workers take jobs?")
    ] = False,
) -> None:
    """Serve one or several queues."""
    from service.commands.check import check_workers
    from service.commands.worker import WorkerOptions, run_worker

    settings = Settings()
    if check:
        check_workers(settings, queues)
        return
    if log_level is not None:
        settings = settings.model_copy(update={"log_level": log_level})
    start_logging(settings)
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
def conf(
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FILE.tar.gz", help="Write all that support needs to know, instead"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the settings in force and what they come to for jobs; secrets are masked."""
    if bundle is not None:
        from service.commands.bundle import write_bundle

        write_bundle(bundle)
        return
    from service.commands.conf import show_settings

    show_settings(as_json=as_json)


@app.command()
def verify(
    jobs: Annotated[
        bool, typer.Option("--jobs", help="Run each declared job, on servers made for it")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check everything that Almanac needs, and a job through every queue; exit 1 on a failure."""
    from service.commands.verify import verify_installation, verify_jobs

    verify_jobs(as_json=as_json) if jobs else verify_installation(as_json=as_json)


@app.command()
def status(
    since: Annotated[str, typer.Option(metavar="PERIOD", help="Such as 7d, 12h or 30m")] = "7d",
    as_json: Json = False,
) -> None:
    """Show what is up, what waits and how jobs fared; exit 1 names what is down."""
    from service.commands.status import show_status

    show_status(since, as_json=as_json)


@app.command()
def monitor() -> None:
    """Watch workers, queues and jobs on the whole screen; q leaves."""
    from service.commands.monitor import watch

    watch()


@app.command()
def events(
    queue: Annotated[str | None, typer.Option(help="Of this queue only")] = None,
    name: Annotated[str | None, typer.Option(help="Of jobs of this name only")] = None,
    as_json: Json = False,
) -> None:
    """Print what happens to jobs, as it happens, until Ctrl-C."""
    from service.commands.events import print_events

    print_events(queue, name, as_json=as_json)


def main() -> None:
    """Run the command line; failures that we know are one line, not a traceback."""
    try:
        app()
    except Exception as error:  # the last place before the person
        from service.commands.refusals import in_one_line

        message = in_one_line(error)
        if message is None:
            raise
        err.print(f"[red]Error:[/] {escape(message)}", soft_wrap=True, highlight=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
