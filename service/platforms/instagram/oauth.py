"""Connecting an Instagram account in a browser, and keeping its token alive.

https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/
business-login (read in 2026): the code gives a token of an hour, that one a token of 60 days, which
may be renewed once it is a day old and as long as it has not expired. There is no PKCE.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode

import msgspec

from service.platforms.contract import Authorization, Grant, Handles, Profile
from service.platforms.failures import AuthFailed, Rejected
from service.platforms.http import Step, decode
from service.platforms.instagram.api import HOST
from service.platforms.instagram.models import NAME
from service.platforms.meta.logins import code_form, exchange_code, exchange_token
from service.platforms.setup import Setup
from service.platforms.tokens import TokenAnswer, renewed, require_scopes

NEEDED = ("instagram_business_basic", "instagram_business_content_publish")
WANTED = (*NEEDED, "instagram_business_manage_comments", "instagram_business_manage_insights")
AUTHORIZE = "www.instagram.com"
CODES = "api.instagram.com"


class _Token(msgspec.Struct):
    access_token: str
    permissions: str | tuple[str, ...] | None = None

    @property
    def scope(self) -> str | None:
        given = self.permissions
        return given if given is None or isinstance(given, str) else ",".join(given)


class _Tokens(msgspec.Struct):
    data: tuple[_Token, ...]


class InstagramOAuth:
    """The login of an installation that is registered as an app at Meta.

    Args:
        setup: knows the app.
        profile: reads the account that a session with a token belongs to.
    """

    def __init__(self, setup: Setup, profile: Callable[[Handles], Awaitable[Profile]]) -> None:
        self._setup = setup
        self._profile = profile

    @property
    def configured(self) -> bool:
        """Whether there is an app."""
        return "instagram" in self._setup.apps

    async def authorize(
        self, server: str, redirect_uri: str, state: str, challenge: str
    ) -> Authorization:
        """Return Instagram's login page."""
        query = urlencode(
            {
                "client_id": self._setup.app("instagram").client_id,
                "redirect_uri": redirect_uri,
                "response_type": "code",
                "scope": ",".join(WANTED),
                "state": state,
            }
        )
        root = self._setup.root("instagram", AUTHORIZE)
        return Authorization(f"{root}/oauth/authorize?{query}")

    async def exchange(
        self, server: str, redirect_uri: str, code: str, verifier: str, keep: Mapping[str, str]
    ) -> list[Grant]:
        """Turn the code into a token of an hour, and that into one of 60 days."""
        app = self._setup.app("instagram")
        step = Step(NAME, "logging in", deadline=20, secrets=(app.client_secret, code))
        form = code_form(app, redirect_uri, code)
        url = f"{self._setup.root('instagram', CODES)}/oauth/access_token"
        answer = await exchange_code(self._setup.outbound, step, url, form)
        wrapped = b'"data"' in answer.body
        token = decode(step, answer, _Tokens).data[0] if wrapped else decode(step, answer, _Token)
        require_scopes(token.scope, NEEDED)
        session = renewed({}, await self._lengthen(token.access_token))
        if token.scope:
            session["scope"] = token.scope
        return [Grant(await self._profile(session))]

    async def renew(self, token: str) -> TokenAnswer:
        """Exchange a token of 60 days for a new one.

        Raises:
            AuthFailed: it has expired, was revoked, or is not a day old.
        """
        params = {"grant_type": "ig_refresh_token", "access_token": token}
        try:
            return await self._token("renewing the token", "refresh_access_token", params)
        except (AuthFailed, Rejected) as error:
            raise AuthFailed(error.message) from error

    async def _lengthen(self, token: str) -> TokenAnswer:
        params = {
            "grant_type": "ig_exchange_token",
            "client_secret": self._setup.app("instagram").client_secret,
            "access_token": token,
        }
        return await self._token("logging in", "access_token", params)

    async def _token(self, action: str, path: str, params: Mapping[str, str]) -> TokenAnswer:
        url = f"{self._setup.root('instagram', HOST)}/{path}"
        return await exchange_token(self._setup.outbound, NAME, action, url, params)
