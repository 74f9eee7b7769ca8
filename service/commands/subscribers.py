"""`almanac subscribers`: readers of newsletters, from files."""

from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from service.commands.acting import on_runtime
from service.commands.terminal import Json, err, print_fields, print_json, print_rows
from service.errors import NotFound
from service.newsletters import importing, queries
from service.newsletters.subscriber_schemas import ImportOut
from service.operator import OPERATOR
from service.runtime import Runtime

app = typer.Typer()
Consent = Annotated[
    str | None,
    typer.Option(help="Where they said yes: given, they are not asked by a mail"),
]


@app.callback()
def subscribers() -> None:
    """Readers of newsletters."""


@app.command("import")
def import_subscribers(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines")],
    *,
    newsletter: Annotated[str, typer.Option(help="Its id, or its name in addresses")],
    consent: Consent = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing")] = False,
    as_json: Json = False,
) -> None:
    """Import the subscribers of a newsletter, each once, however often it is run."""
    options, size = importing.Options(consent=consent, dry_run=dry_run), file.stat().st_size
    with file.open("rb") as source:
        told = on_runtime(lambda runtime: _import(runtime, source, size, newsletter, options))
    if as_json:
        print_json(told.model_dump())
        return
    print_fields(told.model_dump(exclude={"problems"}))
    if told.problems:
        rows = [(f"line {bad.line}", bad.field, bad.message) for bad in told.problems]
        print_rows(("line", "column", "what"), rows)


async def _import(
    runtime: Runtime, source: BinaryIO, size: int, newsletter: str, options: importing.Options
) -> ImportOut:
    async with runtime.unit_of_work() as uow:
        found = await queries.newsletter_named(uow.session, newsletter)
    if found is None:
        raise NotFound(f"There is no newsletter '{newsletter}'")
    bar = Progress(
        TextColumn("{task.fields[lines]:,} lines"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=size, lines=0)

        def tell(lines: int) -> None:
            bar.update(task, completed=source.tell(), lines=lines)

        return await importing.take(runtime, OPERATOR, found, source, options, tell=tell)
