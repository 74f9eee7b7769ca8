"""Public pages: no key, and nothing but what was published."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape

from service.errors import NotFound
from service.feeds import actions, rules
from service.media.actions import file_path
from service.web import ERRORS, Opened, Uow

TEMPLATES = Path(__file__).with_name("templates")
PAGES = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape())
CSP = "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'"
NO_SNIFF = {"X-Content-Type-Options": "nosniff"}
HEADERS = {
    **NO_SNIFF,
    "Content-Security-Policy": CSP,
    "Cache-Control": "no-cache",
}

router = APIRouter(
    prefix="/feeds",
    tags=["feeds"],
    responses={status: ERRORS[status] for status in (404, 422, 503)},
)
Handle = Annotated[str, PathParameter(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]


async def found_feed(handle: Handle, runtime: Opened, uow: Uow) -> rules.Feed:
    """Return the feed of this handle."""
    feed = await actions.read_feed(uow.session, runtime.settings.base_url, handle)
    if feed is None:
        raise NotFound(f"There is no feed '{handle}'")
    return feed


FoundFeed = Annotated[rules.Feed, Depends(found_feed)]


@router.get("/style.css", include_in_schema=False)
async def style() -> FileResponse:
    """The pages' style sheet."""
    return FileResponse(TEMPLATES / "style.css", media_type="text/css")


@router.get("/{handle}.atom", response_class=Response)
async def atom(feed: FoundFeed) -> Response:
    """The feed as Atom."""
    return Response(rules.atom(feed), media_type="application/atom+xml", headers=HEADERS)


@router.get("/{handle}.json")
async def json_feed(feed: FoundFeed) -> JSONResponse:
    """The feed as JSON Feed 1.1."""
    return JSONResponse(rules.json_feed(feed), media_type="application/feed+json", headers=HEADERS)


@router.get("/{handle}", response_class=HTMLResponse)
async def page(feed: FoundFeed) -> HTMLResponse:
    """The feed as a page."""
    return HTMLResponse(PAGES.get_template("feed.html").render(feed=feed), headers=HEADERS)


@router.get("/{handle}/media/{media_id}", response_class=FileResponse)
async def image(handle: Handle, media_id: UUID, runtime: Opened, uow: Uow) -> FileResponse:
    """An image of a published entry."""
    found = await actions.public_media(uow.session, handle, media_id)
    if found is None:
        raise NotFound("There is no such image in this feed")
    digest, content_type = found
    path = file_path(runtime.settings.media_folder, digest)
    return FileResponse(path, media_type=content_type, headers=NO_SNIFF)
