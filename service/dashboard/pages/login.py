"""Logging in and out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from service.access import session_routes
from service.access.cookies import COOKIE, drop_cookie, refuse_foreign, set_cookie
from service.access.login import log_in
from service.access.session_actions import Visit
from service.access.throttle import Throttle
from service.dashboard.rendering import render
from service.dashboard.view import Anybody, is_logged_in, local
from service.errors import AlmanacError, TooManyRequests, Unauthenticated
from service.web import Opened, Uow

router = APIRouter(include_in_schema=False)


@router.get("/login")
async def show_login(
    request: Request,
    runtime: Opened,
    next: Annotated[str, Query()] = "/",  # noqa: A002 - the parameter's usual name
) -> Response:
    """Ask for name and password, unless somebody is logged in already."""
    if await is_logged_in(request, runtime):
        return RedirectResponse(local(next, "/"), 303)
    values = {"layout": "bare.html", "next": local(next, "/"), "name": "", "error": None}
    return render(request, "login.html", 200, values)


@router.post("/login")
async def begin(
    request: Request,
    runtime: Opened,
    throttle: Annotated[Throttle, Depends(session_routes.get_throttle)],
) -> Response:
    """Log in, and go where one wanted to."""
    settings = runtime.settings
    async with request.form() as form:
        name, password, path = (str(form.get(field, "")) for field in ("name", "password", "next"))
    refuse_foreign(request, settings.base_url)
    visit = Visit(
        address=request.client.host if request.client else None,
        user_agent=request.headers.get("user-agent"),
        cookie=request.cookies.get(COOKIE),
    )
    try:
        login = await log_in(runtime, throttle, name, password, visit)
    except (Unauthenticated, TooManyRequests) as error:
        return _again(request, name, local(path, "/"), error)
    response = RedirectResponse(local(path, "/"), 303)
    seconds = int(settings.session_lifetime.total_seconds())
    set_cookie(response, login.cookie, seconds=seconds, secure=session_routes.is_secure(settings))
    return response


def _again(request: Request, name: str, path: str, error: AlmanacError) -> Response:
    values = {"layout": "bare.html", "next": path, "name": name, "error": error.message}
    return render(request, "login.html", error.status, values)


@router.post("/logout")
async def end(view: Anybody, uow: Uow) -> Response:
    """Log out, here or everywhere."""
    everywhere = view.form.get("everywhere") == "yes"
    await session_routes.end(view.caller, view.request, view.runtime, uow, everywhere=everywhere)
    response = RedirectResponse("/login", 303)
    drop_cookie(response, secure=view.secure)
    return response
