"""A network with a strict authorization server: RFC 6749, PKCE (RFC 7636), rotation (RFC 9700).

A code and a refresh token are good for one use. A refresh token that comes twice ends everything
that was ever made from it, as RFC 9700 §4.14.2 wants: a client that renews twice at once is locked
out, and a test sees it.
"""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.platform import Handler, PlatformServer, Refusal

CLIENT_ID, CLIENT_SECRET = "the-client", "the-clients-secret"
SCOPE = "read publish"
FORM = "application/x-www-form-urlencoded"
ASKED = {
    *("response_type", "client_id", "redirect_uri", "scope", "state"),
    *("code_challenge", "code_challenge_method"),
}


@dataclass
class Family:
    """What one login led to: all tokens made from it."""

    accounts: list[str]
    access: set[str] = field(default_factory=set)
    refresh: str = ""
    used: set[str] = field(default_factory=set)


@dataclass
class Code:
    """A code that waits to be exchanged."""

    accounts: list[str]
    redirect_uri: str
    challenge: str


class OAuthServer(PlatformServer):
    """Logins, tokens, and posts of any number of accounts."""

    def reset(self) -> None:
        """Forget all logins and posts."""
        super().reset()
        self.lifetime: float | None = 3600.0
        """Seconds that an access token lasts; None: without an end."""
        self.scope: str = SCOPE
        """What is granted."""
        self.gives_refresh: str = "rotated"
        """What a renewal gives back: `rotated`, `empty` or `nothing`; the old one stays good."""
        self.refreshes = 0
        """Renewals that succeeded."""
        self._codes: dict[str, Code] = {}
        self._families: list[Family] = []
        self._posts: list[dict[str, Any]] = []

    @property
    def posts(self) -> list[dict[str, Any]]:
        """What everybody sees, oldest first."""
        return self._posts

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Return the documented requests."""
        return [
            ("POST", "/oauth/token", self._token),
            ("GET", "/api/me", self._me),
            ("POST", "/api/posts", self._post),
        ]

    def log_in(self, url: str, *accounts: str) -> dict[str, str]:
        """Do what a person does at the login page; return what comes back to the redirect URI."""
        parts = urlsplit(url)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.url}/oauth/authorize"
        assert asked.keys() == ASKED
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert (asked["scope"], asked["code_challenge_method"]) == (SCOPE, "S256")
        assert len(asked["code_challenge"]) == 43
        code = secrets.token_urlsafe(16)
        self._codes[code] = Code(list(accounts), asked["redirect_uri"], asked["code_challenge"])
        return {"state": asked["state"], "code": code, "to": asked["redirect_uri"]}

    def tokens(self, *accounts: str) -> dict[str, str]:
        """Make tokens as a login does; return `access_token` and `refresh_token`."""
        family = Family(list(accounts))
        self._families.append(family)
        return self._issue(family)

    def expire(self) -> None:
        """Let all access tokens be over."""
        for family in self._families:
            family.access.clear()

    def revoke(self) -> None:
        """Let all tokens be refused for good."""
        self._families.clear()

    def _issue(self, family: Family) -> dict[str, str]:
        access = secrets.token_urlsafe(16)
        family.access.add(access)
        family.refresh = secrets.token_urlsafe(16)
        return {"access_token": access, "refresh_token": family.refresh}

    async def _token(self, request: Request) -> Response:
        if not request.headers.get("content-type", "").startswith(FORM):
            self.violation("POST /oauth/token takes a form")
            raise Refusal(400, {"error": "invalid_request"})
        form = {name: str(value) for name, value in (await request.form()).items()}
        if (form.pop("client_id", ""), form.pop("client_secret", "")) != (CLIENT_ID, CLIENT_SECRET):
            raise Refusal(401, {"error": "invalid_client"})
        match form.pop("grant_type", ""):
            case "authorization_code":
                return self._answer(self._issue(self._exchanged(form)))
            case "refresh_token":
                return self._answer(self._renewed(form))
        raise Refusal(400, {"error": "unsupported_grant_type"})

    def _exchanged(self, form: dict[str, str]) -> Family:
        if form.keys() != {"code", "redirect_uri", "code_verifier"}:
            self.violation(f"a code is exchanged with {sorted(form)}")
            raise Refusal(400, {"error": "invalid_request"})
        code = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if code is None or (code.redirect_uri, code.challenge) != (form["redirect_uri"], challenge):
            raise Refusal(400, {"error": "invalid_grant", "error_description": "bad code"})
        family = Family(code.accounts)
        self._families.append(family)
        return family

    def _renewed(self, form: dict[str, str]) -> dict[str, str]:
        if form.keys() != {"refresh_token"}:
            self.violation(f"a token is renewed with {sorted(form)}")
            raise Refusal(400, {"error": "invalid_request"})
        token = form["refresh_token"]
        for family in self._families:
            if token in family.used:
                self.violation("a refresh token was used twice")
                self._families.remove(family)
                break
            if token == family.refresh:
                return self._rotated(family)
        raise Refusal(400, {"error": "invalid_grant", "error_description": "token is revoked"})

    def _rotated(self, family: Family) -> dict[str, str]:
        self.refreshes += 1
        family.access.clear()
        kept = family.refresh
        made = self._issue(family)
        if self.gives_refresh == "rotated":
            family.used.add(kept)
            return made
        family.refresh = kept
        del made["refresh_token"]
        return made | ({"refresh_token": ""} if self.gives_refresh == "empty" else {})

    def _answer(self, tokens: dict[str, str]) -> Response:
        body: dict[str, Any] = {**tokens, "token_type": "Bearer", "scope": self.scope}
        if self.lifetime is not None:
            body["expires_in"] = self.lifetime
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    def _family(self, request: Request) -> Family:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        for family in self._families:
            if scheme == "Bearer" and token in family.access:
                return family
        raise Refusal(401, {"error": "invalid_token", "error_description": "expired or unknown"})

    async def _me(self, request: Request) -> Response:
        family = self._family(request)
        return JSONResponse({"accounts": [{"name": name} for name in family.accounts]})

    async def _post(self, request: Request) -> Response:
        family, body = self._family(request), await request.json()
        if body.keys() != {"account", "text"} or body["account"] not in family.accounts:
            self.violation(f"a post with {sorted(body)}")
            raise Refusal(400, {"error": "invalid_request"})
        self._posts.append({"id": f"{len(self._posts) + 1}", **body})
        return JSONResponse({"id": self._posts[-1]["id"]}, 201)
