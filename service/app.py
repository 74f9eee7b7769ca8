"""The HTTP application: routes, errors as problem details, limits."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, ProcessCollector
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from service.access.key_routes import router as keys_router
from service.access.session_routes import router as sessions_router
from service.access.throttle import Throttle
from service.accounts import actions as accounts
from service.accounts.routes import router as accounts_router
from service.body_limit import BodyLimit
from service.config import Settings
from service.errors import (
    AlmanacError,
    Conflict,
    InvalidInput,
    Problem,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from service.feeds.routes import router as feeds_router
from service.http_metrics import HttpMetrics
from service.job_modules import MODULES
from service.kit.redaction import redact
from service.media.routes import router as media_router
from service.monitoring import metrics_routes
from service.monitoring.alert_routes import router as alerts_router
from service.monitoring.dead_routes import router as dead_router
from service.monitoring.event_routes import router as events_router
from service.monitoring.health_routes import router as health_router
from service.monitoring.job_routes import router as steering_router
from service.monitoring.queue_routes import router as queues_router
from service.monitoring.routes import router as jobs_router
from service.monitoring.worker_routes import router as workers_router
from service.notifications.routes import router as notifications_router
from service.openapi import describe
from service.posts.routes import router as posts_router
from service.production import refuse_evicting_redis
from service.runtime import open_runtime
from service.schedules.routes import router as schedules_router
from service.tracing_middleware import Tracing
from service.web import Replayed
from service.webhooks.routes import router as webhooks_router
from service.workflows.routes import router as workflows_router

log = logging.getLogger(__name__)
ROUTERS = (
    posts_router,
    accounts_router,
    media_router,
    jobs_router,
    steering_router,
    dead_router,
    queues_router,
    workers_router,
    events_router,
    schedules_router,
    webhooks_router,
    workflows_router,
    notifications_router,
    feeds_router,
    sessions_router,
    keys_router,
    alerts_router,
    health_router,
)
JOBS = MODULES
"""A schedule names any of them."""
FORM_OVERHEAD = 10_000
"""Bytes that a multipart form needs around its file."""


class _Application(FastAPI):
    """Its outermost layer sees what every other layer answers, errors included."""

    def build_middleware_stack(self) -> ASGIApp:
        return Tracing(super().build_middleware_stack())


def create_app(settings: Settings) -> FastAPI:
    """Build the application; servers are connected when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_runtime(settings, "api") as runtime:
            await refuse_evicting_redis(runtime)
            async with runtime.unit_of_work() as uow:
                await accounts.check_keys(uow.session, runtime.keyring)
            app.state.runtime = runtime
            app.state.throttle = Throttle(
                runtime.queue, settings.login_attempts, settings.login_window
            )
            yield

    app = _Application(
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
    app.include_router(_metrics(app, settings))
    _handle_errors(app)
    describe(app)
    return app


def _metrics(app: FastAPI, settings: Settings) -> APIRouter:
    """Measure the application from here on; return the route that tells of it."""
    app.state.metrics = registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    app.add_middleware(HttpMetrics, registry=registry)
    return metrics_routes.without_key if settings.metrics_open else metrics_routes.with_key


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
            "detail": redact(detail),
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
        headers=_headers(error),
    )


def _headers(error: AlmanacError) -> dict[str, str] | None:
    match error:
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case TooManyRequests():
            return {"Retry-After": str(error.retry_after)}
    return None


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
