"""Errors as replies: problem details to programs, pages to people."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.dashboard import errors as pages
from service.errors import (
    AlmanacError,
    Conflict,
    InvalidInput,
    Problem,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from service.kit.redaction import redact
from service.web import Replayed

log = logging.getLogger(__name__)


def handle_errors(app: FastAPI) -> None:
    handlers: dict[Any, Any] = {
        AlmanacError: _known,
        RequestValidationError: _malformed,
        HTTPException: _http,
        Replayed: _replayed,
        IntegrityError: _conflict,
        InterfaceError: _database_away,
        OperationalError: _database_away,
        ConnectionError: _server_away,
        ClientDisconnect: _gone,
        RedisError: _server_away,
        DBAPIError: _unexpected,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _answer(  # noqa: PLR0913, PLR0917 - the parts of a reply
    request: Request,
    status: int,
    detail: str,
    slug: str = "about:blank",
    problems: Sequence[Problem] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """Return an error as RFC 9457 problem details, or as a page to whoever wants one."""
    if pages.wants_page(request):
        return pages.page(request, status, redact(detail), problems)
    return JSONResponse(
        {
            "type": slug,
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": redact(detail),
            "problems": [
                {"field": p.field, "message": p.message, "code": p.code} for p in problems
            ],
        },
        status,
        headers,
        media_type="application/problem+json",
    )


async def _known(request: Request, error: AlmanacError) -> Response:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request failed", exc_info=error)
    return _answer(
        request,
        error.status,
        error.message,
        slug=f"/problems/{error.slug}",
        problems=error.problems if isinstance(error, InvalidInput) else (),
        headers=_headers(error),
    )


def _headers(error: AlmanacError) -> dict[str, str] | None:
    match error:
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case TooManyRequests():
            return {"Retry-After": str(error.retry_after)}
    return None


async def _malformed(request: Request, error: RequestValidationError) -> Response:
    problems = [
        Problem(_field(found["loc"]), _sentence(found), str(found["type"]))
        for found in error.errors()
    ]
    return await _known(request, InvalidInput(problems))


def _field(location: Sequence[str | int]) -> str:
    """Write `("body", "media", 0, "id")` as `media[0].id`."""
    path = ""
    for part in location[1:] or location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path.encode("utf-8", "replace").decode()


def _sentence(found: dict[str, Any]) -> str:
    if found["type"] == "extra_forbidden":
        return "is unknown here; look at /docs for the fields"
    if found["type"] == "string_pattern_mismatch":
        return "contains characters that are not allowed (control characters, or not this format)"
    return str(found["msg"])


async def _http(request: Request, error: HTTPException) -> Response:
    return _answer(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))


async def _replayed(_: Request, reply: Replayed) -> Response:
    return JSONResponse(reply.body, reply.status, {"Idempotent-Replayed": "true"})


async def _conflict(request: Request, error: IntegrityError) -> Response:
    log.warning("two requests at once", exc_info=error)
    return await _known(request, Conflict("Another request made the same thing meanwhile"))


async def _database_away(request: Request, error: DBAPIError) -> Response:
    log.error("PostgreSQL failed", exc_info=error)
    return await _known(request, Unavailable("PostgreSQL does not answer; try again shortly"))


async def _server_away(request: Request, error: Exception) -> Response:
    log.error("a server failed", exc_info=error)
    return await _known(request, Unavailable())


async def _gone(_: Request, __: Exception) -> Response:
    """Nobody reads the reply: the client left while it sent the request."""
    return Response(status_code=400)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    detail = "Something went wrong here; the log has the details"
    return _answer(request, 500, detail, "/problems/internal")
