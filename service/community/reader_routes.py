"""Pages that members open from a mail: no key is needed."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from service.community import leaving, mail_actions
from service.web import ERRORS, Opened, Uow

PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=select_autoescape()
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

UNKNOWN = {"description": "A page: the link is not one of ours", "content": {"text/html": {}}}

router = APIRouter(prefix="/digest", tags=["community"], responses={404: UNKNOWN, 503: ERRORS[503]})


async def whose(token: str, runtime: Opened) -> UUID | None:
    """Return the member whose link it is."""
    return leaving.member_of(runtime.keyring, token)


Whose = Annotated[UUID | None, Depends(whose)]


@router.get("/leave/{token}", response_class=HTMLResponse)
async def ask(member: Whose) -> HTMLResponse:
    """Ask whether a member wants no more digests; programs open links too, so nothing changes."""
    return _page("asked" if member else "unknown")


@router.post("/leave/{token}", response_class=HTMLResponse)
async def leave(member: Whose, uow: Uow) -> HTMLResponse:
    """Send a member no more digests: by the page's button, or by one click in a mail program.

    The latter is RFC 8058; what it sends in its body says nothing more.
    """
    if member is None:
        return _page("unknown")
    await mail_actions.leave_digests(uow.session, member)
    return _page("left")


def _page(state: str) -> HTMLResponse:
    content = PAGES.get_template("leave.html").render(state=state)
    return HTMLResponse(content, 404 if state == "unknown" else 200, headers=HEADERS)
