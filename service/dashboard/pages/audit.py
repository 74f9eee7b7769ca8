"""The audit log: who did what to what, found by each of these and by time; as a file too."""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from service.access import key_routes, schemas
from service.dashboard import filled, formats
from service.dashboard.access import deeds
from service.dashboard.rendering import ZONE
from service.dashboard.view import Admin, View
from service.errors import InvalidInput
from service.kit.clock import now
from service.kit.pagination import Page, decode_cursor
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
MOST_IN_FILE = 50_000
"""Rows of one file: the latest that match."""
CHUNK = 1000
"""Rows that are read at once for it."""
COLUMNS = ("at", "actor", "action", "subject", "detail", "address", "trace")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet would run."""
Text = Annotated[str, Query(max_length=300, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of the form, as they were sent."""

    actor: str
    action: str
    subject: str
    since: str
    until: str

    @property
    def given(self) -> dict[str, str]:
        """The fields that are not empty."""
        names = ("actor", "action", "subject", "since", "until")
        return {name: value for name in names if (value := getattr(self, name))}


def asked(
    actor: Text = "", action: Text = "", subject: Text = "", since: Text = "", until: Text = ""
) -> Asked:
    """Return what is looked for."""
    return Asked(*(field.strip() for field in (actor, action, subject, since, until)))


Form = Annotated[Asked, Depends(asked)]


@router.get("/audit")
async def show(view: Admin, form: Form, page: Paging, uow: Uow) -> Response:
    """Show what was done, the latest first."""
    found, problems = schemas.EntryList(items=[], next_cursor=None), {}
    try:
        found = await key_routes.list_entries(view.caller, page, uow, **_wanted(view, form))
    except InvalidInput as error:
        problems = filled.problems(error)
    return await view.page(
        "audit.html",
        422 if problems else 200,
        entries=[
            (entry, deeds.deed(entry.action, entry.subject), deeds.details(entry.detail))
            for entry in found.items
        ],
        cursor=found.next_cursor,
        form=form,
        query=urlencode(form.given),
        problems=problems,
        actions=deeds.WORDS,
        first=page.before is None,
        most=MOST_IN_FILE,
    )


def _wanted(view: View, form: Asked) -> dict[str, Any]:
    """Return what is looked for, as the API's route takes it. Raises InvalidInput."""
    zone = formats.zone_of(view.request.cookies.get(ZONE))
    return {
        "actor": form.actor or None,
        "action": form.action or None,
        "subject": form.subject or None,
        "since": filled.instant("since", form.since, zone),
        "until": filled.instant("until", form.until, zone),
    }


@router.get("/audit.csv")
async def download(view: Admin, form: Form, uow: Uow) -> Response:
    """Return the latest that match as a file; it is written while it is read."""
    wanted = _wanted(view, form)
    page = Page(min(CHUNK, MOST_IN_FILE))
    first = await key_routes.list_entries(view.caller, page, uow, **wanted)
    name = f"audit-{now():%Y-%m-%d}.csv"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    lines = _lines(view, wanted, first)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


async def _lines(
    view: View, wanted: dict[str, Any], found: schemas.EntryList
) -> AsyncIterator[str]:
    yield _csv([COLUMNS])
    written = 0
    while True:
        yield _csv([_row(entry) for entry in found.items])
        written += len(found.items)
        if found.next_cursor is None or written >= MOST_IN_FILE:
            return
        limit = min(CHUNK, MOST_IN_FILE - written)
        page = Page(limit, decode_cursor(found.next_cursor))
        async with view.runtime.unit_of_work() as uow:
            found = await key_routes.list_entries(view.caller, page, uow, **wanted)


def _row(entry: schemas.EntryOut) -> list[str]:
    detail = msgspec.json.encode(entry.detail).decode()
    cells = (entry.actor, entry.action, entry.subject, detail, entry.address, entry.trace)
    return [entry.at.isoformat(), *(_harmless(cell or "") for cell in cells)]


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _csv(rows: Iterable[Iterable[str]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()
