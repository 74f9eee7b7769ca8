"""A server that writes down what it gets, and answers as it is told."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers.receiver import Reply
from tests.servers.threaded import ThreadedServer


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body, which says that it is JSON."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


class Echo(ThreadedServer):
    """Takes any request; answers with its body in JSON unless `replies` has something else."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.replies: deque[Reply] = deque()
        """What the next requests get."""
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        super().__init__(Starlette(routes=[Route("/{path:path}", self._take, methods=methods)]))

    def reset(self) -> None:
        """Forget everything."""
        self.asked.clear()
        self.replies.clear()

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.asked.append(Asked(request.method, path, dict(request.headers), body))
        if self.replies:
            reply = self.replies.popleft()
            return Response(reply.body, reply.status, dict(reply.headers))
        return JSONResponse({"got": json.loads(body) if body else None})
