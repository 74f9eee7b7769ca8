"""Google's OAuth 2.0 for YouTube: https://developers.google.com/identity/protocols/oauth2.

The access token lasts an hour. The refresh token comes once, with the person's consent, and lasts
until it is revoked; an app that Google still counts as being tested gets one of seven days.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from service.platforms.contract import Authorization, Grant, Handles, Profile
from service.platforms.failures import AuthFailed
from service.platforms.http import Step, decode, failure, message, send
from service.platforms.setup import Setup
from service.platforms.tokens import TokenAnswer, renewed, require_scopes
from service.platforms.youtube.api import NAME, Api
from service.platforms.youtube.models import profile_of

SCOPE = "https://www.googleapis.com/auth/youtube.force-ssl"
"""To upload, change, comment, read and delete."""


@dataclass(frozen=True, slots=True)
class GoogleOAuth:
    """Connects a channel in a browser and renews its tokens."""

    setup: Setup

    @property
    def configured(self) -> bool:
        """Whether this installation has an app at Google."""
        return "youtube" in self.setup.apps

    async def authorize(
        self, server: str, redirect_uri: str, state: str, challenge: str
    ) -> Authorization:
        """Return Google's page, where the person chooses the channel; asks for a refresh token."""
        asked = {
            "client_id": self.setup.app("youtube").client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": SCOPE,
            "access_type": "offline",
            "prompt": "consent",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        root = self.setup.root("youtube", "accounts.google.com")
        return Authorization(f"{root}/o/oauth2/v2/auth?{urlencode(asked)}")

    async def exchange(
        self, server: str, redirect_uri: str, code: str, verifier: str, keep: Mapping[str, str]
    ) -> list[Grant]:
        """Turn the code into the one channel that was chosen."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        answer = await self._token("exchanging the code", form, (code, verifier))
        require_scopes(answer.scope, (SCOPE,))
        return [Grant(await self.profile(renewed({}, answer)))]

    async def refresh(self, token: str) -> TokenAnswer:
        """Exchange a refresh token for a new access token.

        Raises:
            AuthFailed: it is revoked or expired.
        """
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await self._token("renewing the session", form, (token,))

    async def profile(self, session: Handles) -> Profile:
        """Read the channel that a session's access token belongs to."""
        root = self.setup.root("youtube", "www.googleapis.com")
        api = Api(self.setup.outbound, root, str(session["access_token"]))
        return profile_of(await api.channel(), session)

    async def _token(
        self, action: str, form: Mapping[str, str], secrets: tuple[str, ...]
    ) -> TokenAnswer:
        app = self.setup.app("youtube")
        step = Step(
            NAME, action, deadline=15, auth_statuses=(), secrets=(*secrets, app.client_secret)
        )
        url = f"{self.setup.root('youtube', 'oauth2.googleapis.com')}/token"
        body = {**form, "client_id": app.client_id, "client_secret": app.client_secret}
        answer = await send(self.setup.outbound, step, "POST", url, data=body)
        if answer.status == 400 and "invalid_grant" in message(answer):
            text = f"{message(answer)}; connect the account again"
            raise AuthFailed(step.says(text))
        if not answer.is_success:
            raise failure(step, answer)
        return decode(step, answer, TokenAnswer)
