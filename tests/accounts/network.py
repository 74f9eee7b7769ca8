"""An adapter for the network of tests/servers/oauth.py, as small as an adapter can be."""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode

import msgspec

from service.platforms.base import Adapter
from service.platforms.contract import (
    Absent,
    Authorization,
    CredentialField,
    Destination,
    Grant,
    Handles,
    Profile,
    Publication,
    Published,
)
from service.platforms.failures import AuthFailed, TokenExpired
from service.platforms.http import Step, call, decode
from service.platforms.limits import Limits
from service.platforms.setup import App, Setup
from service.platforms.tokens import (
    TokenAnswer,
    access_token,
    refresh_token,
    renewed,
    require_scopes,
)
from service.platforms.validation import check_credentials
from service.runtime import Runtime
from tests.servers.oauth import CLIENT_ID, CLIENT_SECRET, SCOPE, OAuthServer

NAME = "network"


class _Account(msgspec.Struct):
    name: str


class _Me(msgspec.Struct):
    accounts: list[_Account]


class _Made(msgspec.Struct):
    id: str


class Network(Adapter):
    """Publishes a text; tokens last as long as the server says."""

    name, title = NAME, "The Network"
    limits = Limits(text_units=500, unit="characters", images=0)
    credential_fields: Mapping[str, CredentialField] = {
        "access_token": CredentialField("An access token."),
        "refresh_token": CredentialField("Its refresh token.", required=False),
        "colour": CredentialField("What a person likes.", required=False, secret=False),
    }

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._root = setup.root(NAME, "network.example")
        self.oauth: NetworkOAuth = NetworkOAuth(self)

    @property
    def configured(self) -> bool:
        return NAME in self._setup.apps

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        check_credentials(self.credential_fields, credentials)
        session: Handles = {"colour": credentials.get("colour")}
        return (await self.profiles(access_token({}, credentials), session))[0]

    async def profiles(self, token: str, session: Handles) -> list[Profile]:
        """Return the accounts that a token opens."""
        step = Step(self.title, "reading accounts", secrets=(token,))
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self._root}/api/me"
        answer = await call(self._setup.outbound, step, "GET", url, headers=headers)
        names = [account.name for account in decode(step, answer, _Me).accounts]
        return [Profile(name, name.title(), self._root, self.limits, session) for name in names]

    async def refresh(self, destination: Destination) -> Handles:
        token = refresh_token(destination.session, destination.credentials)
        if token is None:
            return await super().refresh(destination)
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return renewed(destination.session, await self.token("renewing the token", form))

    async def token(self, action: str, form: Mapping[str, str]) -> TokenAnswer:
        """Ask the token endpoint."""
        app = self._setup.apps[NAME]
        step = Step(
            self.title,
            action,
            auth_statuses=(400, 401),
            refused=AuthFailed,
            secrets=(app.client_secret, *form.values()),
        )
        body = {**form, "client_id": app.client_id, "client_secret": app.client_secret}
        url = f"{self._root}/oauth/token"
        answer = await call(self._setup.outbound, step, "POST", url, data=body)
        return decode(step, answer, TokenAnswer)

    async def commit(self, publication: Publication) -> Published:
        destination = publication.destination
        token = access_token(destination.session, destination.credentials)
        step = Step(
            self.title, "posting", commits=True, refused=TokenExpired, secrets=(token,), deadline=5
        )
        answer = await call(
            self._setup.outbound,
            step,
            "POST",
            f"{self._root}/api/posts",
            json={"account": destination.handle, "text": publication.content.text},
            headers={"Authorization": f"Bearer {token}"},
        )
        return Published(decode(step, answer, _Made).id, None)

    async def reconcile(self, publication: Publication) -> Absent:
        return Absent()


class NetworkOAuth:
    """The login; the account's name is what it opens."""

    def __init__(self, network: Network) -> None:
        self._network = network

    @property
    def configured(self) -> bool:
        return self._network.configured

    async def authorize(
        self, server: str, redirect_uri: str, state: str, challenge: str
    ) -> Authorization:
        asked = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        root = self._network._root
        return Authorization(f"{root}/oauth/authorize?{urlencode(asked)}", {"kept": "a secret"})

    async def exchange(
        self, server: str, redirect_uri: str, code: str, verifier: str, keep: Mapping[str, str]
    ) -> list[Grant]:
        assert keep == {"kept": "a secret"}
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        answer = await self._network.token("logging in", form)
        require_scopes(answer.scope, SCOPE.split())
        session = renewed({}, answer)
        token = access_token(session, {})
        return [Grant(profile) for profile in await self._network.profiles(token, session)]


def install(runtime: Runtime, server: OAuthServer, *, has_app: bool = True) -> Network:
    """Make the network one of the platforms of a runtime."""
    app = App(CLIENT_ID, CLIENT_SECRET)
    apps = {NAME: app} if has_app else {}
    network = Network(Setup(runtime.outbound, apps, {NAME: server.url}))
    network.refresh_before = timedelta(minutes=30)
    assert isinstance(runtime.platforms, dict)
    runtime.platforms[NAME] = network
    return network
