"""What the emulators of Meta's platforms share: tokens, parameters, errors and usage headers.

Written from https://developers.facebook.com/docs/graph-api: errors are one object whose code and
subcode tell what is wrong, nearly always with status 400.
"""

import itertools
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.platform import Handler, PlatformServer, Refusal

LONG = timedelta(days=60)
HOUR = timedelta(hours=1)


@dataclass
class Token:
    """An access token: whose it is, and how long it is good."""

    owner: str
    made_at: datetime
    expires_at: datetime | None
    kind: str = "user"
    revoked: bool = False
    refused: bool = False
    """Answered as if it had expired, though it can still be renewed; see the rigs."""


def error(code: int, subcode: int | None = None, message: str = "", status: int = 400) -> Refusal:
    """Return an error answer."""
    body = {
        "message": message or f"(#{code}) Error",
        "type": "OAuthException",
        "code": code,
        "fbtrace_id": "AbCdEf",
    }
    if subcode is not None:
        body["error_subcode"] = subcode
    return Refusal(status, {"error": body})


class MetaServer(PlatformServer):
    """A platform of Meta's; its clock can be moved."""

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.tokens: dict[str, Token] = {}
        self.offset = timedelta(0)
        self.usage: dict[str, Any] | None = None
        """What X-Business-Use-Case-Usage says."""
        self._serial = itertools.count(1)

    def now(self) -> datetime:
        """The time it is there."""
        return datetime.now(UTC) + self.offset

    def advance(self, span: timedelta) -> None:
        """Let time pass."""
        self.offset += span

    def stamp(self) -> str:
        """The time as Meta writes it."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%S+0000")

    def new_id(self) -> str:
        """Return an id."""
        return f"1789{next(self._serial):013d}"

    def give_token(self, owner: str, lasts: timedelta | None = LONG, *, kind: str = "user") -> str:
        """Return a new access token."""
        value = f"EAAG{kind}{next(self._serial):06d}secret"
        expires = None if lasts is None else self.now() + lasts
        self.tokens[value] = Token(owner, self.now(), expires, kind)
        return value

    def revoke_all(self) -> None:
        """Let no token be taken any more."""
        for token in self.tokens.values():
            token.revoked = True

    def refuse_all(self) -> None:
        """Let the tokens given so far be refused as expired, but be renewed."""
        for token in self.tokens.values():
            token.refused = True

    def token(self, request: Request, scheme: str = "Bearer") -> Token:
        """Return whose token a request carries, or refuse it."""
        given, _, value = request.headers.get("authorization", "").partition(" ")
        if "access_token" in request.query_params:
            self.violation(f"{request.url.path}: a token in the query, where logs keep it")
        if given != scheme:
            raise error(2500, None, "An active access token must be used.", 400)
        return self.good(value, refreshing=False)

    def good(self, value: str, *, refreshing: bool) -> Token:
        """Return a token by its value, or refuse it."""
        token = self.tokens.get(value)
        if token is None:
            raise error(190, None, "Invalid OAuth access token - Cannot parse access token", 401)
        if token.revoked:
            raise error(190, 460, "The session has been invalidated", 401)
        expired = token.expires_at is not None and token.expires_at <= self.now()
        if expired or (token.refused and not refreshing):
            raise error(190, 463, "Error validating access token: Session has expired", 401)
        return token

    def metered(self, handler: Handler) -> Handler:
        """Add the usage header, check the version."""

        async def answer(request: Request) -> Response:
            version = request.path_params.get("version", "v25.0")
            if not re.fullmatch(r"v\d\d\.0", version):
                raise error(2635, None, f"You are calling an unknown version: {version}")
            found = await handler(request)
            if self.usage is not None:
                found.headers["X-Business-Use-Case-Usage"] = json.dumps(self.usage)
            return found

        return answer

    async def parameters(
        self, request: Request, allowed: Collection[str], required: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return what a request gives, in whatever of the documented forms; refuse the unknown."""
        found: dict[str, Any] = dict(request.query_params)
        kind = request.headers.get("content-type", "").partition(";")[0]
        if request.method == "POST":
            if kind == "application/json":
                found |= await request.json()
            elif kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
                found |= await form_of(request)
            elif await request.body():
                self.violation(f"{request.url.path}: content type {kind!r}")
                raise error(100, None, "Unsupported content type")
        for name in found:
            if name not in allowed:
                self.violation(f"{request.method} {request.url.path}: unknown parameter {name}")
                raise error(100, None, f"(#100) Unexpected key '{name}'")
        for name in required:
            if name not in found:
                raise error(100, None, f"(#100) The parameter {name} is required")
        return found

    def fields(self, request: Request, node: dict[str, Any]) -> Response:
        """Return the fields of a node that were asked for; refuse those it does not have."""
        wanted = asked_for(request)
        for name in wanted:
            if name not in node:
                raise error(100, None, f"(#100) Tried accessing nonexisting field ({name})")
        return JSONResponse({name: node[name] for name in wanted if node[name] is not None})

    def page(self, request: Request, nodes: list[dict[str, Any]]) -> Response:
        """Return one page of nodes, with the cursor of the next."""
        limit = int(request.query_params.get("limit", "25"))
        start = int(request.query_params.get("after", "0"))
        keys = asked_for(request)
        shown = nodes[start : start + limit]
        for key in keys:
            if any(key not in node for node in shown):
                raise error(100, None, f"(#100) Tried accessing nonexisting field ({key})")
        data = [{key: node[key] for key in keys if node[key] is not None} for node in shown]
        body: dict[str, Any] = {"data": data}
        if shown:
            body["paging"] = {"cursors": {"before": str(start), "after": str(start + len(shown))}}
            if start + limit < len(nodes):
                body["paging"]["next"] = f"{self.url}{request.url.path}?after={start + limit}"
        return JSONResponse(body)


def asked_for(request: Request) -> list[str]:
    """Return the names of the fields that are asked for, without what stands in braces."""
    text, inner = request.query_params.get("fields", "id"), 1
    while inner:
        text, inner = re.subn(r"\{[^{}]*\}", "", text)
    return list(dict.fromkeys(["id", *(name.partition(".")[0] for name in text.split(","))]))


async def form_of(request: Request) -> dict[str, str | bytes]:
    """Return a form; of its files the bytes."""
    async with request.form() as form:
        return {
            name: await value.read() if isinstance(value, UploadFile) else value
            for name, value in form.items()
        }


def content_of(upload: object) -> bytes:
    """Return the bytes of a file that came as a form's part."""
    if not isinstance(upload, bytes):
        raise error(100, None, "(#100) A file is required")
    return upload
