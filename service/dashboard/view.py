"""What a route of the dashboard works with: who looks, what they sent, and the way to reply."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from service.access import rules, session_actions
from service.access.caller import Caller, Scope
from service.access.cookies import COOKIE, CSRF_HEADER, refuse_foreign
from service.access.models import Session
from service.access.session_routes import is_secure
from service.dashboard import notes, rendering, summary
from service.dashboard.navigation import current, menu_for
from service.dashboard.notes import Note
from service.dashboard.operations import system
from service.errors import AlmanacError, Forbidden, Unauthenticated
from service.runtime import Runtime
from service.web import Opened, acting

CSRF_FIELD = "csrf"
STALE = "This page is from another login. Go back, load it again, then repeat what you did"


@dataclass(frozen=True, slots=True)
class View:
    """One request of somebody who is logged in."""

    request: Request
    caller: Caller
    runtime: Runtime
    session: Session
    form: FormData
    """What was sent; empty for a GET."""

    async def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page, or only its live part where that is asked for.

        Args:
            template: its file below `templates/`.
            status: of the reply.
            values: what the template needs.
        """
        path = self.request.url.path
        values = {
            "caller": self.caller,
            "csrf": rules.masked(rules.csrf_token(self.request.cookies[COOKIE])),
            "menu": menu_for(self.caller),
            "current": current(path),
            "numbers": await summary.numbers(self.runtime, self.caller),
            **values,
        }
        return rendering.render(self.request, template, status, values)

    def go(self, path: str, text: str, *, done: bool = True) -> Response:
        """Lead to another page, which says what was done or, if not `done`, why not."""
        summary.forget()
        system.forget()
        response = RedirectResponse(path, 303)
        notes.leave(response, Note(text, done), secure=self.secure)
        return response

    def refused(self, path: str, error: AlmanacError) -> Response:
        """Lead back to a page, which says why something was refused."""
        return self.go(path, error.message, done=False)

    def back(self, other: str) -> str:
        """Return the page that a form names as the one to come back to, else another."""
        return local(str(self.form.get("back", "")), other)

    @property
    def secure(self) -> bool:
        """Whether cookies may travel over https only."""
        return is_secure(self.runtime.settings)


def local(path: str, other: str) -> str:
    """Return a path of this site as it is, anything else as the other one."""
    follows = path[1:2]
    ours = path.startswith("/") and follows not in {"/", "\\"} and path.isprintable()
    return path if ours else other


async def is_logged_in(request: Request, runtime: Runtime) -> bool:
    """Whether somebody is, still; asking does not count as being there."""
    if (cookie := request.cookies.get(COOKIE)) is None:
        return False
    try:
        async with runtime.unit_of_work() as uow:
            await session_actions.look(uow.session, cookie, runtime.settings.session_idle)
    except Unauthenticated:
        return False
    return True


async def visiting(request: Request, runtime: Opened) -> AsyncIterator[View]:
    """Say who is logged in; refuse what another site has made their browser send."""
    if (cookie := request.cookies.get(COOKIE)) is None:
        raise Unauthenticated("Log in to see this page")
    form = FormData()
    async with runtime.unit_of_work() as uow:
        idle = runtime.settings.session_idle
        caller, session = await session_actions.resume(uow.session, cookie, idle)
    if request.method not in rules.SAFE_METHODS:
        refuse_foreign(request, runtime.settings.base_url)
        form = await request.form()
        token = form.get(CSRF_FIELD) or request.headers.get(CSRF_HEADER)
        if not rules.is_csrf_token(cookie, token if isinstance(token, str) else None):
            raise Forbidden(STALE)
    request.state.login = session  # as the API's routes know it
    try:
        with acting(request, caller):
            yield View(request, caller, runtime, session, form)
    finally:
        await form.close()


def _needs(scope: Scope) -> Callable[[View], Awaitable[View]]:
    async def check(view: Annotated[View, Depends(visiting)]) -> View:
        view.caller.require(scope)
        return view

    return check


Anybody = Annotated[View, Depends(visiting)]
"""Who is logged in, whatever they may do."""
PostsReader = Annotated[View, Depends(_needs(Scope.POSTS_READ))]
PostsWriter = Annotated[View, Depends(_needs(Scope.POSTS_WRITE))]
ContentReader = Annotated[View, Depends(_needs(Scope.CONTENT_READ))]
ContentWriter = Annotated[View, Depends(_needs(Scope.CONTENT_WRITE))]
SettingsWriter = Annotated[View, Depends(_needs(Scope.SETTINGS_WRITE))]
JobsReader = Annotated[View, Depends(_needs(Scope.JOBS_READ))]
JobsOperator = Annotated[View, Depends(_needs(Scope.JOBS_OPERATE))]
Admin = Annotated[View, Depends(_needs(Scope.ADMIN))]
