"""What every request to the emulator of LinkedIn is checked for: headers, token, form."""

import re
from itertools import count
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.linkedin_rules import refusal
from tests.servers.platform import PlatformServer, Refusal

MEMBER = "urn:li:person:AbC_12-x"
PAGE = "urn:li:organization:2414183"
SCOPES = (
    "openid,profile,w_member_social,w_organization_social,r_organization_social,"
    "rw_organization_admin"
)
_VERSION = re.compile(r"20\d{2}(?:0[1-9]|1[0-2])")


class LinkedInLogin(PlatformServer):
    """The token endpoint, and the tokens it has given out."""

    def reset(self) -> None:
        """Forget every token."""
        super().reset()
        self.access: set[str] = set()
        self.expired: set[str] = set()
        self.refresh: set[str] = set()
        self.codes: set[str] = set()
        self.refreshes = 0
        self.gives_refresh_tokens = True
        self.scopes = SCOPES
        self._serial = count(7_000_000_000_000_000_001)

    def issue(self) -> str:
        """Return a new access token."""
        token = f"AQ-access-{next(self._serial)}"
        self.access.add(token)
        return token

    def issue_refresh(self) -> str:
        """Return a new refresh token."""
        token = f"AQ-refresh-{next(self._serial)}"
        self.refresh.add(token)
        return token

    def expire_access(self) -> None:
        """Let every access token given out so far be refused as expired."""
        self.expired |= self.access
        self.access.clear()

    def revoke(self) -> None:
        """Let every token be refused for good."""
        self.access.clear()
        self.expired.clear()
        self.refresh.clear()

    def _authorize(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and token in self.access:
            return
        if token in self.expired:
            text = "The token used in the request has expired"
            raise refusal(401, "EXPIRED_ACCESS_TOKEN", text, serviceErrorCode=65602)
        text = "The token used in the request has been revoked by the user"
        raise refusal(401, "REVOKED_ACCESS_TOKEN", text, serviceErrorCode=65601)

    def _check(self, request: Request, *known: str) -> dict[str, str]:
        """Check headers, token and parameters."""
        if not _VERSION.fullmatch(request.headers.get("linkedin-version", "")):
            self.violation(f"{request.url.path}: no LinkedIn-Version")
            raise refusal(400, "VERSION_MISSING", "A version must be present.")
        if request.headers.get("x-restli-protocol-version") != "2.0.0":
            self.violation(f"{request.url.path}: no X-Restli-Protocol-Version")
        self._authorize(request)
        raw = request.scope["raw_path"].decode() + "?" + request.url.query
        if re.search(r"[/=(]urn:", raw):
            self.violation(f"{raw}: a URN is not encoded")
            raise refusal(400, "ILLEGAL_ARGUMENT", "Syntax exception in path variables")
        given = dict(request.query_params)
        if unknown := set(given) - set(known):
            self.violation(f"{request.url.path}: unknown parameters {unknown}")
            raise refusal(400, "QUERY_PARAM_NOT_ALLOWED", f"Query parameters {unknown} not allowed")
        return given

    async def _token(self, request: Request) -> Response:
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            raise Refusal(400, {"error": "invalid_request", "error_description": "not a form"})
        form = dict(parse_qsl((await request.body()).decode()))
        if (form.get("client_id"), form.get("client_secret")) != ("client-id", "client-secret"):
            text = "Client authentication failed"
            raise Refusal(401, {"error": "invalid_client", "error_description": text})
        grant = form.get("grant_type")
        good = grant == "refresh_token" and form.get("refresh_token") in self.refresh
        if good:
            self.refreshes += 1
        elif grant == "authorization_code" and form.get("code") in self.codes:
            self.codes.remove(form["code"])
        else:
            text = (
                "The provided authorization grant or refresh token is invalid, expired or revoked"
            )
            raise Refusal(400, {"error": "invalid_grant", "error_description": text})
        answer = {"access_token": self.issue(), "expires_in": 5_184_000, "scope": self.scopes}
        if self.gives_refresh_tokens and not good:
            answer |= {
                "refresh_token": self.issue_refresh(),
                "refresh_token_expires_in": 31_536_000,
            }
        return JSONResponse(answer)
