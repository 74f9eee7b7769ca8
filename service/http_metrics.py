"""Counts HTTP requests by route, method and status."""

import time

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
NO_ROUTE = "(none)"
"""Stands for paths that there is no route for: there is no end of them."""


class HttpMetrics:
    """ASGI middleware; labels are templates of routes, so that there are few.

    Args:
        app: what is measured.
        registry: keeps the metrics.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        # Else each series has a second one, of when it began.
        disable_created_metrics()  # type: ignore[no-untyped-call] # it has no types
        self._app = app
        self._requests = Counter(
            "almanac_http_requests",
            "Requests by their answer.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._duration = Histogram(
            "almanac_http_request_duration_seconds",
            "Time until the whole answer was sent.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        begun = time.perf_counter()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            self._requests.labels(method, route, str(status)).inc()
            self._duration.labels(method, route).observe(time.perf_counter() - begun)
