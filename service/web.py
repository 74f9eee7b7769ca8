"""What every route needs: the runtime, a unit of work, the caller, remembered replies."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from service.access import actions as access
from service.access import session_actions
from service.access.audit import ADDRESS
from service.access.caller import Caller, Scope
from service.access.cookies import COOKIE, refuse_forged
from service.db.session import UnitOfWork
from service.errors import Conflict, Unauthenticated
from service.kit.context import LOG_FIELDS, set_to
from service.kit.pagination import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor
from service.queue.headers import HEADERS
from service.runtime import Runtime
from service.schema import Reply


class FieldProblem(Reply):
    """One thing wrong with the request."""

    field: str
    message: str
    code: str


class ProblemReply(Reply):
    """An error, as RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    problems: list[FieldProblem] = Field(default_factory=list)


def _problem(description: str) -> dict[str, Any]:
    return {"model": ProblemReply, "description": description}


ERRORS: dict[int | str, dict[str, Any]] = {
    401: _problem("No valid API key or session"),
    403: _problem("The scope is missing, or the CSRF token of a session"),
    404: _problem("Not found, or somebody else's"),
    409: _problem("The present state does not allow it"),
    413: _problem("The body is too large"),
    422: _problem("Every problem of the request, field by field"),
    503: _problem("PostgreSQL or Redis does not answer"),
}


def get_runtime(request: Request) -> Runtime:
    """Return what the process opened at start."""
    runtime: Runtime = request.app.state.runtime
    return runtime


Opened = Annotated[Runtime, Depends(get_runtime)]


async def unit_of_work(runtime: Opened) -> AsyncIterator[UnitOfWork]:
    """One transaction around the route; it is committed before the reply is sent."""
    async with runtime.unit_of_work() as uow:
        yield uow


# Without scope="function" FastAPI would leave the block, and commit, after the reply.
Uow = Annotated[UnitOfWork, Depends(unit_of_work, scope="function")]

_bearer = HTTPBearer(auto_error=False, description="An API key: `almanac keys create`")
_cookie = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    description="A session: `POST /v1/session`. Requests that are no GET need `X-CSRF-Token` too",
)


async def authenticated(
    request: Request,
    runtime: Opened,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> AsyncIterator[Caller]:
    """Say who sent the request: to the route, its jobs, its log lines and the audit log."""
    if credentials is None and cookie is None:
        raise Unauthenticated
    request.state.login = None
    async with runtime.unit_of_work() as uow:
        if credentials is not None:
            caller = await access.authenticate(uow.session, credentials.credentials)
        else:
            assert cookie is not None
            idle = runtime.settings.session_idle
            caller, request.state.login = await session_actions.resume(uow.session, cookie, idle)
            refuse_forged(request, runtime.settings.base_url, cookie)
    with acting(request, caller):
        yield caller


@contextmanager
def acting(request: Request, caller: Caller) -> Iterator[None]:
    """Say who acts: to jobs that are sent meanwhile, log lines and the audit log."""
    request.state.actor = caller.actor
    with (
        set_to(HEADERS, {**HEADERS.get(), "actor": caller.actor}),
        set_to(LOG_FIELDS, {**LOG_FIELDS.get(), "actor": caller.actor}),
        set_to(ADDRESS, request.client.host if request.client else None),
    ):
        yield


def _needs(scope: Scope) -> Callable[[Caller], Awaitable[Caller]]:
    async def check(caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
        caller.require(scope)
        return caller

    return check


Anybody = Annotated[Caller, Depends(authenticated)]
"""Who is known, whatever they may do."""
PostsReader = Annotated[Caller, Depends(_needs(Scope.POSTS_READ))]
PostsWriter = Annotated[Caller, Depends(_needs(Scope.POSTS_WRITE))]
ContentReader = Annotated[Caller, Depends(_needs(Scope.CONTENT_READ))]
ContentWriter = Annotated[Caller, Depends(_needs(Scope.CONTENT_WRITE))]
SettingsWriter = Annotated[Caller, Depends(_needs(Scope.SETTINGS_WRITE))]
JobsReader = Annotated[Caller, Depends(_needs(Scope.JOBS_READ))]
JobsOperator = Annotated[Caller, Depends(_needs(Scope.JOBS_OPERATE))]
Admin = Annotated[Caller, Depends(_needs(Scope.ADMIN))]


def get_page(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows wanted")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> Page:
    """Return which page of a list is wanted."""
    return Page(limit, decode_cursor(cursor) if cursor else None)


Paging = Annotated[Page, Depends(get_page)]


class Replayed(Exception):
    """The request was answered before; the reply is given again."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.body = body


class Once:
    """Gives the reply of a creating request, and remembers it under its Idempotency-Key.

    The key is taken in the request's own transaction: a request that fails leaves it free, and a
    repeat that arrives meanwhile waits for the first one's end.
    """

    def __init__(self, uow: UnitOfWork, caller: Caller, key: str | None) -> None:
        self._uow = uow
        self._caller = caller
        self._key = key

    async def reply(
        self, body: BaseModel, status: int = 201, *, shown_once: str | None = None
    ) -> JSONResponse:
        """Return this body as the reply.

        Args:
            body: of the reply.
            status: of the reply.
            shown_once: a field that is not remembered, and null when the reply is given again.
        """
        content = body.model_dump(mode="json")
        if self._key is not None:
            kept = {**content, shown_once: None} if shown_once else content
            await access.remember_reply(self._uow.session, self._caller, self._key, status, kept)
        return JSONResponse(content, status)


async def once(
    request: Request,
    uow: Uow,
    caller: Anybody,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            pattern=r"^[\x21-\x7e]+$",
            description="Makes a repeat of this request safe for 24 h: it gets the first reply",
        ),
    ] = None,
) -> Once:
    """Take the request's Idempotency-Key, or answer as before.

    Raises:
        Replayed: this very request was answered before.
        Conflict: the key was used for another request.
    """
    if idempotency_key is not None:
        body = await request.body()
        fingerprint = sha256(f"{request.method} {request.url.path}\n".encode() + body).digest()
        reply = await access.take_reply(uow.session, caller, idempotency_key, fingerprint)
        if reply is not None and reply.fingerprint != fingerprint:
            raise Conflict("This Idempotency-Key was used for another request; choose a new one")
        if reply is not None and reply.status is not None:
            raise Replayed(reply.status, reply.body or {})
    return Once(uow, caller, idempotency_key)


OnceOnly = Annotated[Once, Depends(once)]
