"""Importing posts from a file: look first, then take it."""

from typing import Any, cast

from fastapi import APIRouter, Response, UploadFile
from starlette.datastructures import UploadFile as Sent

from service.access.caller import Scope
from service.dashboard import formats, rendering
from service.dashboard.publishing.composing import zones
from service.dashboard.view import PostsWriter, View
from service.errors import InvalidInput, PayloadTooLarge, Problem
from service.posts import importing, importing_routes
from service.posts.importing_rules import COLUMNS

router = APIRouter(include_in_schema=False)
LATE = (
    ("refuse", "Refuse the file"),
    ("skip", "Leave them out"),
    ("now", "Publish them now"),
)
ABOUT = {
    "id": "yours; a repeat imports nothing twice",
    "text": "what it says",
    "link": "an address",
    "media": "ids of uploads",
    "hashtags": "added to the text",
    "platforms": "where you have one account",
    "accounts": "handles, or platform:handle",
    "publish_at": "2030-01-31T09:00, or with an offset",
    "zone": "such as Europe/Paris",
    "content_id": "your id of the content",
    "draft": "yes keeps it as a draft",
    "status": "of old systems; what is out is left out",
}


@router.get("/posts/import")
async def show(view: PostsWriter) -> Response:
    """Show the form."""
    zone = formats.zone_of(view.request.cookies.get(rendering.ZONE)).key
    return await _show(view, {"zone": zone, "late": "refuse", "skip_bad": ""})


@router.post("/posts/import")
async def take(view: PostsWriter) -> Response:
    """Look at a file, or import it."""
    values = {name: str(view.form.get(name, "")) for name in ("zone", "late", "skip_bad")}
    file = view.form.get("file")
    if not isinstance(file, Sent) or not file.filename:
        return await _show(view, values, [Problem("file", "Choose a file")], status=422)
    late = values["late"] if values["late"] in dict(LATE) else "refuse"
    options = importing.Options(
        zone=values["zone"].strip() or None,
        late=cast("Any", late),
        skip_bad=values["skip_bad"] == "yes",
        dry_run=view.form.get("do") != "import",
    )
    try:
        found = await importing_routes.take(
            view.runtime, view.caller, cast("UploadFile", file), options
        )
    except InvalidInput as error:
        return await _show(view, values, error.problems, status=422)
    except PayloadTooLarge as error:
        return await _show(view, values, [Problem("file", error.message)], status=413)
    return await _show(view, values, report=found)


async def _show(
    view: View, values: Any, problems: Any = (), *, report: Any = None, status: int = 200
) -> Response:
    view.caller.require(Scope.POSTS_READ)
    return await view.page(
        "posts_import.html",
        status,
        values=values,
        all_problems=problems,
        problems={p.field: f"{p.message[:1].upper()}{p.message[1:]}" for p in problems},
        report=report,
        late=LATE,
        columns=[(name, ABOUT[name]) for name in COLUMNS],
        zones=zones(),
        most=importing_routes.MOST_LINES,
    )
