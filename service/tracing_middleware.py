"""What every request gets: an id, a trace, a span, and one line in the log."""

import logging
import re
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from secrets import token_hex

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.kit import tracing
from service.kit.context import LOG_FIELDS, set_to
from service.queue.headers import HEADERS, SPAN, TRACE

REQUEST_ID = re.compile(r"[\w.:+/=-]{1,128}", re.ASCII)
"""An id that a caller may give its request."""
PROBES = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked every few seconds: their lines are for debugging."""
UNKNOWN = "-"
"""Stands for the route of a path that leads nowhere: the path may be anything, also a secret."""

log = logging.getLogger(__name__)


class Tracing:
    """ASGI middleware around the whole application, its handling of errors included.

    The header X-Request-ID is taken from the request or made, and returned. A traceparent (W3C)
    tells which trace the request belongs to, and so do the jobs that it sends; else it begins one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _Request(scope, send)
        parent = tracing.place_of(request.headers.get("traceparent"))
        attributes = {"http.request.method": scope["method"], "url.scheme": scope["scheme"]}
        with tracing.span("server", scope["method"], attributes, parent) as span:
            trace, position = span.place if span else parent
            headers = {TRACE: trace, SPAN: position} if span else {TRACE: trace}
            fields = _Fields(scope, {"request_id": request.id, "trace": trace})
            with set_to(HEADERS, headers), set_to(LOG_FIELDS, fields):
                try:
                    await self.app(scope, receive, request.send)
                finally:
                    request.tell(span)


class _Request:
    """One request and what became of it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.headers = Headers(scope=scope)
        given = self.headers.get("x-request-id", "")
        self.id = given if REQUEST_ID.fullmatch(given) else token_hex(8)
        self._scope = scope
        self._send = send
        self._status = 0
        self._begun = time.perf_counter()

    async def send(self, message: Message) -> None:
        """Pass the answer on with its id."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self.id
        await self._send(message)

    def tell(self, span: tracing.Span | None) -> None:
        """Write the line of the log, and what the span needs."""
        method, route, status = self._scope["method"], _route(self._scope), self._status
        took = round((time.perf_counter() - self._begun) * 1000, 1)
        level = logging.DEBUG if route in PROBES else logging.INFO
        figures = {"method": method, "status": status, "ms": took}
        if actor := self._scope.get("state", {}).get("actor"):
            figures["actor"] = actor
        log.log(level, "%s %s: %d in %.1f ms", method, route, status, took, extra=figures)
        if span is None:
            return
        span.rename(f"{method} {route}")
        span.note({"http.route": route, "http.response.status_code": status})
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.fail(str(status))


class _Fields(Mapping[str, str]):
    """Fields of a request's lines; its route is among them as soon as it is known."""

    def __init__(self, scope: Scope, fields: Mapping[str, str]) -> None:
        self._scope = scope
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return _route(self._scope) if name == "route" else self._fields[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._fields
        yield "route"

    def __len__(self) -> int:
        return len(self._fields) + 1


def _route(scope: Scope) -> str:
    """Return the template of a request's path."""
    path: str = getattr(scope.get("route"), "path", UNKNOWN)
    return path
