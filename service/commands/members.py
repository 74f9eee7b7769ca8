"""`almanac members`: the members of the community."""

import os
from collections.abc import AsyncIterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from service.access import queries as access
from service.access.actions import FIRST_USER
from service.commands.acting import on_runtime
from service.commands.terminal import Json, err, moment, print_fields, print_json, print_rows
from service.community import importing, member_queries, rules
from service.community.importing import Report
from service.community.schemas import MemberList, MemberOut
from service.errors import NotFound
from service.kit.pagination import MAX_LIMIT, Page, decode_cursor
from service.kit.records import Record, records
from service.operator import OPERATOR
from service.runtime import Runtime

app = typer.Typer()
File = Annotated[
    Path, typer.Argument(help="CSV or JSON lines", exists=True, dir_okay=False, readable=True)
]
Beginning = Annotated[
    str | None, typer.Option("--search", help="How a username, an address or a name begins")
]


@app.callback()
def members() -> None:
    """The members of the community."""


@app.command("import")
def import_members(
    file: File,
    *,
    user: Annotated[str, typer.Option(help="Whose rows they become")] = FIRST_USER,
    as_json: Json = False,
) -> None:
    """Import members, each once, however often it is run; exit 1 if lines are bad.

    Columns are email and username, and as far as there are display_name, joined_at, digest_opt_out
    and is_active. Bad lines are reported and left out. Nobody is mailed a welcome.
    """

    async def run(runtime: Runtime) -> Report:
        async with runtime.unit_of_work() as uow:
            owner = await access.user_by_name(uow.session, user)
        if owner is None:
            raise NotFound(f"There is no user '{user}': see almanac users list")
        return await importing.import_members(runtime, owner.id, OPERATOR.actor, _batches(file))

    report = on_runtime(run)
    if as_json:
        print_json(asdict(report))
    else:
        print_fields(
            {
                "lines": report.lines,
                "imported": report.members,
                "there before": report.present,
                "bad": report.bad,
            }
        )
        cells = [(each["line"], each["field"], each["message"]) for each in report.problems]
        if cells:
            print_rows(("#line", "column", "what"), cells)
    if report.bad:
        raise typer.Exit(1)


async def _batches(file: Path) -> AsyncIterator[list[Record]]:
    """Yield the lines of a file, and show on a terminal how much of it is read."""
    lines = TextColumn("{task.fields[lines]} lines")
    columns = (BarColumn(), TaskProgressColumn(), lines, TimeRemainingColumn())
    shown = Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
    with file.open("rb") as opened, shown as bar:
        task = bar.add_task("members", total=os.fstat(opened.fileno()).st_size, lines=0)
        found, count = records(opened), 0
        while batch := list(islice(found, importing.BATCH)):
            yield batch
            count += len(batch)
            bar.update(task, completed=opened.tell(), lines=count)


@app.command("list")
def list_members(
    *,
    search: Beginning = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Only those that are, or are not")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT)] = 50,
    cursor: Annotated[str | None, typer.Option(help="next_cursor of the page before")] = None,
    as_json: Json = False,
) -> None:
    """List members, the newest first."""
    page = Page(limit, decode_cursor(cursor) if cursor else None)
    beginning = rules.folded(search.strip()) if search else None

    async def read(runtime: Runtime) -> MemberList:
        async with runtime.unit_of_work() as uow:
            rows = await member_queries.list_members(uow.session, page, beginning, active=active)
        items = [MemberOut.model_validate(each) for each in rows.items]
        return MemberList(items=items, next_cursor=rows.next_cursor)

    found = on_runtime(read)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    columns = ("username", "email", "name", "#posts", "#followers", "active", "last active")
    print_rows(columns, [_cells(each) for each in found.items])
    if found.next_cursor:
        err.print(f"More: --cursor {found.next_cursor}", highlight=False)


def _cells(each: MemberOut) -> tuple[object, ...]:
    return (
        each.username,
        each.email,
        each.display_name,
        each.posts_count,
        each.followers_count,
        "yes" if each.is_active else "no",
        moment(each.last_active_at),
    )
