"""A receiver of Almanac's webhooks that verifies what it gets and answers as it is told."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.servers.threaded import ThreadedServer


@dataclass(frozen=True)
class Reply:
    """One answer; 204 is success."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0


@dataclass(frozen=True)
class Received:
    """One request with a right signature."""

    id: str
    body: dict[str, Any]
    signatures: int


class Receiver(ThreadedServer):
    """Takes POSTs at /hook that are signed with its secret; others get 401 and are not listed."""

    def __init__(self) -> None:
        self.secret = ""
        self.received: list[Received] = []
        self._under_way: list[str] = []
        self.most_at_once = 0
        """Requests under way, at most."""
        self.elsewhere = 0
        """Requests to any other path, where redirects lead."""
        self.replies: deque[Reply] = deque()
        """What the next requests get; then success."""
        routes = [
            Route("/hook", self._hook, methods=["POST"]),
            Route("/{path:path}", self._elsewhere, methods=["GET", "POST"]),
        ]
        super().__init__(Starlette(routes=routes))

    @property
    def hook(self) -> str:
        """The URL to register."""
        return f"{self.url}/hook"

    def reset(self) -> None:
        """Forget everything."""
        self.secret, self.elsewhere, self.most_at_once = "", 0, 0
        self._under_way = []  # what a test left behind is not counted in the next
        self.received.clear()
        self.replies.clear()

    async def _hook(self, request: Request) -> Response:
        raw = await request.body()
        given = request.headers.get("webhook-signature", "").split(" ")
        if not self._is_signed(request, raw, given):
            return Response("the signature is wrong", 401)
        if request.headers["content-type"] != "application/json":
            return Response("not JSON", 415)
        self.received.append(Received(request.headers["webhook-id"], json.loads(raw), len(given)))
        reply = self.replies.popleft() if self.replies else Reply()
        under_way = self._under_way
        under_way.append(request.headers["webhook-id"])
        self.most_at_once = max(self.most_at_once, len(under_way))
        await asyncio.sleep(reply.delay)
        under_way.pop()
        return Response(reply.body, reply.status, dict(reply.headers))

    def _is_signed(self, request: Request, raw: bytes, given: list[str]) -> bool:
        """Verify as https://www.standardwebhooks.com says a receiver must."""
        message_id = request.headers.get("webhook-id", "")
        timestamp = request.headers.get("webhook-timestamp", "0")
        key = base64.b64decode(self.secret.removeprefix("whsec_"), validate=True)
        signed = f"{message_id}.{timestamp}.".encode() + raw
        digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        fresh = abs(time.time() - int(timestamp)) < 300
        return bool(message_id) and fresh and f"v1,{digest}" in given

    async def _elsewhere(self, request: Request) -> Response:
        self.elsewhere += 1
        return Response(status_code=204)
