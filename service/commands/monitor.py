"""`almanac monitor`: workers, queues and jobs on the whole screen, once a second."""

import asyncio
import sys
import termios
import tty
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from service.commands import queues, workers
from service.commands.acting import on_runtime
from service.commands.refusals import in_one_line
from service.commands.terminal import moment, out, table_of
from service.errors import ConfigurationError
from service.kit.clock import now
from service.kit.pagination import Page
from service.monitoring import alert_queries, history, queue_views
from service.monitoring.history_queries import Search
from service.monitoring.queue_views import QueueView
from service.monitoring.queues import queue_keys
from service.operator import OPERATOR
from service.queue import presence
from service.queue.listing import active
from service.queue.presence import WorkerView
from service.runtime import Runtime

REFRESH = 1.0
"""Seconds between two looks."""
PATIENCE = 3.0
"""Seconds that one look may take."""
MOST = 100
"""Rows of a table that are asked for; the screen shows those for which it has room."""
Rows = Sequence[tuple[object, ...]]
FRAME = 3
"""Lines of a table besides its rows; the last one says what there is no room for."""
_RUNNING = ("started", "id", "running", "worker", "#try")
_ENDED = ("ended", "id", "last ends", "state", "error")
_ALERTS = ("since", "alert", "about", "what")


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found; `away` says of what could not be asked why."""

    queues: Sequence[QueueView] = ()
    workers: Sequence[WorkerView] = ()
    running: Rows = ()
    ended: Rows = ()
    alerts: Rows = ()
    away: Sequence[str] = ()


def watch() -> None:
    """Show what is seen until q is pressed.

    Raises:
        ConfigurationError: there is no terminal.
    """
    if not (sys.stdin.isatty() and out.is_terminal):
        raise ConfigurationError("almanac monitor needs a terminal: use almanac status --json")
    with suppress(KeyboardInterrupt):
        on_runtime(_watch)


async def _watch(runtime: Runtime) -> None:
    seen = Seen()
    with _pressed("qQ") as leave, Live(console=out, screen=True, auto_refresh=False) as live:
        while not leave.is_set():
            seen = await see(runtime, seen)
            live.update(drawn(seen, out.height), refresh=True)
            try:
                await asyncio.wait_for(leave.wait(), REFRESH)
            except TimeoutError:
                continue


@contextmanager
def _pressed(keys: str) -> Iterator[asyncio.Event]:
    """Yield what is set once one of these keys is pressed; none is echoed."""
    pressed, loop, number = asyncio.Event(), asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        if set(sys.stdin.read(1)) & set(keys):
            pressed.set()

    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    loop.add_reader(number, read)
    try:
        yield pressed
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)


async def see(runtime: Runtime, last: Seen) -> Seen:
    """Look once; what cannot be asked stays as it was seen last, and is named."""
    looks: dict[str, Awaitable[object]] = {
        "queues": queue_views.queues(runtime),
        "workers": presence.workers(runtime.queue),
        "running": _running(runtime),
        "ended": _ended(runtime),
        "alerts": _alerts(runtime),
    }
    found = await asyncio.gather(*(_bounded(look) for look in looks.values()))
    changes: dict[str, object] = {}
    away = []
    for name, result in zip(looks, found, strict=True):
        if isinstance(result, TimeoutError):
            away.append(f"{name}: no answer within {PATIENCE:g} s")
        elif isinstance(result, BaseException):
            away.append(in_one_line(result) or f"{type(result).__name__}: {result}")
        else:
            changes[name] = result
    return replace(last, **changes, away=tuple(dict.fromkeys(away)))  # type: ignore[arg-type] # by name


async def _bounded(look: Awaitable[object]) -> object:
    try:
        async with asyncio.timeout(PATIENCE):
            return await look
    except Exception as error:  # noqa: BLE001 - the screen says what is wrong, and goes on
        return error


async def _running(runtime: Runtime) -> Rows:
    jobs = await active(runtime.queue, queue_keys(), MOST)
    return [
        (moment(view.started_at), view.job_id, view.function, worker, view.tries)
        for view, worker in jobs
    ]


async def _ended(runtime: Runtime) -> Rows:
    async with runtime.unit_of_work() as uow:
        found = await history.search(uow.session, OPERATOR, Search(), Page(MOST))
    return [
        (moment(run.finished_at), run.id, run.name, run.state, run.error and run.error.message)
        for run in found.items
    ]


async def _alerts(runtime: Runtime) -> Rows:
    async with runtime.unit_of_work() as uow:
        found = await alert_queries.list_alerts(uow.session, Page(MOST), is_open=True)
        return [(moment(a.opened_at), a.rule, a.subject, a.text) for a in found.items]


def drawn(seen: Seen, height: int) -> RenderableType:
    """Return what was seen as it fits on a screen of so many lines."""
    busy = filter(queues.is_of_interest, seen.queues)
    head = Text(f"{moment(now())} UTC   q leaves", style="bold")
    problems = [Text(f"AWAY  {why}", style="bold red", no_wrap=True) for why in seen.away]
    tables: list[tuple[Sequence[str], Rows]] = [
        (workers.COLUMNS, [workers.cells(view) for view in seen.workers]),
        (queues.COLUMNS, [queues.cells(view) for view in busy]),
        (_ALERTS, seen.alerts),
        (_RUNNING, seen.running),
        (_ENDED, seen.ended),
    ]
    shown: list[RenderableType] = []
    left = height - 1 - len(problems)
    for columns, rows in tables:
        # None may take the whole screen: the last two get what the others leave.
        share = left if columns in {_RUNNING, _ENDED} else height // 4
        room = min(left, share) - FRAME
        if room < 1 or not rows:
            continue
        shown.append(_table(columns, rows[:room], len(rows) - room))
        left -= min(len(rows), room) + FRAME
    return Group(head, *problems, *shown)


def _table(columns: Sequence[str], rows: Rows, more: int) -> RenderableType:
    caption = f"{more} more" if more > 0 else " "
    cells = [[_line(cell) for cell in row] for row in rows]
    return table_of(columns, cells, one_line=True, expand=True, caption=caption)


def _line(cell: object) -> object:
    """Return a cell without line breaks: each row has one line."""
    return " ".join(cell.split()) if isinstance(cell, str) else cell
