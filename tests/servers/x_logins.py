"""The logins of X's emulator: OAuth 2.0 with PKCE, codes of 30 seconds, rotating refresh tokens."""

import base64
import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from tests.servers.platform import Refusal

if TYPE_CHECKING:
    from tests.servers.x import XServer

SCOPES = {"tweet.read", "tweet.write", "users.read", "media.write", "offline.access"}
CODE_SECONDS = 30
ACCESS_SECONDS = 7_200


class Logins:
    """Codes and tokens of the account."""

    def __init__(self, server: "XServer") -> None:
        self._server = server
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.codes: dict[str, dict[str, Any]] = {}
        self.access: dict[str, float] = {}
        """Tokens, and when they end."""
        self.refresh: set[str] = set()
        self.renewals = 0
        self.denied: set[str] = set()
        """Scopes that the person does not allow."""
        self.gives_refresh_tokens = True

    def issue(self) -> dict[str, Any]:
        """Return new tokens, as the token endpoint does."""
        number = self._server.next_id()
        access, refresh = f"access-{number}", f"refresh-{number}"
        self.access[access] = self._server.time() + ACCESS_SECONDS
        granted = SCOPES - self.denied
        answer = {
            "token_type": "bearer",
            "expires_in": ACCESS_SECONDS,
            "access_token": access,
            "scope": " ".join(sorted(granted)),
        }
        if self.gives_refresh_tokens:
            self.refresh.add(refresh)
            answer["refresh_token"] = refresh
        return answer

    def expire(self) -> None:
        """End every access token that was given out."""
        self.access.clear()

    def revoke(self) -> None:
        """End everything."""
        self.access.clear()
        self.refresh.clear()

    def check(self, request: Request) -> None:
        """Refuse a request without a token that is good."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or self.access.get(token, 0) <= self._server.time():
            raise self._server.problem(401, "Unauthorized", "Unauthorized")

    async def authorize(self, request: Request) -> Response:
        """GET x.com/i/oauth2/authorize: the person agrees at once."""
        names = {"response_type", "client_id", "redirect_uri", "scope", "state"}
        query = self._server.query(request, names | {"code_challenge", "code_challenge_method"})
        known = (
            query["client_id"] == self._server.client_id and set(query["scope"].split()) == SCOPES
        )
        form = (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        if not (known and form and len(query) == 7):
            raise self._server.undocumented("Something went wrong: You weren't able to give access")
        code = f"code-{self._server.next_id()}"
        self.codes[code] = {**query, "until": self._server.time() + CODE_SECONDS}
        answer = urlencode({"state": query["state"], "code": code})
        return RedirectResponse(f"{query['redirect_uri']}?{answer}", 302)

    async def token(self, request: Request) -> Response:
        """POST /2/oauth2/token."""
        if request.headers["content-type"] != "application/x-www-form-urlencoded":
            raise self._server.undocumented("the token endpoint takes a form")
        async with request.form() as sent:
            form = {name: str(value) for name, value in sent.items()}
        self._check_client(request, form)
        if form.get("grant_type") == "refresh_token":
            if form.get("refresh_token") not in self.refresh:
                raise _refused("invalid_request", "Value passed for the token was invalid.")
            self.refresh.remove(form["refresh_token"])
            self.renewals += 1
        elif form.get("grant_type") == "authorization_code":
            self._check_code(form)
        else:
            raise _refused("invalid_request", "Unsupported grant_type.")
        return JSONResponse(self.issue())

    def _check_client(self, request: Request, form: dict[str, str]) -> None:
        secret = self._server.client_secret
        if not secret:
            if form.pop("client_id", None) != self._server.client_id:
                raise _refused("invalid_request", "Missing required parameter [client_id].")
            return
        pair = base64.b64encode(f"{self._server.client_id}:{secret}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            raise _refused("unauthorized_client", "Missing valid authorization header", 401)

    def _check_code(self, form: dict[str, str]) -> None:
        granted = self.codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if granted is None or granted["until"] <= self._server.time():
            raise _refused(
                "invalid_request", "Value passed for the authorization code was invalid."
            )
        if granted["redirect_uri"] != form.get("redirect_uri"):
            raise _refused("invalid_request", "Value passed for the redirect uri did not match.")
        if granted["code_challenge"] != challenge:
            raise _refused("invalid_request", "Value passed for the code verifier did not match.")


def _refused(error: str, text: str, status: int = 400) -> Refusal:
    return Refusal(status, {"error": error, "error_description": text})
