"""`almanac schedules`: periodic jobs, those of the code and those that people made."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from service.access import audit
from service.commands.acting import on_runtime
from service.commands.terminal import Json, out, print_json, print_rows
from service.db.session import UnitOfWork
from service.errors import Conflict, NotFound
from service.kit.pagination import MAX_LIMIT, Page, decode_cursor
from service.operator import OPERATOR
from service.runtime import Runtime
from service.schedules import actions, queries
from service.schedules.routes import show
from service.schedules.schemas import ScheduleList, ScheduleOut

T = TypeVar("T")
app = typer.Typer()
Name = Annotated[str, typer.Argument(help="Name or id")]


@app.command("list")
def list_schedules(*, as_json: Json = False) -> None:
    """List every periodic job: when it runs, in which zone, its last and its next run."""
    found = on_runtime(every_schedule)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(found)


@app.command("run")
def run_schedule(name: Name, *, as_json: Json = False) -> None:
    """Run a schedule's job now, and print the job's id."""
    job_id = _do("run", name, lambda uow, found: actions.run_now(uow, OPERATOR, found))
    if as_json:
        print_json({"job_id": job_id})
    else:
        out.print(job_id, soft_wrap=True)


@app.command("pause")
def pause_schedule(name: Name) -> None:
    """Let no tick of a schedule fire until it is resumed."""
    _do("pause", name, lambda uow, found: actions.pause(uow.session, OPERATOR, found))


@app.command("resume")
def resume_schedule(name: Name) -> None:
    """Let a schedule tick again, from now on."""
    _do("resume", name, lambda uow, found: actions.resume(uow.session, OPERATOR, found))


async def every_schedule(runtime: Runtime) -> ScheduleList:
    """Return every schedule, by name."""
    items: list[ScheduleOut] = []
    async with runtime.unit_of_work() as uow:
        page: Page | None = Page(MAX_LIMIT)
        while page is not None:
            rows = await queries.list_schedules(uow.session, OPERATOR, page)
            items += [show(schedule) for schedule in rows.items]
            cursor = rows.next_cursor
            page = Page(MAX_LIMIT, decode_cursor(cursor)) if cursor else None
        return ScheduleList(
            items=sorted(items, key=lambda schedule: schedule.name),
            next_cursor=None,
            ticker_age=await queries.last_beat(uow.session),
            timezone=runtime.settings.timezone,
        )


def _do(verb: str, name: str, action: Callable[[UnitOfWork, UUID], Awaitable[T]]) -> T:
    """Do something to one schedule and write it down, in one transaction.

    Raises:
        NotFound: there is none of this name or id.
        Conflict: there are several of this name; and as the action.
    """

    async def act(runtime: Runtime) -> T:
        async with runtime.unit_of_work() as uow:
            found = await _find(uow, name)
            await audit.note(uow.session, OPERATOR.actor, f"schedules.{verb}", f"schedule:{found}")
            return await action(uow, found)

    return on_runtime(act)


async def _find(uow: UnitOfWork, name: str) -> UUID:
    found = [schedule.id for schedule in await queries.named(uow.session, OPERATOR, name)]
    if len(found) > 1:
        ids = ", ".join(map(str, found))
        raise Conflict(f"Several people have a schedule '{name}': name its id, one of {ids}")
    if found:
        return found[0]
    try:
        return UUID(name)
    except ValueError:
        raise NotFound(f"There is no schedule '{name}': see almanac schedules list") from None


def _print(found: ScheduleList) -> None:
    """Print schedules, each with times of its own zone."""
    titles = ("name", "job", "when", "zone", "runs", "last run", "next run")
    print_rows(titles, map(_cells, found.items))
    age = found.ticker_age
    looked = "never, no worker runs" if age is None else f"{age:.0f} s ago"
    out.print(f"Last look of a ticker: {looked}; default zone {found.timezone}")


def _cells(item: ScheduleOut) -> tuple[str, ...]:
    when = item.cron if item.stride == 1 else f"{item.cron}, every {item.stride}th time"
    last = _local(item.last_tick_at, item.zone) if item.last_tick_at else "never"
    coming = "paused" if item.paused else _local(item.next_tick_at, item.zone)
    job = "" if item.job == item.name else item.job
    return item.name, job, when, item.zone, str(item.run_count), last, coming


def _local(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %z}"
