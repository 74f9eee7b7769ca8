"""Errors as pages, for whoever came with a browser."""

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from service.dashboard.rendering import is_fragment, render
from service.errors import Problem

MACHINES = ("/v1/", "/feeds/", "/metrics", "/livez", "/readyz", "/static/", "/openapi.json")
"""Paths that answer programs, whatever asks."""


def wants_page(request: Request) -> bool:
    """Whether an error is to be told to a person."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(
        MACHINES
    )


def page(request: Request, status: int, detail: str, problems: Sequence[Problem] = ()) -> Response:
    """Return an error as a page; for somebody who is not logged in, the way to the login."""
    if status == HTTPStatus.UNAUTHORIZED:
        return _to_login(request)
    values = {
        "status": status,
        "title": HTTPStatus(status).phrase,
        "detail": detail,
        "problems": problems,
        "layout": "bare.html",
    }
    return render(request, "error.html", status, values)


def _to_login(request: Request) -> Response:
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    came_from = path if request.method == "GET" else "/"
    login = f"/login?next={quote(came_from)}"
    if is_fragment(request):
        # A redirect would put the login page into the part that was asked for.
        return Response(status_code=401, headers={"HX-Redirect": login})
    return RedirectResponse(login, 303)
