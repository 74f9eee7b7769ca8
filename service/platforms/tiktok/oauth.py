"""Connecting TikTok accounts in a browser, and renewing their tokens.

https://developers.tiktok.com/doc/login-kit-web and
https://developers.tiktok.com/doc/oauth-user-access-token-management. The app's id is called
`client_key` here. PKCE is documented for apps on a device only, with a challenge of its own form.
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

import msgspec

from service.kit.outbound import Answer
from service.platforms import http
from service.platforms.contract import Authorization, Destination, Grant, Handles, Profile
from service.platforms.failures import AuthFailed, RateLimited
from service.platforms.http import Step
from service.platforms.limits import Limits
from service.platforms.setup import Setup
from service.platforms.tiktok.api import HOST, NAME, Api
from service.platforms.tokens import TokenAnswer, refresh_token, renewed, require_scopes

WEBSITE = "https://www.tiktok.com"
NEEDED = ("user.info.basic", "video.publish")
WANTED = (*NEEDED, "user.info.profile", "user.info.stats", "video.upload", "video.list")


class _Tokens(TokenAnswer):
    open_id: str = ""
    error: str = ""
    error_description: str = ""


class Login:
    """How a TikTok account is connected; `limits` are those of an account nothing is known of."""

    def __init__(self, setup: Setup, limits: Limits) -> None:
        self._outbound = setup.outbound
        self._root = setup.root("tiktok", HOST)
        self._website = setup.root("tiktok", "www.tiktok.com")
        self._setup = setup
        self._limits = limits

    @property
    def configured(self) -> bool:
        """Whether this installation has an app there."""
        return "tiktok" in self._setup.apps

    async def authorize(
        self, server: str, redirect_uri: str, state: str, challenge: str
    ) -> Authorization:
        """Return where the person allows it."""
        query = {
            "client_key": self._setup.app("tiktok").client_id,
            "scope": ",".join(WANTED),
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return Authorization(f"{self._website}/v2/auth/authorize/?{urlencode(query)}")

    async def exchange(
        self, server: str, redirect_uri: str, code: str, verifier: str, keep: Mapping[str, str]
    ) -> list[Grant]:
        """Turn the code into one account."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        tokens = await self._tokens("logging in", form, code)
        require_scopes(tokens.scope, NEEDED)
        profile = await self.profile(tokens.access_token)
        session = renewed({**profile.session, "open_id": tokens.open_id}, tokens)
        return [Grant(replace(profile, session=session))]

    async def profile(self, token: str) -> Profile:
        """Read whose token it is, and how long a video the account may post."""
        creator = await Api(self._outbound, self._root, token).creator()
        limits, longest = self._limits, creator.max_video_post_duration_sec
        if longest and limits.video is not None:
            video = replace(limits.video, seconds=(limits.video.seconds[0], longest))
            limits = replace(limits, video=video)
        return Profile(
            handle=creator.creator_username,
            display_name=creator.creator_nickname or creator.creator_username,
            base_url=WEBSITE,
            limits=limits,
            session={"username": creator.creator_username},
        )

    async def refresh(self, destination: Destination) -> Handles:
        """Exchange the refresh token, which works once, for new tokens."""
        token = refresh_token(destination.session, destination.credentials)
        if token is None:
            raise AuthFailed(f"{NAME}: the account has no refresh token: connect it again")
        form = {"grant_type": "refresh_token", "refresh_token": token}
        tokens = await self._tokens("renewing the tokens", form, token)
        return renewed(destination.session, tokens)

    async def _tokens(self, action: str, form: Mapping[str, str], secret: str) -> _Tokens:
        app = self._setup.app("tiktok")
        step = Step(NAME, action, deadline=10, secrets=(secret, app.client_secret))
        data = {"client_key": app.client_id, "client_secret": app.client_secret, **form}
        url = f"{self._root}/v2/oauth/token/"
        answer = await http.send(self._outbound, step, "POST", url, data=data)
        if answer.status == 429 or answer.status >= 500:
            raise http.failure(step, answer)
        return _told(step, answer)


def _told(step: Step, answer: Answer) -> _Tokens:
    """Read the tokens; errors come with status 400 as well as 200."""
    try:
        tokens = msgspec.json.decode(answer.body, type=_Tokens)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if not answer.is_success:
            raise http.failure(step, answer) from None
        return http.decode(step, answer, _Tokens)
    if tokens.error == "rate_limit_exceeded":
        raise RateLimited(step.says(tokens.error_description), until=http.wait_until(answer))
    if tokens.error or not tokens.access_token:
        text = f"{tokens.error or 'no token'}: {tokens.error_description}"
        raise AuthFailed(step.says(f"{text}; connect the account again"))
    return tokens
