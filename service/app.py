"""The HTTP application: routes, errors as problem details, limits."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from starlette.exceptions import HTTPException

from service.accounts import actions as accounts
from service.accounts.routes import router as accounts_router
from service.body_limit import BodyLimit
from service.config import Settings
from service.errors import (
    AlmanacError,
    Conflict,
    InvalidInput,
    Problem,
    Unauthenticated,
    Unavailable,
)
from service.feeds.routes import router as feeds_router
from service.job_modules import MODULES
from service.media.routes import router as media_router
from service.monitoring.dead_routes import router as dead_router
from service.monitoring.routes import health as health_router
from service.monitoring.routes import router as jobs_router
from service.notifications.routes import router as notifications_router
from service.openapi import describe
from service.posts.routes import router as posts_router
from service.runtime import open_runtime
from service.schedules.routes import router as schedules_router
from service.web import Replayed
from service.webhooks.routes import router as webhooks_router
from service.workflows.routes import router as workflows_router

log = logging.getLogger(__name__)
ROUTERS = (
    posts_router,
    accounts_router,
    media_router,
    jobs_router,
    dead_router,
    schedules_router,
    webhooks_router,
    workflows_router,
    notifications_router,
    feeds_router,
    health_router,
)
JOBS = MODULES
"""A schedule names any of them."""
FORM_OVERHEAD = 10_000
"""Bytes that a multipart form needs around its file."""


def create_app(settings: Settings) -> FastAPI:
    """Build the application; servers are connected when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_runtime(settings, "api") as runtime:
            async with runtime.unit_of_work() as uow:
                await accounts.check_keys(uow.session, runtime.keyring)
            app.state.runtime = runtime
            yield

    app = FastAPI(
        title="Almanac",
        summary="Schedules posts and publishes them once, on time.",
        version="1",
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
    )
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.max_request_bytes,
        max_upload_bytes=settings.max_upload_bytes + FORM_OVERHEAD,
    )
    _handle_errors(app)
    describe(app)
    return app


def _handle_errors(app: FastAPI) -> None:
    handlers: dict[Any, Any] = {
        AlmanacError: _known,
        RequestValidationError: _malformed,
        HTTPException: _http,
        Replayed: _replayed,
        IntegrityError: _conflict,
        InterfaceError: _database_away,
        OperationalError: _database_away,
        ConnectionError: _server_away,
        RedisError: _server_away,
        DBAPIError: _unexpected,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def problem(
    status: int,
    detail: str,
    slug: str = "about:blank",
    problems: Sequence[Problem] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """Return an error as RFC 9457 problem details."""
    return JSONResponse(
        {
            "type": slug,
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "problems": [
                {"field": p.field, "message": p.message, "code": p.code} for p in problems
            ],
        },
        status,
        headers,
        media_type="application/problem+json",
    )


async def _known(_: Request, error: AlmanacError) -> JSONResponse:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request failed", exc_info=error)
    return problem(
        error.status,
        error.message,
        slug=f"/problems/{error.slug}",
        problems=error.problems if isinstance(error, InvalidInput) else (),
        headers={"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None,
    )


async def _malformed(request: Request, error: RequestValidationError) -> JSONResponse:
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


async def _http(_: Request, error: HTTPException) -> JSONResponse:
    return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))


async def _replayed(_: Request, reply: Replayed) -> JSONResponse:
    return JSONResponse(reply.body, reply.status, {"Idempotent-Replayed": "true"})


async def _conflict(request: Request, error: IntegrityError) -> JSONResponse:
    log.warning("two requests at once", exc_info=error)
    return await _known(request, Conflict("Another request made the same thing meanwhile"))


async def _database_away(request: Request, error: DBAPIError) -> JSONResponse:
    log.error("PostgreSQL failed", exc_info=error)
    return await _known(request, Unavailable("PostgreSQL does not answer; try again shortly"))


async def _server_away(request: Request, error: Exception) -> JSONResponse:
    log.error("a server failed", exc_info=error)
    return await _known(request, Unavailable())


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error", exc_info=error)
    return problem(500, "Something went wrong here; the log has the details", "/problems/internal")
