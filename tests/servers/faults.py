"""Faults that a test arms at one of our own servers: answered instead of the real thing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send


@dataclass
class Fault:
    """What requests whose path contains `path` get, `times` times."""

    path: str
    status: int | None = None
    """None: the request is served, after the delay."""
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    times: int = 1
    lost: bool = False
    """The request is served, but its answer never arrives: the connection breaks instead."""
    method: str | None = None
    """Only requests of this method."""

    def meets(self, request: Request) -> bool:
        """Whether this fault is still armed for such a request."""
        fits = self.method in {None, request.method} and self.path in request.url.path
        return fits and self.times > 0


class Faults:
    """The armed faults of one server."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Let the next matching requests fail."""
        self._armed.append(fault)

    def clear(self) -> None:
        """Forget all."""
        self._armed.clear()

    async def answer(self, request: Request) -> Response | None:
        """Return the faulty answer for a request, or None to serve it."""
        for fault in self._armed:
            if fault.meets(request) and not fault.lost:
                fault.times -= 1
                await asyncio.sleep(fault.delay)
                if fault.status is None:
                    return None
                return JSONResponse(fault.body or {}, fault.status, headers=dict(fault.headers))
        return None

    def loses(self, request: Request) -> bool:
        """Whether the answer of this request, which has been served, is to be lost."""
        for fault in self._armed:
            if fault.meets(request) and fault.lost:
                fault.times -= 1
                return True
        return False


class Dropped(Response):
    """An answer that breaks off: the client learns nothing of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Promise a body and break the connection."""
        headers = [(b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        raise ConnectionAbortedError
