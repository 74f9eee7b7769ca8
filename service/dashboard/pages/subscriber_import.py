"""Importing subscribers from a file: look first, then take it."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from starlette.datastructures import UploadFile

from service.dashboard import filled
from service.dashboard.view import ContentWriter, View
from service.errors import AlmanacError, InvalidInput
from service.kit.pagination import MAX_LIMIT, Page
from service.newsletters import importing, queries
from service.newsletters.models import NewsletterState
from service.web import Uow

router = APIRouter(include_in_schema=False)
LEAST, MOST = 3, 500
"""Characters of a consent."""


@router.get("/subscribers/import")
async def show(
    view: ContentWriter, uow: Uow, newsletter: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """Show the form."""
    return await _show(view, uow, {"newsletter": newsletter, "consent": ""})


@router.post("/subscribers/import")
async def take(view: ContentWriter, uow: Uow) -> Response:
    """Look at a file, or import it."""
    values = {name: str(view.form.get(name, "")).strip() for name in ("newsletter", "consent")}
    file, problems = view.form.get("file"), {}
    if not isinstance(file, UploadFile) or not file.filename:
        problems["file"] = "Choose a file"
    if values["consent"] and not LEAST <= len(values["consent"]) <= MOST:
        problems["consent"] = f"Needs {LEAST} to {MOST} characters"
    try:
        newsletter_id = UUID(values["newsletter"])
    except ValueError:
        problems["newsletter"] = "Choose a newsletter"
    if problems:
        return await _show(view, uow, values, problems, status=422)
    assert isinstance(file, UploadFile), "asked before"
    options = importing.Options(
        consent=values["consent"] or None, dry_run=view.form.get("do") != "import"
    )
    try:
        report = await importing.take(view.runtime, view.caller, newsletter_id, file.file, options)
    except InvalidInput as error:
        return await _show(view, uow, values, filled.problems(error), status=422)
    except AlmanacError as error:
        problems = {"file" if error.status == 413 else "newsletter": error.message}
        return await _show(view, uow, values, problems, status=error.status)
    return await _show(view, uow, values, report=report)


async def _show(  # noqa: PLR0913 - what the page shows
    view: View,
    uow: Uow,
    values: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    *,
    report: Any = None,
    status: int = 200,
) -> Response:
    page = Page(MAX_LIMIT)
    found = (await queries.list_newsletters(uow.session, view.caller, page, None)).items
    return await view.page(
        "subscribers_import.html",
        status,
        values=values,
        problems=problems or {},
        report=report,
        newsletters=[each for each in found if each.status != NewsletterState.CANCELLED],
    )
