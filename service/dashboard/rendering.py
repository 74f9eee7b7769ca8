"""How a template becomes a reply: what every page knows, and which headers it has."""

import gzip
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from service.dashboard import assets, formats
from service.dashboard.notes import COOKIE as NOTE
from service.dashboard.notes import take

TEMPLATES = Path(__file__).with_name("templates")
LEVEL = 4
"""Of compression: a page of 200 kB takes 2 ms."""
THEME = "almanac_theme"
THEMES = ("auto", "light", "dark")
ZONE = "almanac_zone"
CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Cookie, HX-Request, Accept-Encoding",
}


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = assets.url
    environment.filters.update(
        ago=_ago,
        moment=_moment,
        duration=formats.duration,
        number=formats.number,
        size=formats.size,
    )
    return environment


@pass_context
def _ago(context: Context, at: Any) -> Any:
    return formats.ago(at, context["zone"])


@pass_context
def _moment(context: Context, at: Any) -> Any:
    return formats.moment(at, context["zone"])


PAGES = _environment()


def _compressed(request: Request, response: HTMLResponse) -> HTMLResponse:
    """Return a page as its browser takes it; its one secret is masked, see `rules.masked`."""
    if "gzip" in request.headers.get("accept-encoding", ""):
        response.body = gzip.compress(response.body, LEVEL)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


def is_fragment(request: Request) -> bool:
    """Whether only the live part of a page is wanted."""
    return "hx-request" in request.headers


def render(request: Request, template: str, status: int, values: dict[str, Any]) -> HTMLResponse:
    """Return a page.

    Args:
        request: whose cookies choose theme and zone.
        template: its file below `templates/`.
        status: of the reply.
        values: what the template needs, beside what every page has.
    """
    fragment = is_fragment(request)
    theme = request.cookies.get(THEME, "auto")
    note = None if fragment else take(request)
    known = {
        "layout": "fragment.html" if fragment else "base.html",
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "theme": theme if theme in THEMES else "auto",
        "zone": formats.zone_of(request.cookies.get(ZONE)),
        "note": note,
    }
    text = PAGES.get_template(template).render({**known, **values})
    response = _compressed(request, HTMLResponse(text, status, HEADERS))
    if note is not None:
        response.delete_cookie(NOTE)
    return response
