"""X's logins: OAuth 2.0 with PKCE, as a confidential client or, without a secret, a public one.

https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code: an authorization code
lives for 30 seconds, an access token for two hours, and a refresh token works once.
"""

import base64
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from service.platforms.contract import Authorization, Grant, Handles
from service.platforms.failures import AuthFailed, Rejected
from service.platforms.http import Step, call, decode
from service.platforms.setup import Setup
from service.platforms.tokens import TokenAnswer, renewed, require_scopes
from service.platforms.x.api import HOST, NAME, Api
from service.platforms.x.limits import SITE, profile_of

SCOPES = ("tweet.read", "tweet.write", "users.read", "media.write", "offline.access")
PLATFORM = "x"


class XOAuth:
    """Connects accounts of X in a browser, and renews their tokens."""

    def __init__(self, setup: Setup) -> None:
        self._outbound = setup.outbound
        self._setup = setup
        self._site = setup.root(PLATFORM, SITE.removeprefix("https://"))
        self._root = setup.root(PLATFORM, HOST)

    @property
    def configured(self) -> bool:
        """Whether there is an app of ours on X."""
        return "x" in self._setup.apps

    async def authorize(
        self, server: str, redirect_uri: str, state: str, challenge: str
    ) -> Authorization:
        """Return where to send the person; `server` has no meaning here."""
        query = {
            "response_type": "code",
            "client_id": self._setup.app("x").client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(SCOPES),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return Authorization(f"{self._site}/i/oauth2/authorize?{urlencode(query, quote_via=quote)}")

    async def exchange(
        self, server: str, redirect_uri: str, code: str, verifier: str, keep: Mapping[str, str]
    ) -> list[Grant]:
        """Turn the code into the account that the person was signed in with."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        answer = await self._token("logging in", form, secrets=(code, verifier))
        require_scopes(answer.scope, SCOPES)
        session = renewed({}, answer)
        api = Api(self._outbound, self._root, answer.access_token, AuthFailed)
        return [Grant(profile_of(await api.me(), session))]

    async def refresh(self, session: Mapping[str, object], token: str) -> Handles:
        """Return a session with new tokens; the refresh token is used up by this."""
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return renewed(session, await self._token("renewing the login", form, secrets=(token,)))

    async def _token(
        self, action: str, form: dict[str, str], *, secrets: tuple[str, ...]
    ) -> TokenAnswer:
        app, headers = self._setup.app("x"), {}
        if app.client_secret:
            pair = f"{quote(app.client_id, safe='')}:{quote(app.client_secret, safe='')}"
            basic = base64.b64encode(pair.encode()).decode()
            headers["Authorization"] = f"Basic {basic}"
            secrets = (*secrets, app.client_secret, basic)
        else:
            form = {**form, "client_id": app.client_id}
        step = Step(NAME, action, deadline=20, auth_statuses=(400, 401, 403), secrets=secrets)
        url = f"{self._root}/2/oauth2/token"
        try:
            answer = await call(self._outbound, step, "POST", url, headers=headers, data=form)
        except AuthFailed as error:
            text = f"{error.message.rstrip('.')}. {_advice(error.message)}"
            raise AuthFailed(text) from error
        except Rejected as error:
            raise AuthFailed(error.message) from error
        return decode(step, answer, TokenAnswer)


def _advice(message: str) -> str:
    if "unauthorized_client" in message or "invalid_client" in message:
        return "X does not know this app: check its client id and secret"
    return "Connect the account again"
