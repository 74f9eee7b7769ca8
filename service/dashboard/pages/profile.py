"""Somebody's own page: what they may do, password, logins, time zone, look."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from service.access import own_password, session_actions, session_routes
from service.access.audit import note
from service.access.cookies import COOKIE, drop_cookie, set_cookie
from service.access.session_actions import Visit
from service.access.throttle import Throttle
from service.dashboard import filled
from service.dashboard.access import scopes
from service.dashboard.access.browsers import browser
from service.dashboard.view import Anybody, View
from service.errors import Conflict, InvalidInput, NotFound, TooManyRequests

router = APIRouter(include_in_schema=False)
TWICE = "Is not what you typed above"


@cache
def zones() -> list[str]:
    """Return the names of all time zones that stand for a place."""
    return sorted(name for name in available_timezones() if "/" in name or name == "UTC")


@router.get("/profile")
async def show(view: Anybody) -> Response:
    """Show who is logged in."""
    return await _show(view)


async def _show(
    view: View, status: int = 200, problems: Mapping[str, str] | None = None
) -> Response:
    async with view.runtime.unit_of_work() as uow:
        found = await session_routes.list_sessions(view.caller, view.request, view.runtime, uow)
    return await view.page(
        "profile.html",
        status,
        sessions=[(each, browser(each.user_agent)) for each in found.items],
        scopes=scopes.words(view.caller.scopes),
        zones=zones(),
        problems=problems or {},
    )


@router.post("/profile/password")
async def change_password(
    view: Anybody, throttle: Annotated[Throttle, Depends(session_routes.get_throttle)]
) -> Response:
    """Change one's own password: all other logins end, this one goes on with another cookie."""
    present, new, again = (str(view.form.get(f, "")) for f in ("present", "password", "again"))
    if new != again:
        return await _show(view, InvalidInput.status, {"again": TWICE})
    request, settings = view.request, view.runtime.settings
    visit = Visit(
        address=request.client.host if request.client else None,
        user_agent=request.headers.get("user-agent"),
        cookie=request.cookies[COOKIE],
    )
    try:
        login = await own_password.change(view.runtime, throttle, view.caller, present, new, visit)
    except InvalidInput as error:
        return await _show(view, error.status, filled.problems(error))
    except TooManyRequests as error:
        response = await _show(view, error.status, {"present": error.message})
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    except Conflict as error:
        return view.refused("/profile", error)
    response = view.go("/profile", "You have a new password; every other login has ended")
    seconds = int(settings.session_lifetime.total_seconds())
    set_cookie(response, login.cookie, seconds=seconds, secure=view.secure)
    return response


@router.post("/profile/sessions/{session_id}/end")
async def end(view: Anybody, session_id: UUID) -> Response:
    """Log oneself out in another browser, or here."""
    try:
        async with view.runtime.unit_of_work() as uow:
            await session_routes.end_one(session_id, view.caller, uow)
    except NotFound:  # it has ended meanwhile: what was wanted
        return view.go("/profile#logins", "That login has ended already")
    if session_id == view.session.id:
        response: Response = RedirectResponse("/login", 303)
        drop_cookie(response, secure=view.secure)
        return response
    return view.go("/profile#logins", "That login has ended")


@router.post("/profile/sessions/end")
async def end_others(view: Anybody) -> Response:
    """Log oneself out everywhere else."""
    caller = view.caller
    async with view.runtime.unit_of_work() as uow:
        count = await session_actions.end_others(uow.session, caller, view.session.id)
        subject = f"user:{caller.name}"
        await note(uow.session, caller.actor, "sessions.end", subject, count=count)
    logins = "login has" if count == 1 else "logins have"
    return view.go("/profile#logins", f"{count} other {logins} ended")
