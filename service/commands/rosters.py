"""`almanac rosters`: duty rosters, and the lock of those whose day is over."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from service.commands.acting import on_runtime
from service.commands.terminal import Json, out, print_json, print_rows
from service.errors import InvalidInput, Problem
from service.kit.clock import now
from service.operator import OPERATOR
from service.rosters import locking_actions, queries, rules
from service.rosters.queries import Wanted
from service.rosters.routes import shown
from service.rosters.rules import ItemStatus, RosterStatus
from service.rosters.schemas import RosterOut
from service.runtime import Runtime

app = typer.Typer()
MOST = 1000
"""Rosters that are listed."""
DAY: dict[str, Any] = {"formats": ["%Y-%m-%d"], "metavar": "YYYY-MM-DD"}
Since = Annotated[
    datetime | None, typer.Option("--from", help="The first day; by default a week ago", **DAY)
]
Until = Annotated[datetime | None, typer.Option("--to", help="The last day", **DAY)]
Before = Annotated[
    datetime | None,
    typer.Option("--before", help="Those of earlier days; by default today's date", **DAY),
]


@app.command("list")
def list_rosters(
    *,
    since: Since = None,
    until: Until = None,
    project: Annotated[str | None, typer.Option(help="Only of this project")] = None,
    status: Annotated[RosterStatus | None, typer.Option(help="Only these")] = None,
    as_json: Json = False,
) -> None:
    """List rosters by project and day: who was there in numbers, and since when each is locked."""

    async def run(runtime: Runtime) -> Sequence[RosterOut]:
        today = rules.today(now(), ZoneInfo(runtime.settings.site_zone))
        wanted = Wanted(
            since.date() if since else today - timedelta(days=7),
            until.date() if until else None,
            project,
            status,
        )
        async with runtime.unit_of_work() as uow:
            found = await queries.by_day(uow.session, OPERATOR, wanted, MOST)
            return await shown(uow.session, found)

    rosters = on_runtime(run)
    if as_json:
        print_json([roster.model_dump(mode="json") for roster in rosters])
        return
    titles = ("day", "project", *(f"#{each}" for each in ItemStatus), "status", "locked by")
    print_rows(titles, map(_cells, rosters))


@app.command("lock")
def lock(
    *,
    before: Before = None,
    as_json: Json = False,
) -> None:
    """Lock the open rosters of earlier days, as the job `rosters.lock` does every night."""

    async def run(runtime: Runtime) -> int:
        today = rules.today(now(), ZoneInfo(runtime.settings.site_zone))
        day = before.date() if before else today
        if day > today + timedelta(days=1):
            message = (
                f"is at most tomorrow, {today + timedelta(days=1)}: those days are still ahead"
            )
            raise InvalidInput([Problem("before", message)])
        async with runtime.unit_of_work() as uow:
            return await locking_actions.lock_past(uow.session, day, OPERATOR.actor)

    count = on_runtime(run)
    if as_json:
        print_json({"locked": count})
    else:
        out.print(f"{count} {'roster is' if count == 1 else 'rosters are'} locked now")


def _cells(roster: RosterOut) -> tuple[object, ...]:
    numbers = (roster.counts[each] for each in ItemStatus)
    return roster.day, roster.project, *numbers, roster.status, roster.locked_by
