"""The HTTP application: routes, errors as problem details, limits."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.types import ASGIApp

from service.access.key_routes import router as keys_router
from service.access.session_routes import router as sessions_router
from service.access.throttle import Throttle
from service.accounts import actions as accounts
from service.accounts.routes import router as accounts_router
from service.body_limit import BodyLimit
from service.calls.routes import router as calls_router
from service.community.analytics_routes import router as analytics_router
from service.community.feed_routes import router as feed_posts_router
from service.community.hashtag_routes import router as hashtags_router
from service.community.reader_routes import router as digest_router
from service.community.routes import router as members_router
from service.config import Settings
from service.dashboard.site import router as dashboard_router
from service.emails.event_routes import router as mail_events_router
from service.emails.routes import router as emails_router
from service.error_replies import handle_errors
from service.feeds.routes import router as feeds_router
from service.http_metrics import HttpMetrics
from service.job_modules import MODULES
from service.measures.routes import router as measures_router
from service.media.public_routes import router as public_media_router
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
from service.newsletters.generating_routes import router as generating_router
from service.newsletters.issue_routes import router as issues_router
from service.newsletters.reader_routes import router as readers_router
from service.newsletters.routes import router as newsletters_router
from service.newsletters.subscriber_routes import router as subscribers_router
from service.notifications.routes import router as notifications_router
from service.openapi import describe
from service.planning.routes import router as planning_router
from service.posts.importing_routes import router as importing_router
from service.posts.routes import router as posts_router
from service.production import refuse_evicting_redis
from service.rosters.routes import router as rosters_router
from service.runtime import open_runtime
from service.schedules.routes import router as schedules_router
from service.tracing_middleware import Tracing
from service.webhooks.routes import router as webhooks_router
from service.workflows.routes import router as workflows_router

log = logging.getLogger(__name__)
ROUTERS = (
    importing_router,
    posts_router,
    planning_router,
    accounts_router,
    measures_router,
    media_router,
    public_media_router,
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
    generating_router,
    newsletters_router,
    issues_router,
    subscribers_router,
    readers_router,
    mail_events_router,
    emails_router,
    members_router,
    feed_posts_router,
    hashtags_router,
    digest_router,
    analytics_router,
    rosters_router,
    calls_router,
    feeds_router,
    sessions_router,
    keys_router,
    alerts_router,
    health_router,
)
JOBS = MODULES
"""A schedule names any of them."""
FILE_PATHS = frozenset({"/v1/media", "/media"})
"""Where videos are uploaded; both know who sends them before they read what is sent."""
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
        settings: Settings = app.state.settings
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
    app.state.settings = settings
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.max_request_bytes,
        max_upload_bytes=settings.max_upload_bytes + FORM_OVERHEAD,
        max_file_bytes=max(settings.max_upload_bytes, settings.max_video_bytes) + FORM_OVERHEAD,
        file_paths=FILE_PATHS,
    )
    app.include_router(_metrics(app, settings))
    app.include_router(dashboard_router)
    handle_errors(app)
    describe(app)
    return app


def _metrics(app: FastAPI, settings: Settings) -> APIRouter:
    """Measure the application from here on; return the route that tells of it."""
    app.state.metrics = registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    app.add_middleware(HttpMetrics, registry=registry)
    return metrics_routes.without_key if settings.metrics_open else metrics_routes.with_key
