"""How an account on any Mastodon server is connected in a browser.

Every server is an authorization server of its own, so an app is registered at each one just before
the person is sent there (https://docs.joinmastodon.org/methods/apps/). PKCE exists from Mastodon
4.3 on, which says so in its metadata (RFC 8414); older servers refuse the unknown parameters of
some versions, so they get none.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from service.kit.outbound import Outbound
from service.platforms.contract import Authorization, Grant, Handles, Profile
from service.platforms.failures import AuthFailed
from service.platforms.http import Step, call, decode, failure, send
from service.platforms.mastodon.api import NAME, Api
from service.platforms.tokens import TokenAnswer, access_token, renewed, require_scopes
from service.platforms.validation import server_root

SCOPES = ("read:accounts", "read:statuses", "write:statuses", "write:media")
APP_NAME = "Almanac"


class _Metadata(msgspec.Struct):
    code_challenge_methods_supported: tuple[str, ...] = ()


class _Registered(msgspec.Struct):
    client_id: str
    client_secret: str


class MastodonOAuth:
    """The code flow at one server after the other."""

    configured = True

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def authorize(
        self, server: str, redirect_uri: str, state: str, challenge: str
    ) -> Authorization:
        """Register an app at the person's server and return where to send the person.

        Raises:
            InvalidInput: the server's address is missing or malformed.
            PlatformError: the app could not be registered.
        """
        root = server_root(server)
        has_pkce = await self._has_pkce(root)
        app = await self._register(root, redirect_uri)
        asked = {
            "response_type": "code",
            "client_id": app.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(SCOPES),
            "state": state,
        }
        keep = {"client_id": app.client_id, "client_secret": app.client_secret}
        if has_pkce:
            asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
            keep["pkce"] = "S256"
        return Authorization(f"{root}/oauth/authorize?{urlencode(asked)}", keep)

    async def exchange(
        self, server: str, redirect_uri: str, code: str, verifier: str, keep: Mapping[str, str]
    ) -> list[Grant]:
        """Turn the code into the account's token and read the account.

        Raises:
            AuthFailed: the code is refused, or a scope is missing.
            PlatformError: the server does not answer.
        """
        root = server_root(server)
        app = {name: keep[name] for name in ("client_id", "client_secret")}
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if "pkce" in keep:
            asked["code_verifier"] = verifier
        answer = await self._token("logging in", root, asked | app)
        require_scopes(answer.scope, _not_within(answer.scope))
        session = renewed({}, answer)
        api = Api(self._outbound, root, access_token(session, {}))
        return [Grant(await profile_of(api, session), app)]

    async def refresh(
        self, server: str, session: Handles, token: str, credentials: Mapping[str, str]
    ) -> Handles:
        """Return a session renewed with a refresh token; Mastodon's own tokens never expire.

        Servers of other makes that speak its API do let them expire.

        Raises:
            AuthFailed: the refresh token is refused.
        """
        app = {name: credentials.get(name, "") for name in ("client_id", "client_secret")}
        asked = {"grant_type": "refresh_token", "refresh_token": token}
        return renewed(session, await self._token("renewing the token", server, asked | app))

    async def _has_pkce(self, root: str) -> bool:
        step = Step(NAME, "reading how to log in", deadline=10)
        url = f"{root}/.well-known/oauth-authorization-server"
        answer = await send(self._outbound, step, "GET", url)
        if answer.status == 429 or answer.status >= 500:
            raise failure(step, answer)
        try:
            metadata = msgspec.json.decode(answer.body, type=_Metadata)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False  # a server that has no such document often answers a page
        return answer.is_success and "S256" in metadata.code_challenge_methods_supported

    async def _register(self, root: str, redirect_uri: str) -> _Registered:
        step = Step(NAME, "registering this app", deadline=10)
        wanted = {
            "client_name": APP_NAME,
            "redirect_uris": redirect_uri,
            "scopes": " ".join(SCOPES),
        }
        answer = await call(self._outbound, step, "POST", f"{root}/api/v1/apps", data=wanted)
        return decode(step, answer, _Registered)

    async def _token(self, action: str, root: str, asked: Mapping[str, str]) -> TokenAnswer:
        hidden = ("code", "client_secret", "refresh_token", "code_verifier")
        step = Step(
            NAME,
            action,
            deadline=10,
            auth_statuses=(400, 401, 403),
            refused=AuthFailed,
            secrets=[asked[name] for name in hidden if name in asked],
        )
        answer = await call(self._outbound, step, "POST", f"{root}/oauth/token", data=asked)
        return decode(step, answer, TokenAnswer)


def _not_within(granted: str | None) -> list[str]:
    """Return the needed scopes that no wider one covers: `write` allows `write:media`."""
    present = set((granted or "").split())
    return [scope for scope in SCOPES if scope.partition(":")[0] not in present]


async def profile_of(api: Api, session: Handles) -> Profile:
    """Read whose token it is and what the server takes."""
    account, instance = await api.account(), await api.instance()
    return Profile(
        handle=f"{account.username}@{instance.domain}",
        display_name=account.display_name or account.username,
        base_url=api.server,
        limits=instance.limits,
        session={**session, "account_id": account.id},
    )
