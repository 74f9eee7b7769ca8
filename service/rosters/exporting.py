"""Rosters as CSV: a line for each duty, by day and project."""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import datetime, time, timedelta

from service.access.caller import Caller
from service.rosters import queries
from service.rosters.models import Roster, RosterItem
from service.rosters.queries import Wanted
from service.runtime import Runtime

COLUMNS = (
    *("day", "project", "roster", "locked_at", "locked_by"),
    *("person", "role", "starts", "ends", "status", "replaced_by", "note"),
)
STEP = timedelta(days=7)
"""Days that are read at once; no connection is held between two reads."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet would run."""


async def lines(runtime: Runtime, caller: Caller, wanted: Wanted) -> AsyncIterator[str]:
    """Yield the file in parts; `wanted` names the first and the last day."""
    assert wanted.first is not None
    assert wanted.last is not None
    yield _csv([COLUMNS])
    first = wanted.first
    while first <= wanted.last:
        last = min(first + STEP - timedelta(days=1), wanted.last)
        async with runtime.unit_of_work() as uow:
            part = replace(wanted, first=first, last=last)
            found = await queries.lines(uow.session, caller, part)
        yield _csv([_cells(roster, item) for roster, item in found])
        first += STEP


def _cells(roster: Roster, item: RosterItem | None) -> list[str]:
    cells = [str(roster.day), roster.project, roster.status, _instant(roster.locked_at)]
    cells.append(roster.locked_by or "")
    if item is not None:
        cells += [item.person, item.role, _clock(item.starts), _clock(item.ends)]
        cells += [item.status, item.replaced_by or "", item.note]
    return [f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells]


def _instant(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def _clock(at: time | None) -> str:
    return f"{at:%H:%M}" if at else ""


def _csv(rows: Iterable[Iterable[str]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()
