"""Connecting Threads accounts in a browser, and keeping their tokens alive.

https://developers.facebook.com/documentation/threads/get-started: the code gives a token of an
hour, that one a token of 60 days, which may be renewed once it is a day old and as long as it has
not expired. There is no PKCE.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from service.kit.clock import now
from service.platforms.contract import Authorization, Grant, Handles, Profile
from service.platforms.failures import AuthFailed, PlatformError, Rejected
from service.platforms.http import Step, decode
from service.platforms.limits import Limits
from service.platforms.meta.logins import code_form, exchange_code, exchange_token
from service.platforms.setup import Setup
from service.platforms.threads.api import HOST, NAME, Api
from service.platforms.tokens import TokenAnswer, access_token, renewed, require_scopes

WEBSITE = "https://www.threads.net"
NEEDED = ("threads_basic", "threads_content_publish")
WANTED = (
    *NEEDED,
    *("threads_manage_replies", "threads_read_replies"),
    *("threads_manage_insights", "threads_delete"),
)
REFRESH_BEFORE = timedelta(days=10)
AGE = timedelta(days=1)
"""How old a token must be to be renewed."""


class Login:
    """How a Threads account is connected; `limits` are those of every account."""

    def __init__(self, setup: Setup, limits: Limits) -> None:
        self._outbound = setup.outbound
        self._root = setup.root("threads", HOST)
        self._website = setup.root("threads", "threads.net")
        self._setup = setup
        self._limits = limits

    @property
    def configured(self) -> bool:
        """Whether this installation has an app there."""
        return "threads" in self._setup.apps

    async def authorize(
        self, server: str, redirect_uri: str, state: str, challenge: str
    ) -> Authorization:
        """Return where the person allows it."""
        query = {
            "client_id": self._setup.app("threads").client_id,
            "redirect_uri": redirect_uri,
            "scope": ",".join(WANTED),
            "response_type": "code",
            "state": state,
        }
        return Authorization(f"{self._website}/oauth/authorize?{urlencode(query)}")

    async def exchange(
        self, server: str, redirect_uri: str, code: str, verifier: str, keep: Mapping[str, str]
    ) -> list[Grant]:
        """Turn the code into a token of an hour, and that into one of 60 days."""
        app = self._setup.app("threads")
        step = Step(NAME, "logging in", deadline=20, secrets=(app.client_secret, code))
        form = code_form(app, redirect_uri, code)
        url = f"{self._root}/oauth/access_token"
        answer = await exchange_code(self._outbound, step, url, form)
        short = decode(step, answer, TokenAnswer).access_token
        query = {
            "grant_type": "th_exchange_token",
            "client_secret": app.client_secret,
            "access_token": short,
        }
        return [Grant(await self.profile(await self._token("logging in", "access_token", query)))]

    async def renew(self, session: Handles, credentials: Mapping[str, str]) -> Handles:
        """Exchange a token of 60 days for a new one.

        Raises:
            AuthFailed: it has expired, was revoked, or is not a day old.
        """
        query = {
            "grant_type": "th_refresh_token",
            "access_token": access_token(session, credentials),
        }
        try:
            answer = await self._token("renewing the token", "refresh_access_token", query)
        except (AuthFailed, Rejected) as error:
            raise AuthFailed(f"{error.message}; connect the account again") from error
        return renewed(session, answer)

    async def profile(self, answer: TokenAnswer) -> Profile:
        """Read whose token it is and what it may do."""
        api = Api(self._outbound, self._root, answer.access_token)
        account = await api.account()
        session = renewed({"user_id": account.id}, answer)
        try:
            inspected = await api.inspect()
        except PlatformError:  # told to testers of the app only, and never needed
            inspected = None
        if inspected is not None and inspected.scopes is not None:
            require_scopes(" ".join(inspected.scopes), NEEDED)
            session["scope"] = " ".join(inspected.scopes)
        if "expires_at" not in session:
            session["expires_at"] = _end(inspected.expires_at if inspected else 0).isoformat()
        return Profile(
            handle=account.username,
            display_name=account.name or account.username,
            base_url=WEBSITE,
            limits=self._limits,
            session=session,
        )

    async def _token(self, action: str, path: str, query: Mapping[str, str]) -> TokenAnswer:
        url = f"{self._root}/{path}"
        return await exchange_token(self._outbound, NAME, action, url, query)


def _end(told: int) -> datetime:
    """Return when a token ends; one of which nobody says is renewed as soon as it may be."""
    return datetime.fromtimestamp(told, UTC) if told else now() + AGE + REFRESH_BEFORE
