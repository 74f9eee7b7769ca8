"""What the emulator of YouTube shares with Google's other APIs: tokens, errors, upload sessions."""

import base64
import hashlib
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from tests.servers.platform import Refusal

UNIT = 262_144
SCOPE = "https://www.googleapis.com/auth/youtube.force-ssl"


def refusal(status: int, reason: str, message: str, domain: str = "youtube.video") -> Refusal:
    """Return an error in the form of Google's JSON APIs."""
    item = {"message": message, "domain": domain, "reason": reason}
    return Refusal(status, {"error": {"code": status, "message": message, "errors": [item]}})


def error(status: int, reason: str, message: str = "refused") -> dict[str, Any]:
    """Return the body of such an error, for faults."""
    body: dict[str, Any] = refusal(status, reason, message).body
    return body


@dataclass
class Tokens:
    """Google's token endpoint: one app, one person, one channel."""

    client_id: str = "client-id"
    client_secret: str = "client-secret"
    redirect_uri: str = "https://almanac.test/callback"
    seconds: int = 3_599
    access: set[str] = field(default_factory=set)
    refresh: set[str] = field(default_factory=set)
    codes: dict[str, str] = field(default_factory=dict)
    """PKCE challenges by code."""
    refreshes: int = 0
    _serial: Any = field(default_factory=lambda: count(1))

    def issue(self) -> str:
        """Return a new access token."""
        token = f"ya29.access-{next(self._serial)}"
        self.access.add(token)
        return token

    def issue_refresh(self) -> str:
        """Return a new refresh token."""
        token = f"1//refresh-{next(self._serial)}"
        self.refresh.add(token)
        return token

    def authorize(self, request: Request) -> None:
        """Refuse a request without a good access token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.access:
            raise refusal(401, "authError", "Invalid Credentials", "global")

    async def token(self, request: Request) -> Response:
        """POST /token: https://developers.google.com/identity/protocols/oauth2/web-server."""
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            raise Refusal(400, {"error": "invalid_request", "error_description": "Not a form"})
        form = dict(parse_qsl((await request.body()).decode()))
        if (form.get("client_id"), form.get("client_secret")) != (
            self.client_id,
            self.client_secret,
        ):
            raise Refusal(401, {"error": "invalid_client", "error_description": "Unauthorized"})
        answer = {"expires_in": self.seconds, "scope": SCOPE, "token_type": "Bearer"}
        match form.get("grant_type"):
            case "refresh_token" if form.get("refresh_token") in self.refresh:
                self.refreshes += 1
            case "authorization_code" if self._matches(form):
                answer["refresh_token"] = self.issue_refresh()
            case "refresh_token" | "authorization_code":
                gone = "Token has been expired or revoked."
                raise Refusal(400, {"error": "invalid_grant", "error_description": gone})
            case other:
                raise Refusal(400, {"error": "unsupported_grant_type", "error_description": other})
        return JSONResponse({**answer, "access_token": self.issue()})

    def _matches(self, form: dict[str, str]) -> bool:
        challenge = self.codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "")
        return form.get("redirect_uri") == self.redirect_uri and challenge == s256(verifier)


def s256(verifier: str) -> str:
    """RFC 7636 §4.2."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe(digest)


def urlsafe(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Session:
    """One resumable upload; the content is hashed, not kept, so that files may be large."""

    total: int
    content_type: str
    resource: dict[str, Any]
    received: int = 0
    video: dict[str, Any] | None = None
    """Once all bytes are there."""
    head: bytes = b""
    chunks: list[tuple[int, int]] = field(default_factory=list)
    """Offset and length of each that arrived whole."""
    digest: Any = field(default_factory=hashlib.sha256)

    def take(self, data: bytes) -> None:
        """Keep bytes in order."""
        self.head = (self.head + data)[:16]
        self.digest.update(data)
        self.received += len(data)

    async def read(self, request: Request, *, stop_after: int | None = None) -> bool:
        """Read a chunk; what is cut off is kept in whole units only. Tells whether it is whole."""
        rest, seen = b"", 0
        try:
            async for piece in request.stream():
                seen, rest = seen + len(piece), rest + piece
                while len(rest) >= UNIT:
                    self.take(rest[:UNIT])
                    rest = rest[UNIT:]
                if stop_after is not None and seen >= stop_after:
                    return False
        except ClientDisconnect:
            return False
        self.take(rest)
        return True

    def incomplete(self) -> Response:
        """308 with what is there."""
        headers = {"Range": f"bytes=0-{self.received - 1}"} if self.received else {}
        return Response(status_code=308, headers=headers)
