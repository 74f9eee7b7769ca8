"""Members of the community: found, added, changed, imported; one of them is `member.py`."""

from collections.abc import AsyncIterator, Mapping
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.datastructures import UploadFile as Sent

from service.access.caller import Scope
from service.community import importing, routes, schemas
from service.community.import_rules import COLUMNS
from service.community.schemas import MemberIn
from service.dashboard import filled
from service.dashboard.operations.wording import count
from service.dashboard.pages import member
from service.dashboard.view import ContentReader, ContentWriter, View
from service.errors import InvalidInput, Problem
from service.kit.records import Record, records
from service.web import Once, Paging, Uow

router = APIRouter(include_in_schema=False)
SHOW = {"": None, "active": True, "deactivated": False}
MOST_LINES = 10_000
"""Of a file that is sent here; `almanac members import` takes any number."""
ABOUT = {
    "email": "needed; a member whose address is there is left as they are",
    "username": "needed; letters, digits and _ . @ + -",
    "display_name": "else the username",
    "joined_at": "2026-01-31T09:00Z; else now",
    "digest_opt_out": "yes: no weekly digest",
    "is_active": "no: they do nothing and get no mail",
}
Text = Annotated[str, Query(max_length=254, pattern=schemas.LINE)]


@router.get("/members")
async def show_all(
    view: ContentReader, uow: Uow, page: Paging, q: Text = "", show: Text = ""
) -> Response:
    """Show members, the newest first."""
    found = await routes.list_members(view.caller, page, uow, q.strip() or None, SHOW.get(show))
    return await view.page(
        "members.html",
        members=found.items,
        cursor=found.next_cursor,
        first=not page.before,
        q=q,
        show=show if show in SHOW else "",
        may_write=view.caller.may(Scope.CONTENT_WRITE),
    )


@router.get("/members/new")
async def ask(view: ContentWriter) -> Response:
    """Ask who a new member is."""
    return await view.page("member_form.html", **member.form({}))


@router.post("/members")
async def add(view: ContentWriter) -> Response:
    """Add a member, who is mailed a welcome."""
    values = member.typed(view)
    sent = {name: value for name, value in values.items() if value or name != "display_name"}
    try:
        body = filled.body(MemberIn, sent)
        async with view.runtime.unit_of_work() as uow:
            reply = await routes.create(body, view.caller, uow, Once(uow, view.caller, None))
    except InvalidInput as error:
        return await view.page("member_form.html", 422, **member.form(values, error))
    made = schemas.MemberOut.model_validate_json(bytes(reply.body))
    return view.go(f"/members/{made.id}", f"{made.display_name} is a member; a welcome is mailed")


@router.get("/members/import")
async def ask_file(view: ContentWriter) -> Response:
    """Show the form of an import."""
    return await _import_page(view)


@router.post("/members/import")
async def take_file(view: ContentWriter) -> Response:
    """Import a file of members, each once; nobody is mailed a welcome."""
    file = view.form.get("file")
    if not isinstance(file, Sent) or not file.filename:
        return await _import_page(view, {"file": "Choose a file"}, status=422)
    try:
        _check(file)
        owner, actor = view.caller.user_id, view.caller.actor
        report = await importing.import_members(view.runtime, owner, actor, _batches(file))
    except InvalidInput as error:
        return await _import_page(view, filled.problems(error), status=422)
    return await _import_page(view, report=report)


def _check(file: Sent) -> None:
    """Read a file to its end before anything of it is stored.

    Raises:
        InvalidInput: it cannot be read, is empty, or has too many lines.
    """
    lines = sum(1 for _ in islice(records(file.file), MOST_LINES + 1))
    if not lines:
        raise InvalidInput([Problem("file", "has no members")])
    if lines > MOST_LINES:
        most = f"has more than {count(MOST_LINES, 'line')}: use almanac members import"
        raise InvalidInput([Problem("file", most)])


async def _batches(file: Sent) -> AsyncIterator[list[Record]]:
    found = records(file.file)
    while batch := list(islice(found, importing.BATCH)):
        yield batch


async def _import_page(
    view: View, problems: Mapping[str, str] | None = None, *, report: Any = None, status: int = 200
) -> Response:
    return await view.page(
        "members_import.html",
        status,
        problems=problems or {},
        report=report,
        columns=[(name, ABOUT[name]) for name in COLUMNS],
        count=count,
        most=MOST_LINES,
    )


router.include_router(member.router)  # after /members/new, which is no member's id
