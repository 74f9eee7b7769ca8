"""A receiver of webhooks that trusts nothing: Standard Webhooks, Discord, Slack and Telegram."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.servers.faults import Fault, Faults
from tests.servers.threaded import ThreadedServer

BOT_TOKEN = "123456:telegram-bot-token"
CHAT_ID = "-1001"


class WebhookServer(ThreadedServer):
    """Takes posts at /hook, /discord/1/token, /slack/T0/B0/token and as Telegram's bot API.

    Args:
        secret: what requests to /hook must be signed with, `whsec_` and base64; None: unsigned.
    """

    def __init__(self, secret: str | None = None) -> None:
        self.secret = secret
        self.posts: list[dict[str, Any]] = []
        """The accepted bodies, in order; `_id` is the webhook-id of /hook."""
        self._faults = Faults()
        routes = [
            Route("/hook", self._hook, methods=["POST"]),
            Route("/discord/1/token", self._discord, methods=["GET", "POST"]),
            Route("/slack/T0/B0/token", self._slack, methods=["POST"]),
            Route("/bot{token}/{method}", self._telegram, methods=["GET", "POST"]),
        ]
        super().__init__(Starlette(routes=routes))

    def fail(self, fault: Fault) -> None:
        """Arm a fault."""
        self._faults.arm(fault)

    def reset(self) -> None:
        """Forget all posts and faults."""
        self.posts.clear()
        self._faults.clear()

    async def _hook(self, request: Request) -> Response:
        if fault := await self._faults.answer(request):
            return fault
        body = await request.body()
        if problem := self._signature_problem(request, body):
            return JSONResponse({"error": problem}, 401)
        self.posts.append({**json.loads(body), "_id": request.headers["webhook-id"]})
        return Response(status_code=204)

    def _signature_problem(self, request: Request, body: bytes) -> str | None:
        """Verify as https://www.standardwebhooks.com says a receiver must."""
        message_id = request.headers.get("webhook-id", "")
        timestamp = request.headers.get("webhook-timestamp", "")
        if not message_id or abs(time.time() - int(timestamp or 0)) > 300:
            return "webhook-id or a fresh webhook-timestamp is missing"
        if self.secret is None:
            return None
        key = base64.b64decode(self.secret.removeprefix("whsec_"), validate=True)
        signed = f"{message_id}.{timestamp}.".encode() + body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        given = request.headers.get("webhook-signature", "").split(" ")
        return None if f"v1,{expected}" in given else "the signature is wrong"

    async def _discord(self, request: Request) -> Response:
        if fault := await self._faults.answer(request):
            return fault
        if request.method == "GET":
            return JSONResponse({"id": "1", "name": "News", "guild_id": "77", "type": 1})
        body = await request.json()
        if not 1 <= len(body.get("content", "")) <= 2000:
            return JSONResponse({"message": "Cannot send an empty message", "code": 50006}, 400)
        self.posts.append(body)
        if request.query_params.get("wait") != "true":
            return Response(status_code=204)
        return JSONResponse({"id": str(1000 + len(self.posts)), "channel_id": "88"})

    async def _slack(self, request: Request) -> Response:
        if fault := await self._faults.answer(request):
            return fault
        body = await request.json()
        if not body.get("text"):
            return PlainTextResponse("no_text", 400)
        self.posts.append(body)
        return PlainTextResponse("ok")

    async def _telegram(self, request: Request) -> Response:
        if fault := await self._faults.answer(request):
            return fault
        if request.path_params["token"] != BOT_TOKEN:
            return _telegram_error(401, f"Unauthorized: {request.url}")
        chat = {"id": int(CHAT_ID), "title": "News", "username": "newsroom", "type": "channel"}
        if request.path_params["method"] == "getChat":
            if request.query_params.get("chat_id") != CHAT_ID:
                return _telegram_error(400, "Bad Request: chat not found")
            return JSONResponse({"ok": True, "result": chat})
        body = await request.json()
        if body.get("chat_id") != CHAT_ID:
            return _telegram_error(400, "Bad Request: chat not found")
        if not 1 <= len(body["text"]) <= 4096:
            return _telegram_error(400, "Bad Request: message is too long")
        self.posts.append(body)
        return JSONResponse(
            {"ok": True, "result": {"message_id": len(self.posts), "date": 0, "chat": chat}}
        )


def _telegram_error(status: int, text: str) -> Response:
    return JSONResponse({"ok": False, "error_code": status, "description": text}, status)
