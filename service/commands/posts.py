"""`almanac posts`: posts of files and of other systems."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from service.access import queries as access
from service.access.actions import FIRST_USER
from service.access.audit import note
from service.access.caller import Caller, Scope
from service.commands.acting import on_runtime
from service.commands.terminal import Json, err, out, print_fields, print_json, print_rows
from service.db.session import UnitOfWork
from service.errors import InvalidInput, NotFound, Problem
from service.kit.records import Record, records
from service.operator import OPERATOR
from service.posts import importing, importing_queries
from service.posts.desk import Desk
from service.posts.importing import Import, Options, Report
from service.posts.importing_verifying import Comparing, Comparison
from service.runtime import Runtime

app = typer.Typer()
Late = Literal["refuse", "skip", "now"]
File = Annotated[Path | None, typer.Argument(help="CSV or JSON lines")]
Url = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="postgresql://…",
        envvar="ALMANAC_LEGACY_URL",
        help="The database of the system that Almanac replaces",
    ),
]
Query = Annotated[str | None, typer.Option(help=f"By default: {importing_queries.ALL_OF_THE_OLD}")]
Verify = Annotated[
    bool, typer.Option("--verify", help="Import nothing: compare; exit 1 if they differ")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, store nothing")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Report bad lines and take the others")]
IfLate = Annotated[
    Late | None,
    typer.Option("--late", help="Times that have passed: by default refuse, with --from skip"),
]
Accounts = Annotated[
    list[str] | None,
    typer.Option("--account", metavar="NAME=HANDLE", help="Which account a platform or name means"),
]
Zone = Annotated[str | None, typer.Option(help="Of times without an offset")]
User = Annotated[str, typer.Option(help="Whose posts they become")]
Prefix = Annotated[
    str | None,
    typer.Option("--source", help="Begins the keys; by default none, with --from legacy"),
]


@app.callback()
def posts() -> None:
    """Posts of files and of other systems."""


@app.command("import")
def import_posts(  # noqa: PLR0913 - one parameter is one option
    file: File = None,
    *,
    url: Url = None,
    query: Query = None,
    verify: Verify = False,
    dry_run: DryRun = False,
    skip_bad: SkipBad = False,
    late: IfLate = None,
    account: Accounts = None,
    zone: Zone = None,
    user: User = FIRST_USER,
    source: Prefix = None,
    as_json: Json = False,
) -> None:
    """Import posts from a file or an old system's table, each once, however often it is run."""
    if file is not None:
        url = None
    elif url is None:
        raise InvalidInput([Problem("file", "name a file, or a database with --from")])
    options = Options(
        zone=zone,
        late=late or ("skip" if url else "refuse"),
        skip_bad=skip_bad,
        dry_run=dry_run,
        source=source if source is not None else "legacy" if url else "",
        names=_names(account or []),
        lenient=url is not None,
    )
    if problem := importing.zone_problem(zone):
        raise InvalidInput([problem])

    async def run(runtime: Runtime) -> Report | Comparison:
        async with _source(file, url, query) as found, runtime.unit_of_work() as uow:
            desk = await _desk(runtime, uow, user)
            if verify:
                return await _compared(Comparing(desk, options), found)
            return await _imported(await Import.begin(desk, options), found, desk, options)

    told = on_runtime(run)
    if as_json:
        print_json(_as_json(told))
    else:
        _print(told)
    if isinstance(told, Comparison) and not told.equal:
        raise typer.Exit(1)


async def _imported(running: Import, found: "Source", desk: Desk, options: Options) -> Report:
    async for batch in found.batches():
        await running.take(batch)
    report = running.end()
    if not options.dry_run:
        detail = {"posts": report.posts, "present": report.present, "owner": desk.caller.name}
        await note(desk.session, OPERATOR.actor, "posts.import", "posts", **detail)
    return report


async def _compared(running: Comparing, found: "Source") -> Comparison:
    async for batch in found.batches():
        await running.take(batch)
    return running.result


class Source:
    """Where records come from, with a bar that shows how far they are read.

    Args:
        batches: the records.
        total: how many there are; of a file, its bytes are not counted.
    """

    def __init__(self, batches: AsyncIterator[list[Record]], total: int | None) -> None:
        self._batches, self._total = batches, total

    async def batches(self) -> AsyncIterator[list[Record]]:
        """Yield the records, so many at a time."""
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
            task = bar.add_task("posts", total=self._total)
            async for batch in self._batches:
                yield batch
                bar.advance(task, len(batch))


@asynccontextmanager
async def _source(file: Path | None, url: str | None, query: str | None) -> AsyncIterator[Source]:
    if file is not None:
        with file.open("rb") as opened:
            yield Source(_of_file(records(opened)), None)
        return
    assert url is not None, "one of them was named"
    async with importing_queries.old_table(url, query) as table:
        yield Source(table.batches(importing.BATCH), await table.count())


async def _of_file(found: Any) -> AsyncIterator[list[Record]]:
    while batch := list(islice(found, importing.BATCH)):
        yield batch


async def _desk(runtime: Runtime, uow: UnitOfWork, name: str) -> Desk:
    """Return the desk of whom the posts are to belong to; an operator needs no approval."""
    user = await access.user_by_name(uow.session, name)
    if user is None:
        raise NotFound(f"There is no user '{name}': see almanac users list")
    caller = Caller(user.id, user.name, frozenset({Scope.POSTS_WRITE}))
    return replace(Desk.of(runtime, uow, caller), approval=False)


def _names(pairs: list[str]) -> dict[str, str]:
    """Return what the source calls accounts, and which accounts those are."""
    found = {}
    for pair in pairs:
        name, equals, handle = pair.partition("=")
        if not (name and equals and handle):
            raise InvalidInput([Problem("account", f"'{pair}' is not NAME=HANDLE")])
        found[name] = handle
    return found


def _as_json(told: Report | Comparison) -> dict[str, Any]:
    more = {"equal": told.equal} if isinstance(told, Comparison) else {}
    return {**importing.shown(told), **more}


def _print(told: Report | Comparison) -> None:
    if isinstance(told, Comparison):
        print_fields(
            {
                "to go out there": told.open,
                "matched": told.matched,
                "late, left out": told.late,
                "missing": told.missing,
                "differing": told.differing,
                "ended there": told.ended,
            }
        )
        out.print("Everything is here, as it was" if told.equal else "They differ")
    else:
        print_fields(
            {
                "lines": told.lines,
                "would be imported" if told.dry_run else "imported": told.posts,
                "deliveries": told.deliveries,
                "imported before": told.present,
                "late, left out": told.late,
                "ended, left out": told.ended,
                "bad": told.bad,
            }
        )
    if told.problems:
        cells = [(each.line, each.field, each.message) for each in told.problems]
        print_rows(("#line", "column", "what"), cells)
