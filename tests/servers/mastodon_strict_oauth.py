"""Apps, codes and tokens of the strict Mastodon emulator.

Written from https://docs.joinmastodon.org/methods/apps/, /methods/oauth/ and /spec/oauth. Mastodon
gives no refresh tokens; servers of other makes that speak its API do (RFC 6749 §6), so `refreshing`
turns that on.
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.platform import Handler, Refusal

SCOPES = {
    "read",
    "write",
    "profile",
    *(f"read:{what}" for what in ("accounts", "statuses", "notifications")),
    *(f"write:{what}" for what in ("accounts", "statuses", "media")),
}
AUTHORIZE = {"response_type", "client_id", "redirect_uri", "scope", "state"}
PKCE = {"code_challenge", "code_challenge_method"}


def refusal(status: int, text: str, description: str | None = None) -> Refusal:
    """Return an error in the form of https://docs.joinmastodon.org/entities/Error/."""
    more = {} if description is None else {"error_description": description}
    return Refusal(status, {"error": text, **more})


@dataclass
class Token:
    """What an access token may do."""

    scopes: set[str]
    client_id: str
    expired: bool = False

    def may(self, scope: str) -> bool:
        """Whether it allows a scope, itself or by the wider one."""
        return bool({scope, scope.partition(":")[0]} & self.scopes)


@dataclass
class _Code:
    client_id: str
    redirect_uri: str
    scope: str
    challenge: str | None


@dataclass
class OAuthEmulator:
    """The authorization server of one Mastodon.

    Args:
        server: tells its URL.
        violation: notes what the documentation does not know.
    """

    server: Callable[[], str]
    violation: Callable[[str], None]
    has_pkce: bool = True
    """As from Mastodon 4.3 on."""
    refreshing: bool = False
    apps: dict[str, tuple[str, str, set[str]]] = field(default_factory=dict)
    """By client id: secret, redirect URI, scopes."""
    tokens: dict[str, Token] = field(default_factory=dict)
    refresh_tokens: dict[str, Token] = field(default_factory=dict)
    _codes: dict[str, _Code] = field(default_factory=dict)

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return what is served."""
        return [
            ("GET", "/.well-known/oauth-authorization-server", self._metadata),
            ("POST", "/api/v1/apps", self._register),
            ("POST", "/oauth/token", self._token),
        ]

    def issue(self, scopes: str = "read write", client_id: str = "") -> tuple[str, str]:
        """Return a new access token and a refresh token for it."""
        token = Token(set(scopes.split()), client_id)
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.tokens[access] = token
        self.refresh_tokens[refresh] = token
        return access, refresh

    def register(self, redirect_uri: str = "urn:ietf:wg:oauth:2.0:oob") -> dict[str, str]:
        """Return the id and secret of a new app."""
        client_id, client_secret = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.apps[client_id] = (client_secret, redirect_uri, SCOPES)
        return {"client_id": client_id, "client_secret": client_secret}

    def approve(self, url: str, *, scope: str | None = None) -> str:
        """Do what a person does at the authorization page, and return the code.

        Args:
            url: where the person was sent.
            scope: what the person allows; by default what is asked for.
        """
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        wanted = AUTHORIZE | PKCE if self.has_pkce else AUTHORIZE
        if asked.keys() != wanted or asked["response_type"] != "code":
            self.violation(f"/oauth/authorize with {sorted(asked)}")
        _, redirect_uri, scopes = self.apps[asked["client_id"]]
        if asked["redirect_uri"] != redirect_uri or not set(asked["scope"].split()) <= scopes:
            self.violation("/oauth/authorize for what was not registered")
        if self.has_pkce and asked["code_challenge_method"] != "S256":
            self.violation("only S256 is supported")
        code = secrets.token_urlsafe(24)
        granted = asked["scope"] if scope is None else scope
        challenge = asked.get("code_challenge")
        self._codes[code] = _Code(asked["client_id"], redirect_uri, granted, challenge)
        return code

    async def _metadata(self, _: Request) -> Response:
        if not self.has_pkce:
            return Response("<html>Not found</html>", 404, media_type="text/html")
        return JSONResponse(
            {
                "issuer": f"{self.server()}/",
                "authorization_endpoint": f"{self.server()}/oauth/authorize",
                "token_endpoint": f"{self.server()}/oauth/token",
                "app_registration_endpoint": f"{self.server()}/api/v1/apps",
                "scopes_supported": sorted(SCOPES),
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "client_credentials"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _register(self, request: Request) -> Response:
        asked = await self._form(request, {"client_name", "redirect_uris", "scopes", "website"})
        if not asked.get("client_name"):
            raise refusal(422, "Validation failed: Application name can't be blank")
        if not urlsplit(asked.get("redirect_uris", "")).scheme:
            raise refusal(422, "Validation failed: Redirect URI must be an absolute URI.")
        scopes = set(asked.get("scopes", "read").split())
        if not scopes <= SCOPES:
            raise refusal(422, "Validation failed: Scopes doesn't match configured on the server.")
        made = self.register(asked["redirect_uris"])
        self.apps[made["client_id"]] = (made["client_secret"], asked["redirect_uris"], scopes)
        shown = {"id": str(len(self.apps)), "name": asked["client_name"], "scopes": sorted(scopes)}
        return JSONResponse({**shown, **made, "client_secret_expires_at": 0})

    async def _form(self, request: Request, known: set[str]) -> dict[str, str]:
        kind = request.headers.get("content-type", "").partition(";")[0]
        if kind != "application/x-www-form-urlencoded":
            self.violation(f"{request.url.path} as {kind}")
        asked = {name: str(value) for name, value in (await request.form()).items()}
        for name in asked.keys() - known:
            self.violation(f"{request.url.path} with the unknown parameter {name}")
        return asked

    async def _token(self, request: Request) -> Response:
        own = {"grant_type", "client_id", "client_secret", "scope"}
        grants = {"code", "redirect_uri", "code_verifier", "refresh_token"}
        asked = await self._form(request, own | grants)
        app = self.apps.get(asked.get("client_id", ""))
        if app is None or app[0] != asked.get("client_secret"):
            text = "Client authentication failed due to unknown client."
            raise refusal(401, "invalid_client", text)
        match asked.get("grant_type"):
            case "authorization_code":
                return self._answer(self._redeem(asked), asked["client_id"])
            case "refresh_token" if self.refreshing:
                old = self.refresh_tokens.pop(asked.get("refresh_token", ""), None)
                if old is None:
                    raise refusal(400, "invalid_grant", "The refresh token is invalid.")
                return self._answer(" ".join(sorted(old.scopes)), asked["client_id"])
        raise refusal(400, "unsupported_grant_type", "The grant type is not supported.")

    def _redeem(self, asked: dict[str, str]) -> str:
        code = self._codes.pop(asked.get("code", ""), None)
        text = "The provided authorization grant is invalid, expired, revoked, or does not match."
        if code is None or code.client_id != asked["client_id"]:
            raise refusal(400, "invalid_grant", text)
        if code.redirect_uri != asked.get("redirect_uri"):
            raise refusal(400, "invalid_grant", text)
        verifier = asked.get("code_verifier")
        if code.challenge is None and verifier is not None:
            self.violation("code_verifier without a challenge")
        if code.challenge is not None:
            digest = hashlib.sha256((verifier or "").encode()).digest()
            if urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
                raise refusal(400, "invalid_grant", text)
        return code.scope

    def _answer(self, scope: str, client_id: str) -> Response:
        access, refresh = self.issue(scope, client_id)
        shown: dict[str, object] = {"access_token": access, "token_type": "Bearer"}
        shown |= {"scope": scope, "created_at": 1_573_979_017}
        if self.refreshing:
            shown |= {"refresh_token": refresh, "expires_in": 7_200}
        return JSONResponse(shown)
