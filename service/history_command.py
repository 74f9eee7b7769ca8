"""`almanac jobs list` and `almanac dead`: the history and dead jobs, for people or as JSON."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service.config import Settings
from service.errors import InvalidInput, Problem
from service.kit.clock import now
from service.kit.pagination import MAX_LIMIT, Page
from service.monitoring import dead, history
from service.monitoring.dead_queries import Wanted
from service.monitoring.history_queries import Search
from service.monitoring.schemas import DeadSelection, JobError
from service.operator import OPERATOR
from service.queue import JobState
from service.runtime import Runtime, open_runtime
from service.schema import Reply
from service.status_command import period

_RUN_STATES = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.RETRYING)
_out = Console()


def list_runs(
    name: str | None, state: str | None, queue: str | None, since: str | None, *, as_json: bool
) -> None:
    """Print the latest runs that match."""
    if state is not None and state not in _RUN_STATES:
        message = f"is {state!r}; it is one of {', '.join(_RUN_STATES)}"
        raise InvalidInput([Problem("state", message)])
    begin = now() - period(since) if since else None

    async def find() -> Reply:
        async with _runtime() as runtime, runtime.unit_of_work() as uow:
            wanted = Search(name=name, state=state, queue=queue, since=begin)
            return await history.search(uow.session, wanted, Page(MAX_LIMIT))

    found = asyncio.run(find()).model_dump(mode="json")
    columns = ("finished_at", "id", "name", "attempt", "state", "error")
    _print(found, columns, as_json=as_json)
    if found["lost"] and not as_json:
        _out.print(f"{found['lost']} batches of runs are missing: nobody recorded them in time")


def selection(
    ids: Sequence[str] | None,
    name: str | None,
    queue: str | None,
    error: str | None,
    *,
    everything: bool,
) -> DeadSelection:
    """Return the dead jobs that options mean."""
    return DeadSelection(
        ids=list(ids) if ids else None, name=name, queue=queue, error=error, all=everything
    )


def list_dead_jobs(
    name: str | None, queue: str | None, error: str | None, *, as_json: bool
) -> None:
    """Print the latest dead jobs that match."""

    async def find() -> Reply:
        async with _runtime() as runtime:
            wanted = Wanted(name=name, queue=queue, error=error)
            return await dead.page(runtime, wanted, MAX_LIMIT, None)

    found = asyncio.run(find()).model_dump(mode="json")
    columns = ("died_at", "id", "name", "tries", "error")
    _print(found, columns, as_json=as_json)


def replay_dead_jobs(which: DeadSelection, *, as_json: bool) -> None:
    """Let dead jobs run again, and print how many will."""

    async def replay() -> dict[str, int]:
        async with _runtime() as runtime:
            done = await dead.replay(runtime, OPERATOR, dead.wanted_of(which))
        return {"replayed": done.replayed, "left": done.left}

    _print_counts(asyncio.run(replay()), as_json=as_json)


def discard_dead_jobs(which: DeadSelection, *, as_json: bool) -> None:
    """Forget dead jobs, and print how many."""

    async def discard() -> dict[str, int]:
        async with _runtime() as runtime:
            return {"discarded": await dead.discard(runtime, dead.wanted_of(which))}

    _print_counts(asyncio.run(discard()), as_json=as_json)


@asynccontextmanager
async def _runtime() -> AsyncIterator[Runtime]:
    async with open_runtime(Settings(), "cli") as runtime:
        yield runtime


def _print(found: dict[str, Any], columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    table = Table()
    for column in columns:
        table.add_column(column.replace("_", " "), no_wrap=column == "id", overflow="fold")
    for item in found["items"]:
        table.add_row(*(escape(_cell(column, item[column])) for column in columns))
    _out.print(table)
    if found["next_cursor"]:
        _out.print(f"The latest {len(found['items'])}; there are more.")


def _cell(column: str, value: Any) -> str:
    if column.endswith("_at"):
        return str(value)[:19].replace("T", " ")
    if isinstance(value, dict):  # an error
        error = JobError.model_validate(value)
        return f"{error.type}: {error.message}"
    return "" if value is None else str(value)


def _print_counts(counts: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(counts) + "\n")
        return
    _out.print(", ".join(f"{count} {what}" for what, count in counts.items()))
