"""The content calendar: what goes out on which day, what became of it, and moving it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from service.access.caller import Scope
from service.dashboard import rendering
from service.dashboard.calendar import reading as calendar_reading
from service.dashboard.calendar import rules as calendar_rules
from service.dashboard.calendar.entries import outcome, why_fixed
from service.dashboard.calendar.reading import SHOWN
from service.dashboard.calendar.rules import MONTH, VIEWS, Choice
from service.dashboard.calendar.slots import compose_path
from service.dashboard.formats import moment, zone_of
from service.dashboard.view import PostsReader, PostsWriter, View, local
from service.errors import AlmanacError, Conflict, InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.posts import routes as post_routes
from service.posts.desk import Desk
from service.posts.models import UNSCHEDULED, DeliveryState
from service.posts.rules import PAST_GRACE
from service.posts.schemas import PostChange, PostDetail

router = APIRouter(include_in_schema=False)
MOST_ACCOUNTS = 50
"""That can be chosen at once."""
MOST_CONCERNS = 20
MORNING = "09:00"
"""Proposed where nothing is planned yet."""
NOON = 12
"""An hour at which clocks do not change."""

Text = Annotated[str, Query(max_length=100)]


def _zone(request: Request) -> ZoneInfo:
    return zone_of(request.cookies.get(rendering.ZONE))


def _ids(texts: list[str]) -> tuple[UUID, ...]:
    found = []
    for text in texts[:MOST_ACCOUNTS]:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))


@router.get("/calendar")
async def show(view: PostsReader) -> Response:
    """Show a month, a week or a day."""
    zone = _zone(view.request)
    choice = _choice(view.request, zone)
    board = await calendar_reading.load(view.runtime, view.caller, choice, zone)
    return await view.page(
        f"calendar_{choice.view}.html",
        board=board,
        choice=choice,
        shown=[(key, title) for key, (title, _) in SHOWN.items()],
        concerns=board.concerns[:MOST_CONCERNS],
        concerns_total=len(board.concerns),
        may_write=view.caller.may(Scope.POSTS_WRITE),
        offset=calendar_rules.offset(calendar_rules.at_hour(choice.on, NOON, zone)),
        compose=compose_path,
        outcome=lambda target: outcome(target, zone),
        at_hour=lambda day, hour: calendar_rules.at_hour(day.date, hour, zone),
    )


def _choice(request: Request, zone: ZoneInfo) -> Choice:
    """Return what an address asks for; what it does not say, or says wrongly, is as usual."""
    query = request.query_params
    view, show, hours = (query.get(name, "") for name in ("view", "show", "hours"))
    return Choice(
        view=view if view in VIEWS else MONTH,
        on=calendar_rules.read_day(query.get("on", ""), now().astimezone(zone).date()),
        accounts=_ids(query.getlist("account")),
        show=show if show in SHOWN else "",
        hours="all" if hours == "all" else "",
    )


@router.get("/calendar/move")
async def ask(view: PostsWriter, post: Text = "", back: Annotated[str, Query()] = "") -> Response:
    """Ask for the day and the time that a post is moved to."""
    async with view.runtime.unit_of_work() as uow:
        found = await post_routes.show_post(_post_id(post), view.caller, uow)
    zone = _zone(view.request)
    at = _planned(found)
    start = (at or now()).astimezone(zone)
    values = {
        "date": f"{start:%Y-%m-%d}",
        "time": f"{start:%H:%M}" if at else MORNING,
        "zone": zone.key,
        "offset": calendar_rules.offset(start) if calendar_rules.comes_twice(start) else "",
    }
    return await _form(view, found, values, local(back, "/calendar"))


def _planned(post: PostDetail) -> datetime | None:
    """Return when a post goes out; None for a draft without a date."""
    if post.publish_at is not None:
        return post.publish_at
    due = [delivery.due_at for delivery in post.deliveries if delivery.state not in UNSCHEDULED]
    return min(due, default=None)


async def _form(
    view: View,
    post: PostDetail,
    values: Mapping[str, str],
    back: str,
    problems: Mapping[str, str] | None = None,
) -> Response:
    at = _planned(post)
    return await view.page(
        "calendar_move.html",
        422 if problems else 200,
        post=post,
        at=at,
        local_there=moment(at, zone_of(post.zone)),
        values=values,
        offsets=_offsets(values),
        back=back,
        problems=problems or {},
        fixed=why_fixed((delivery.state, False) for delivery in post.deliveries),
    )


def _wanted(values: Mapping[str, str]) -> datetime | None:
    """Return the time that somebody wants, on their clock; None for something else."""
    try:
        at = datetime.fromisoformat(f"{values['date']}T{values['time']}")
    except ValueError:
        return None
    return at.replace(tzinfo=zone_of(values["zone"]))


def _offsets(values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the two offsets between which somebody must choose, if they must."""
    at = _wanted(values)
    return calendar_rules.offsets(at) if at and calendar_rules.comes_twice(at) else ()


@router.post("/calendar/move")
async def move(view: PostsWriter) -> Response:
    """Move a post; a script is told what happened, a form leads back to the calendar."""
    values = {name: str(view.form.get(name, "")) for name in ("date", "time", "zone", "offset")}
    post_id = _post_id(str(view.form.get("post", "")))
    scripted = "application/json" in view.request.headers.get("accept", "")
    back = view.back("/calendar")
    try:
        text = await _move(view, post_id, values)
    except AlmanacError as error:
        if scripted:
            return JSONResponse({"message": _reason(error)}, error.status)
        if isinstance(error, NotFound):
            raise
        async with view.runtime.unit_of_work() as uow:
            unmoved = await post_routes.show_post(post_id, view.caller, uow)
        return await _form(view, unmoved, values, back, {"date": _reason(error)})
    if scripted:
        return JSONResponse({"message": text})
    return view.go(back, text)


async def _move(view: View, post_id: UUID, values: Mapping[str, str]) -> str:
    """Move a post; return what happened in words."""
    at = _wanted(values)
    if at is None:
        raise InvalidInput(
            [Problem("date", "Choose a day and a time, such as 2030-01-31 and 09:00")]
        )
    if at < now() - PAST_GRACE:
        passed = moment(at, zone_of(values["zone"]))
        raise _no_time(f"{passed} has passed. Choose a later time")
    # An offset left over from another time would change this one.
    offset = values["offset"] if values["offset"] in _offsets(values) else ""
    body = PostChange(
        publish_at=f"{at.replace(tzinfo=None).isoformat()}{offset}",
        zone="".join(filter(str.isprintable, values["zone"]))[:100],
    )
    async with view.runtime.unit_of_work() as uow:
        post = await post_routes.show_post(post_id, view.caller, uow)
        if post.state == DeliveryState.CANCELLED:
            raise Conflict("The post is cancelled, so it stays where it is")
        desk = Desk.of(view.runtime, uow, view.caller)
        moved = await post_routes.change(post_id, body, desk)
    taken_back = moved.state == DeliveryState.DRAFT and post.state != moved.state
    again = ". It waits for approval again" if taken_back else ""
    return f"Moved to {moment(moved.publish_at, zone_of(values['zone']))}{again}"


def _no_time(message: str) -> InvalidInput:
    return InvalidInput([Problem("date", message)])


def _reason(error: AlmanacError) -> str:
    if isinstance(error, InvalidInput):
        return "; ".join(problem.message for problem in error.problems)
    return error.message


def _post_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no such post") from None
