"""Recurring posts: all that there are, one with its posts, and how a post begins to come again."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from service.access.caller import Scope
from service.accounts import queries as accounts
from service.accounts.queries import Account
from service.dashboard import filled, formats
from service.dashboard.publishing.composing import stored, zones
from service.dashboard.view import PostsReader, PostsWriter, View
from service.errors import AlmanacError, InvalidInput, Problem
from service.planning import routes
from service.planning.schemas import RecurrenceOut, RepeatIn
from service.posts.desk import Desk
from service.posts.schemas import PostDetail
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
UNITS = (("days", "days"), ("weeks", "weeks"), ("months", "months"))
FIELDS = ("how", "count", "unit", "at", "cron", "zone", "until", "times")
ACTS: Mapping[str, tuple[Any, str]] = {
    "pause": (routes.pause, "It does not come until you resume it; the coming post is cancelled"),
    "resume": (routes.resume, "It comes again; the next post is scheduled"),
    "stop": (routes.stop, "It has ended; the coming post is cancelled"),
}


@router.get("/recurring")
async def show_all(view: PostsReader, page: Paging, uow: Uow) -> Response:
    """List recurring posts, newest first."""
    found = await routes.list_recurring(view.caller, page, uow)
    return await view.page(
        "recurring.html",
        items=found.items,
        accounts=await _accounts(view, uow, *found.items),
        titles=_titles(view),
        cursor=found.next_cursor,
        first=not page.before,
        may_write=view.caller.may(Scope.POSTS_WRITE),
    )


@router.get("/recurring/{recurrence_id}")
async def show_one(recurrence_id: UUID, view: PostsReader, uow: Uow) -> Response:
    """Show a recurring post with its posts."""
    found = await routes.show_recurring(recurrence_id, view.caller, uow)
    return await view.page(
        "recurrence.html",
        item=found,
        accounts=await _accounts(view, uow, found),
        titles=_titles(view),
        may_write=view.caller.may(Scope.POSTS_WRITE),
    )


@router.get("/recurring/{recurrence_id}/stop")
async def ask(recurrence_id: UUID, view: PostsWriter, uow: Uow) -> Response:
    """Say what the end of a recurring post means."""
    found = await routes.show_recurring(recurrence_id, view.caller, uow)
    return await view.page("recurrence_stop.html", item=found)


@router.post("/recurring/{recurrence_id}/{act}")
async def do(recurrence_id: UUID, act: str, view: PostsWriter) -> Response:
    """Pause, resume or end a recurring post."""
    path = f"/recurring/{recurrence_id}"
    if act not in ACTS:
        return view.go(path, "There is no such action", done=False)
    if act == "stop" and view.form.get("confirmed") != "yes":
        return view.go(f"{path}/stop", "Read what follows first", done=False)
    steer, text = ACTS[act]
    try:
        async with view.runtime.unit_of_work() as uow:
            await steer(recurrence_id, Desk.of(view.runtime, uow, view.caller))
    except AlmanacError as error:
        return view.refused(path, error)
    return view.go(path, text)


@router.get("/posts/{post_id}/repeat")
async def begin(post_id: UUID, view: PostsWriter) -> Response:
    """Show the form that lets a post come again."""
    post = await stored(view, post_id)
    zone = formats.zone_of(post.zone)
    local = (post.publish_at or post.created_at).astimezone(zone)
    values = {"how": "every", "count": "1", "unit": "weeks", "at": f"{local:%H:%M}"}
    return await _form(view, post, {**values, "zone": zone.key})


@router.post("/posts/{post_id}/repeat")
async def create(post_id: UUID, view: PostsWriter) -> Response:
    """Let a post come again."""
    post = await stored(view, post_id)
    values = {name: str(view.form.get(name, "")).strip() for name in FIELDS}
    try:
        body = filled.body(RepeatIn, _wanted(values))
        async with view.runtime.unit_of_work() as uow:
            made = await routes.begin(Desk.of(view.runtime, uow, view.caller), post_id, body)
    except InvalidInput as error:
        return await _form(view, post, values, filled.problems(error), 422)
    except AlmanacError as error:
        return view.refused(f"/posts/{post_id}", error)
    return view.go(f"/recurring/{made.id}", "It comes again; the next post is scheduled")


def _wanted(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the form as a request.

    Raises:
        InvalidInput: a number or a date is none.
    """
    zone = formats.zone_of(values["zone"])
    wanted: dict[str, Any] = {
        "zone": values["zone"] or None,
        "until": filled.end_of_day("until", values["until"], zone),
        "times": _number("times", values["times"]),
    }
    if values["how"] == "cron":
        return {**wanted, "cron": values["cron"]}
    count, unit = _number("count", values["count"]), values["unit"]
    return {**wanted, "every": {unit: count, "at": values["at"] or None}}


def _number(field: str, text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 6:
        raise InvalidInput([Problem(field, "Write a number")])
    return int(text)


async def _form(
    view: View,
    post: PostDetail,
    values: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    return await view.page(
        "repeat.html",
        status,
        post=post,
        values={name: values.get(name, "") for name in FIELDS},
        units=UNITS,
        zones=zones(),
        problems=problems or {},
    )


async def _accounts(view: View, uow: Uow, *items: RecurrenceOut) -> dict[UUID, Account]:
    ids = {account for item in items for account in item.accounts}
    found = await accounts.accounts_by_id(uow.session, view.caller, ids)
    return {account.id: account for account in found}


def _titles(view: View) -> dict[str, str]:
    return {name: platform.title for name, platform in view.runtime.platforms.items()}
