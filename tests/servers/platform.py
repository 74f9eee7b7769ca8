"""What the emulators of platforms have in common.

An emulator is written from the platform's documentation, never from our client: it serves the
documented requests, refuses all others with the documented errors, and notes each request that the
documentation does not know in `violations`, which tests expect to stay empty.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers.faults import Dropped, Fault, Faults
from tests.servers.threaded import ThreadedServer

Handler = Callable[[Request], Awaitable[Response]]


def _none() -> None:
    return None


class Refusal(Exception):
    """An error answer, in the platform's own form."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body, self.headers = status, body, headers or {}


class PlatformServer(ThreadedServer, ABC):
    """One platform with one account; a subclass gives `routes`, `reset` and `posts`."""

    def __init__(self) -> None:
        self._faults = Faults()
        self.violations: list[str] = []
        self.calls: list[tuple[str, str]] = []
        """Method and path of every request, in order."""
        self.trouble: Callable[[], Fault | None] = _none
        """Asked at each request for what befalls it, beside the faults that are armed."""
        self.reset()
        routes = [
            Route(path, self._guarded(handler), methods=[method])
            for method, path, handler in self.routes()
        ]
        application = Starlette(routes=routes, exception_handlers={404: self._unknown})
        super().__init__(application)

    @abstractmethod
    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Return method, path (Starlette's syntax) and handler of every documented request."""

    @property
    @abstractmethod
    def posts(self) -> list[dict[str, Any]]:
        """What everybody sees, oldest first: at least `id` and `text`."""

    def reset(self) -> None:
        """Forget everything; subclasses add what they keep, and call this."""
        self.violations.clear()
        self.calls.clear()
        self._faults.clear()

    def fail(self, fault: Fault) -> None:
        """Arm a fault."""
        self._faults.arm(fault)

    def violation(self, text: str) -> None:
        """Note that a request was not as documented."""
        self.violations.append(text)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            self.calls.append((request.method, request.url.path))
            if trouble := self.trouble():
                self.fail(replace(trouble, path=request.url.path, method=request.method))
            answer = await self._faults.answer(request)
            if answer is not None:
                await request.body()
                return answer
            try:
                answer = await handler(request)
            except Refusal as refusal:
                answer = JSONResponse(refusal.body, refusal.status, headers=refusal.headers)
            return Dropped() if self._faults.loses(request) else answer

        return guarded

    async def _unknown(self, request: Request, _: Exception) -> Response:
        self.violation(f"{request.method} {request.url.path} is not documented")
        return JSONResponse({"error": "unknown path"}, 404)
