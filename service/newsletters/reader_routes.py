"""Pages that readers open: subscribe, confirm, unsubscribe, read in a browser. No login, no script.

Programs that look for viruses open every link of a mail, so that opening one changes nothing:
people press a button, and mail programs POST (RFC 8058).
"""

from base64 import b64decode
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from pydantic import ValidationError

from service.errors import InvalidInput, NotFound, Problem, TooManyRequests
from service.newsletters import (
    event_actions,
    feeds,
    issue_queries,
    queries,
    subscriber_actions,
    subscriber_queries,
)
from service.newsletters.models import Newsletter
from service.newsletters.subscriber_schemas import SubscribeIn, SubscribeOut
from service.newsletters.tokens import Links, Purpose, named
from service.web import ERRORS, Opened, Uow

TEMPLATES = Path(__file__).with_name("templates")
PAGES = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape())
PAGES.globals["title"] = feeds.title
CSP = (
    "default-src 'none'; img-src https: http: data:; style-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": CSP,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
PRIVATE = {**HEADERS, "X-Robots-Tag": "noindex"}
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one pixel."""
ANSWER = (
    "If this address does not have the newsletter yet, a mail is on its way to it: open the link "
    "in it to confirm."
)
SHOWN = 50
"""Issues in an archive."""
MAX_FORM = 4_000

router = APIRouter(
    tags=["readers"], responses={status: ERRORS[status] for status in (404, 422, 503)}
)
Slug = Annotated[str, PathParameter(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Token = Annotated[str, PathParameter(max_length=100)]


async def found_newsletter(slug: Slug, uow: Uow) -> Newsletter:
    """Return the public newsletter of this name."""
    found = await queries.public_newsletter(uow.session, slug)
    if found is None:
        raise NotFound(f"There is no newsletter '{slug}'")
    return found


Found = Annotated[Newsletter, Depends(found_newsletter)]


@router.get("/n/style.css", include_in_schema=False)
async def style() -> FileResponse:
    """The pages' style sheet."""
    return FileResponse(TEMPLATES / "style.css", media_type="text/css")


@router.get("/newsletters/{slug}/subscribe", response_class=HTMLResponse)
async def subscribe_page(found: Found) -> HTMLResponse:
    """A form by which anybody subscribes."""
    return _page("subscribe.html", newsletter=found)


@router.post("/newsletters/{slug}/subscribe", status_code=202, response_model=SubscribeOut)
async def subscribe(found: Found, request: Request, runtime: Opened, uow: Uow) -> Response:
    """Ask for a newsletter, by the form or as JSON `{address, name}`.

    The answer is the same whether the address is known or not: whose it is gets a mail.
    """
    is_form = not request.headers.get("content-type", "").startswith("application/json")
    try:
        body = _wish(await request.body(), is_form=is_form)
        source = _source(request)
        await request.app.state.throttle.begin(f"subscribe {body.address.casefold()}", source)
        links = Links(runtime.keyring, runtime.settings.base_url)
        await subscriber_actions.subscribe(uow, found, body.address, body.name, links)
    except (InvalidInput, TooManyRequests) as error:
        if not is_form:
            raise
        return _page("subscribe.html", error.status, newsletter=found, error=error)
    if is_form:
        return _page("message.html", 202, title="Look into your mails", text=ANSWER)
    return JSONResponse({"message": ANSWER}, 202)


def _wish(body: bytes, *, is_form: bool) -> SubscribeIn:
    if len(body) > MAX_FORM:
        raise InvalidInput([Problem("address", "is too long")])
    try:
        if not is_form:
            return SubscribeIn.model_validate_json(body)
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
        return SubscribeIn(address=fields.get("address", [""])[0], name=fields.get("name", [""])[0])
    except ValidationError as error:
        raise InvalidInput(
            [
                Problem(".".join(map(str, each["loc"])) or "body", each["msg"])
                for each in error.errors()
            ]
        ) from None


def _source(request: Request) -> str | None:
    """Return where a request came from, counted apart from logins."""
    if request.client is None:
        return None
    try:
        parsed = ip_address(request.client.host)
    except ValueError:  # a Unix socket's peer, or a test's
        return f"subscribe {request.client.host}"
    bits = 64 if parsed.version == 6 else 32
    return f"subscribe {ip_network((parsed, bits), strict=False)}"


@router.get("/n/confirm/{token}", response_class=HTMLResponse)
async def confirm_page(token: Token, runtime: Opened, uow: Uow) -> HTMLResponse:
    """A button that confirms a subscription."""
    subscription_id, _ = _named(runtime, "confirm", token)
    found = await subscriber_queries.subscription(uow.session, subscription_id)
    if found is None:
        raise NotFound("This link has ended: subscribe again")
    text = f"Do you want to get {found.Newsletter.name}?"
    return _page("button.html", private=True, title="Confirm", text=text, button="Yes, send it")


@router.post("/n/confirm/{token}", response_class=HTMLResponse)
async def confirm(token: Token, runtime: Opened, uow: Uow) -> HTMLResponse:
    """Confirm a subscription."""
    subscription_id, round_ = _named(runtime, "confirm", token)
    found = await event_actions.confirm(uow.session, subscription_id, round_)
    text = f"You will get {found.name}."
    return _page("message.html", private=True, title="Thank you", text=text)


@router.get("/n/unsubscribe/{token}", response_class=HTMLResponse)
async def unsubscribe_page(token: Token, runtime: Opened, uow: Uow) -> HTMLResponse:
    """A button that ends a subscription."""
    delivery_id, _ = _named(runtime, "unsubscribe", token)
    found = await subscriber_queries.of_delivery(uow.session, delivery_id)
    if found is None:
        raise NotFound("There is no such mail any more")
    text = f"Shall {found.Newsletter.name} come no more?"
    return _page("button.html", private=True, title="Unsubscribe", text=text, button="Unsubscribe")


@router.post("/n/unsubscribe/{token}", response_class=HTMLResponse)
async def unsubscribe(token: Token, runtime: Opened, uow: Uow) -> HTMLResponse:
    """End a subscription, by the button or by a mail program's one click (RFC 8058)."""
    delivery_id, _ = _named(runtime, "unsubscribe", token)
    found = await event_actions.unsubscribe(uow.session, delivery_id)
    text = f"You will get {found.name} no more."
    return _page("message.html", private=True, title="Unsubscribed", text=text)


@router.get("/n/o/{token}.gif", response_class=Response)
async def opened(token: Token, runtime: Opened, uow: Uow) -> Response:
    """A picture of one pixel, which counts that a mail was opened where readers are told so."""
    found = named(runtime.keyring, "open", token)
    if found is not None:
        await event_actions.opened(uow.session, found[0])
    return Response(PIXEL, media_type="image/gif", headers=PRIVATE)


@router.get("/n/c/{token}/{number}", status_code=302, response_class=RedirectResponse)
async def clicked(token: Token, number: int, runtime: Opened, uow: Uow) -> Response:
    """Lead to a link of an issue, and to nowhere else."""
    delivery_id, _ = _named(runtime, "click", token)
    if not 0 < number < 10_000:
        raise NotFound("The issue has no such link")
    url = await event_actions.clicked(uow.session, delivery_id, number)
    return RedirectResponse(url, 302, headers=PRIVATE)


@router.get("/newsletters/{slug}/archive", response_class=HTMLResponse)
async def archive(found: Found, uow: Uow) -> HTMLResponse:
    """The issues of a public newsletter that were sent."""
    rows = await issue_queries.archive(uow.session, found.id, SHOWN)
    return _page("archive.html", newsletter=found, issues=rows)


@router.get("/newsletters/{slug}/feed.atom", response_class=Response)
async def feed(found: Found, runtime: Opened, uow: Uow) -> Response:
    """The issues of a public newsletter as Atom."""
    rows = await issue_queries.archive(uow.session, found.id, SHOWN)
    atom = feeds.atom(found, rows, runtime.settings.base_url)
    return Response(atom, media_type="application/atom+xml", headers=HEADERS)


@router.get("/newsletters/{slug}/archive/{number}", response_class=HTMLResponse)
async def archived(found: Found, number: int, uow: Uow) -> HTMLResponse:
    """One issue of a public newsletter."""
    row = None
    if 0 < number < 2**31:
        row = await issue_queries.archived(uow.session, found.id, number)
    if row is None:
        raise NotFound("There is no such issue")
    content = Markup(feeds.content(row))  # noqa: S704 - sanitised
    return _page("issue.html", newsletter=found, issue=row, content=content)


def _named(runtime: Opened, purpose: Purpose, token: str) -> tuple[UUID, int]:
    found = named(runtime.keyring, purpose, token)
    if found is None:
        raise NotFound("This link is not complete, or has ended")
    return found


def _page(
    template: str, status: int = 200, *, private: bool = False, **values: Any
) -> HTMLResponse:
    content = PAGES.get_template(template).render(**values)
    return HTMLResponse(content, status, headers=PRIVATE if private else HEADERS)
