"""LinkedIn's three-legged OAuth: a person's own profile and the pages they may post for.

Access tokens last 60 days. Only apps that LinkedIn has approved get refresh tokens, of a year;
without one a person connects again. The flow of web apps knows no PKCE. Source:
https://learn.microsoft.com/linkedin/shared/authentication/authorization-code-flow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from service.platforms.contract import Authorization, Grant, Handles, Profile
from service.platforms.failures import AuthFailed
from service.platforms.http import Step, decode, failure, message, send
from service.platforms.linkedin.api import NAME, Api
from service.platforms.linkedin.errors import SITE
from service.platforms.linkedin.post import LIMITS, ORGANIZATION
from service.platforms.setup import Setup
from service.platforms.tokens import TokenAnswer, renewed, require_scopes

OF_MEMBERS = ("openid", "profile", "w_member_social")
OF_PAGES = ("w_organization_social", "r_organization_social", "rw_organization_admin")
PUBLISHING_ROLES = frozenset({"ADMINISTRATOR", "CONTENT_ADMIN", "CONTENT_ADMINISTRATOR"})


@dataclass(frozen=True, slots=True)
class LinkedInOAuth:
    """Connects a profile and its pages in a browser, and renews their tokens."""

    setup: Setup

    @property
    def configured(self) -> bool:
        """Whether this installation has an app at LinkedIn."""
        return "linkedin" in self.setup.apps

    async def authorize(
        self, server: str, redirect_uri: str, state: str, challenge: str
    ) -> Authorization:
        """Return LinkedIn's page."""
        asked = {
            "response_type": "code",
            "client_id": self.setup.app("linkedin").client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "scope": " ".join((*OF_MEMBERS, *OF_PAGES)),
        }
        root = self.setup.root("linkedin", "www.linkedin.com")
        return Authorization(f"{root}/oauth/v2/authorization?{urlencode(asked)}")

    async def exchange(
        self, server: str, redirect_uri: str, code: str, verifier: str, keep: Mapping[str, str]
    ) -> list[Grant]:
        """Turn the code into the member's profile and each page that they may post for."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        answer = await self._token("exchanging the code", form, (code,))
        require_scopes(answer.scope, ("w_member_social",))
        session = renewed({}, answer)
        grants = [Grant(await self.member(session))]
        if "w_organization_social" in (answer.scope or ""):
            roles = await self._api(session).roles()
            pages = {role.organization for role in roles if role.role in PUBLISHING_ROLES}
            grants += [Grant(await self.page(session, page)) for page in sorted(pages)]
        return grants

    async def refresh(self, token: str) -> TokenAnswer:
        """Exchange a refresh token for a new access token.

        Raises:
            AuthFailed: it is revoked or expired.
        """
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await self._token("renewing the session", form, (token,))

    async def member(self, session: Handles) -> Profile:
        """Read the member that a session's access token belongs to."""
        member = await self._api(session).member()
        author = f"urn:li:person:{member.sub}"
        # Names are not unique, and members have no public handle here.
        return Profile(
            member.sub, member.name or member.sub, SITE, LIMITS, {**session, "author": author}
        )

    async def page(self, session: Handles, organization: str) -> Profile:
        """Read a page, by its number or URN."""
        number = organization.removeprefix(ORGANIZATION)
        page = await self._api(session).organization(number)
        handle = page.vanity_name or str(page.id)
        author = f"{ORGANIZATION}{page.id}"
        return Profile(
            handle, page.localized_name or handle, SITE, LIMITS, {**session, "author": author}
        )

    def _api(self, session: Handles) -> Api:
        root = self.setup.root("linkedin", "api.linkedin.com")
        return Api(self.setup.outbound, root, str(session["access_token"]))

    async def _token(
        self, action: str, form: Mapping[str, str], secrets: tuple[str, ...]
    ) -> TokenAnswer:
        app = self.setup.app("linkedin")
        known = (*secrets, app.client_secret)
        step = Step(NAME, action, deadline=15, auth_statuses=(), secrets=known)
        url = f"{self.setup.root('linkedin', 'www.linkedin.com')}/oauth/v2/accessToken"
        body = {**form, "client_id": app.client_id, "client_secret": app.client_secret}
        answer = await send(self.setup.outbound, step, "POST", url, data=body)
        if answer.status == 400:
            raise AuthFailed(step.says(f"{message(answer)}; connect the account again"))
        if not answer.is_success:
            raise failure(step, answer)
        return decode(step, answer, TokenAnswer)
