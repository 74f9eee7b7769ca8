"""Subscribers: who gets which newsletter, one person with what became of their mails."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.access.caller import Scope
from service.dashboard import filled
from service.dashboard.pages import subscriber_import
from service.dashboard.view import ContentReader, ContentWriter, View
from service.emails import queries as emails
from service.errors import AlmanacError, InvalidInput
from service.kit.pagination import MAX_LIMIT, Page
from service.newsletters import queries, subscriber_queries, subscriber_routes
from service.newsletters.models import Newsletter, SubscriberState
from service.newsletters.subscriber_queries import Wanted
from service.newsletters.subscriber_schemas import SubscriberChange, SubscriberIn
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
router.include_router(subscriber_import.router)
SHOWN = 20
"""Mails on one person's page."""
LOOKS = {
    "active": "active",
    "pending": "waiting",
    "unsubscribed": "cancelled",
    "bounced": "failed",
    "complained": "failed",
    "blocked": "held",
}
"""By a state of a person or a subscription: the look of the word."""
FIELDS = ("address", "name", "tags", "newsletter", "consent")
Text = Annotated[str, Query(max_length=200)]


async def newsletters(view: View, uow: Uow) -> Sequence[Newsletter]:
    """Return the newsletters that a person chooses from."""
    page = Page(MAX_LIMIT)
    return (await queries.list_newsletters(uow.session, view.caller, page, None)).items


@router.get("/subscribers")
async def show_all(  # noqa: PLR0913, PLR0917 - one parameter is one filter
    view: ContentReader,
    page: Paging,
    uow: Uow,
    search: Text = "",
    state: Text = "",
    newsletter: Text = "",
    tag: Text = "",
) -> Response:
    """List subscribers, newest first."""
    choices = await newsletters(view, uow)
    chosen = next((each for each in choices if str(each.id) == newsletter), None)
    wanted = Wanted(
        chosen.id if chosen else None,
        next((each for each in SubscriberState if each == state), None),
        tag.replace("\x00", "").strip() or None,
        search.replace("\x00", "").strip() or None,
    )
    found = await subscriber_routes.listed(uow, view.caller, page, wanted)
    query = {"search": search, "state": state, "newsletter": newsletter, "tag": tag}
    query = {name: value for name, value in query.items() if value}
    return await view.page(
        "subscribers.html",
        items=found.items,
        newsletters=choices,
        names={each.id: each.name for each in choices},
        states=list(SubscriberState),
        wanted=wanted,
        filtered=bool(query),
        path="/subscribers" + (f"?{urlencode(query)}" if query else ""),
        cursor=found.next_cursor,
        first=not page.before,
        looks=LOOKS,
        may_write=view.caller.may(Scope.CONTENT_WRITE),
    )


@router.get("/subscribers/new")
async def begin(view: ContentWriter, uow: Uow, newsletter: Text = "") -> Response:
    """Show the form of a new subscriber."""
    return await _form(view, uow, {**dict.fromkeys(FIELDS, ""), "newsletter": newsletter})


@router.post("/subscribers/new")
async def create(view: ContentWriter, uow: Uow) -> Response:
    """Add a person."""
    values = {name: str(view.form.get(name, "")).strip() for name in FIELDS}
    wanted = {
        "address": values["address"],
        "name": values["name"],
        "tags": _tags(values["tags"]),
        "newsletters": [values["newsletter"]] if values["newsletter"] else [],
        "consent": values["consent"] or None,
    }
    try:
        body = filled.body(SubscriberIn, wanted)
        async with view.runtime.unit_of_work() as own:
            made = await subscriber_routes.create(view.runtime, own, view.caller, body)
    except InvalidInput as error:
        problems = filled.problems(error)
        if message := problems.get("newsletters.0") or problems.get("newsletters"):
            problems["newsletter"] = message
        return await _form(view, uow, values, problems, 422)
    except AlmanacError as error:
        return await _form(view, uow, values, {"address": error.message}, error.status)
    asked = body.newsletters and body.consent is None
    text = "Added; they are asked by a mail to confirm" if asked else "Added"
    return view.go(f"/subscribers/{made.id}", text)


@router.get("/subscribers/{subscriber_id}")
async def show_one(subscriber_id: UUID, view: ContentReader, uow: Uow) -> Response:
    """Show a person with their newsletters, and what became of their mails."""
    found = await subscriber_routes.show_subscriber(subscriber_id, view.caller, uow)
    mails = await emails.list_emails(
        uow.session, view.caller, Page(SHOWN), emails.Wanted(address=found.address)
    )
    return await view.page(
        "subscriber.html",
        item=found,
        names={each.id: each.name for each in await newsletters(view, uow)},
        issues=await subscriber_queries.latest_deliveries(uow.session, subscriber_id, SHOWN),
        mails=mails.items,
        looks=LOOKS,
        may_write=view.caller.may(Scope.CONTENT_WRITE),
    )


@router.get("/subscribers/{subscriber_id}/confirm/{act}")
async def ask(subscriber_id: UUID, act: str, view: ContentWriter, uow: Uow) -> Response:
    """Say what follows, and ask."""
    found = await subscriber_routes.show_subscriber(subscriber_id, view.caller, uow)
    if act not in CONFIRMED:
        return view.go(f"/subscribers/{subscriber_id}", "There is no such action", done=False)
    return await view.page("subscriber_confirm.html", item=found, act=act)


CONFIRMED = ("unsubscribe", "delete", "block")
CHANGES = {
    "unsubscribe": ("unsubscribed", "They get nothing from here on"),
    "block": ("blocked", "They are blocked: nothing is sent to them"),
    "unblock": ("active", "The block is lifted"),
}


@router.post("/subscribers/{subscriber_id}/edit")
async def edit(subscriber_id: UUID, view: ContentWriter) -> Response:
    """Change a person's name and tags."""
    path = f"/subscribers/{subscriber_id}"
    typed = {name: str(view.form.get(name, "")).strip() for name in ("name", "tags")}
    try:
        wanted = {"name": typed["name"], "tags": _tags(typed["tags"])}
        body = filled.body(SubscriberChange, wanted)
        async with view.runtime.unit_of_work() as uow:
            await subscriber_routes.change_subscriber(subscriber_id, body, view.caller, uow)
    except AlmanacError as error:
        return view.refused(path, error)
    return view.go(path, "Changed")


@router.post("/subscribers/{subscriber_id}/{act}")
async def do(subscriber_id: UUID, act: str, view: ContentWriter) -> Response:
    """Unsubscribe, block, unblock or delete a person."""
    path = f"/subscribers/{subscriber_id}"
    if act != "delete" and act not in CHANGES:
        return view.go(path, "There is no such action", done=False)
    if act in CONFIRMED and view.form.get("confirmed") != "yes":
        return view.go(f"{path}/confirm/{act}", "Read what follows first", done=False)
    try:
        async with view.runtime.unit_of_work() as uow:
            if act == "delete":
                await subscriber_routes.delete_subscriber(subscriber_id, view.caller, uow)
                return view.go("/subscribers", "The person is deleted")
            state, text = CHANGES[act]
            body = filled.body(SubscriberChange, {"state": state})
            await subscriber_routes.change_subscriber(subscriber_id, body, view.caller, uow)
    except AlmanacError as error:
        return view.refused(path, error)
    return view.go(path, text)


def _tags(text: str) -> list[str]:
    return [tag.strip() for tag in text.split(",") if tag.strip()]


async def _form(
    view: View,
    uow: Uow,
    values: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    choices = await newsletters(view, uow)
    return await view.page(
        "subscriber_new.html",
        status,
        values=values,
        problems=problems or {},
        newsletters=[each for each in choices if each.owner_id == view.caller.user_id],
    )
