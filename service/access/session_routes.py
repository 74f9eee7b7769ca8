"""HTTP of logins."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from service.access import rules, schemas, session_actions
from service.access.audit import note
from service.access.caller import Caller
from service.access.cookies import COOKIE, drop_cookie, refuse_foreign, set_cookie
from service.access.login import log_in
from service.access.models import Session
from service.access.session_actions import Visit
from service.access.throttle import Throttle
from service.config import Settings
from service.web import ERRORS, Anybody, Opened, ProblemReply, Uow

router = APIRouter(prefix="/v1", tags=["access"], responses=ERRORS)
TOO_MANY: dict[int | str, dict[str, Any]] = {
    429: {"model": ProblemReply, "description": "Too many failed logins: `Retry-After`"}
}


def get_throttle(request: Request) -> Throttle:
    """Return what counts failed logins, of this process."""
    throttle: Throttle = request.app.state.throttle
    return throttle


def is_secure(settings: Settings) -> bool:
    """Whether browsers may send the cookie over https only."""
    return settings.production or settings.base_url.startswith("https:")


@router.post("/session", status_code=201, responses=TOO_MANY)
async def begin(
    body: schemas.LoginIn,
    request: Request,
    response: Response,
    runtime: Opened,
    throttle: Annotated[Throttle, Depends(get_throttle)],
) -> schemas.WhoOut:
    """Log in: the reply sets a cookie, and names the CSRF token that goes with it."""
    settings = runtime.settings
    refuse_foreign(request, settings.base_url)
    visit = Visit(
        address=request.client.host if request.client else None,
        user_agent=request.headers.get("user-agent"),
        cookie=request.cookies.get(COOKIE),
    )
    login = await log_in(runtime, throttle, body.name, body.password.get_secret_value(), visit)
    seconds = int(settings.session_lifetime.total_seconds())
    set_cookie(response, login.cookie, seconds=seconds, secure=is_secure(settings))
    return _who(login.caller, login.cookie, login.session)


@router.get("/session")
async def show(caller: Anybody, request: Request) -> schemas.WhoOut:
    """Say who the caller is, and what they may do."""
    login = _login(request)
    return _who(caller, request.cookies[COOKIE], login) if login else _who(caller)


def _who(caller: Caller, cookie: str | None = None, row: Session | None = None) -> schemas.WhoOut:
    return schemas.WhoOut(
        user_id=caller.user_id,
        name=caller.name,
        scopes=sorted(caller.scopes),
        csrf_token=rules.csrf_token(cookie) if cookie else None,
        expires_at=row.expires_at if row else None,
    )


@router.delete("/session", status_code=204)
async def end(
    caller: Anybody,
    request: Request,
    runtime: Opened,
    uow: Uow,
    *,
    everywhere: Annotated[bool, Query(description="End all of the caller's sessions")] = False,
) -> Response:
    """Log out."""
    if everywhere:
        count = await session_actions.end_all(uow.session, caller)
        await note(uow.session, caller.actor, "sessions.end", f"user:{caller.name}", count=count)
    elif (login := _login(request)) is not None:
        await _end(uow, caller, login.id)
    response = Response(status_code=204)
    drop_cookie(response, secure=is_secure(runtime.settings))
    return response


@router.get("/sessions")
async def list_sessions(
    caller: Anybody, request: Request, runtime: Opened, uow: Uow
) -> schemas.SessionList:
    """List the caller's logins, the latest first; there are never more than 20."""
    idle = runtime.settings.session_idle
    rows = await session_actions.list_own(uow.session, caller, idle)
    current = _login(request)
    items = [
        schemas.SessionOut(
            id=row.id,
            created_at=row.created_at,
            seen_at=row.seen_at,
            expires_at=row.expires_at,
            address=row.address,
            user_agent=row.user_agent,
            current=current is not None and row.id == current.id,
        )
        for row in rows
    ]
    return schemas.SessionList(items=items, next_cursor=None)


@router.delete("/sessions/{session_id}", status_code=204)
async def end_one(session_id: UUID, caller: Anybody, uow: Uow) -> Response:
    """End one of the caller's logins."""
    await _end(uow, caller, session_id)
    return Response(status_code=204)


async def _end(uow: Uow, caller: Caller, session_id: UUID) -> None:
    await session_actions.end(uow.session, caller, session_id)
    await note(uow.session, caller.actor, "sessions.end", f"session:{session_id}")


def _login(request: Request) -> Session | None:
    """Return the session that the request is authenticated by, None if it is by a key."""
    found: Session | None = request.state.login
    return found
