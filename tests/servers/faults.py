"""Faults that a test arms at one of our own servers: answered instead of the real thing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


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
            if fault.times > 0 and fault.path in request.url.path:
                fault.times -= 1
                await asyncio.sleep(fault.delay)
                if fault.status is None:
                    return None
                return JSONResponse(fault.body or {}, fault.status, headers=dict(fault.headers))
        return None
