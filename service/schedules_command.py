"""What `almanac schedules` does, as the operator of the installation."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service.config import Settings
from service.db.session import UnitOfWork
from service.errors import Conflict, NotFound
from service.kit.pagination import MAX_LIMIT, Page, decode_cursor
from service.operator import OPERATOR
from service.runtime import open_runtime
from service.schedules import actions, queries
from service.schedules.routes import show
from service.schedules.schemas import ScheduleList, ScheduleOut

T = TypeVar("T")


async def list_all(settings: Settings) -> ScheduleList:
    """Return every schedule, by name."""
    items: list[ScheduleOut] = []
    async with open_runtime(settings, "cli") as runtime, runtime.unit_of_work() as uow:
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
            timezone=settings.timezone,
        )


async def run(settings: Settings, name: str) -> str:
    """Run the job of the schedule of this name or id now; return the job's id."""
    return await _do(settings, name, lambda uow, found: actions.run_now(uow, OPERATOR, found))


async def pause(settings: Settings, name: str) -> None:
    """Pause the schedule of this name or id."""
    await _do(settings, name, lambda uow, found: actions.pause(uow.session, OPERATOR, found))


async def resume(settings: Settings, name: str) -> None:
    """Resume the schedule of this name or id."""
    await _do(settings, name, lambda uow, found: actions.resume(uow.session, OPERATOR, found))


async def _do(
    settings: Settings, name: str, action: Callable[[UnitOfWork, UUID], Awaitable[T]]
) -> T:
    """Do something to one schedule, in one transaction.

    Raises:
        NotFound: there is none of this name or id.
        Conflict: there are several of this name; and as the action.
    """
    async with open_runtime(settings, "cli") as runtime, runtime.unit_of_work() as uow:
        return await action(uow, await _find(uow, name))


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


def print_all(found: ScheduleList, console: Console) -> None:
    """Print schedules for people, each with times of its own zone."""
    table = Table()
    for column in ("name", "job", "when", "zone", "last run", "next run"):
        table.add_column(column, overflow="fold")
    for item in found.items:
        when = item.cron if item.stride == 1 else f"{item.cron}, every {item.stride}th time"
        last = _local(item.last_tick_at, item.zone) if item.last_tick_at else "never"
        coming = "paused" if item.paused else _local(item.next_tick_at, item.zone)
        table.add_row(escape(item.name), item.job, when, item.zone, last, coming)
    console.print(table)
    age = found.ticker_age
    looked = "never, no worker runs" if age is None else f"{age:.0f} s ago"
    console.print(f"Last look of a ticker: {looked}; default zone {found.timezone}")


def _local(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %z}"
