"""Connecting the Pages of a person in a browser.

https://developers.facebook.com/docs/facebook-login/guides/access-tokens (read in 2026): the code
gives a person's token of hours, that one a token of 60 days, and with it each Page has a token that
does not end by itself. The person's token is kept as the refresh token: it gives the Page's anew.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode

from service.kit.outbound import Answer
from service.platforms.contract import Authorization, Grant, Handles, Profile
from service.platforms.facebook.api import HOST, VERSION
from service.platforms.facebook.models import NAME, OwnPage, OwnPages, Permissions
from service.platforms.failures import AuthFailed, Rejected
from service.platforms.http import Step, decode
from service.platforms.meta.graph import Graph
from service.platforms.setup import Setup
from service.platforms.tokens import TokenAnswer, require_scopes

NEEDED = ("pages_show_list", "pages_manage_posts", "pages_read_engagement")
WANTED = (
    *NEEDED,
    "pages_manage_engagement",
    "pages_read_user_content",
    "read_insights",
    "business_management",
)
AUTHORIZE = "www.facebook.com"
MAX_PAGES = 20
"""Answers of 100 nodes each."""


class FacebookOAuth:
    """The login of an installation that is registered as an app at Meta.

    Args:
        setup: knows the app.
        profile: reads the Page that a session with a token belongs to.
    """

    def __init__(self, setup: Setup, profile: Callable[[Handles], Awaitable[Profile]]) -> None:
        self._setup = setup
        self._profile = profile

    @property
    def configured(self) -> bool:
        """Whether there is an app."""
        return "facebook" in self._setup.apps

    async def authorize(
        self, server: str, redirect_uri: str, state: str, challenge: str
    ) -> Authorization:
        """Return Facebook's login page."""
        query = urlencode(
            {
                "client_id": self._setup.app("facebook").client_id,
                "redirect_uri": redirect_uri,
                "response_type": "code",
                "scope": ",".join(WANTED),
                "state": state,
            }
        )
        root = self._setup.root("facebook", AUTHORIZE)
        return Authorization(f"{root}/{VERSION}/dialog/oauth?{query}")

    async def exchange(
        self, server: str, redirect_uri: str, code: str, verifier: str, keep: Mapping[str, str]
    ) -> list[Grant]:
        """Turn the code into all Pages that the person has chosen."""
        first = await self._token({"redirect_uri": redirect_uri, "code": code}, code)
        exchange = {"grant_type": "fb_exchange_token", "fb_exchange_token": first}
        person = await self._token(exchange, first)
        granted = await self._permissions(person)
        require_scopes(" ".join(granted), NEEDED)
        grants = []
        for page in await self._pages(person, business="business_management" in granted):
            if page.tasks is not None and "CREATE_CONTENT" not in page.tasks:
                continue
            if not page.access_token:
                continue
            session: Handles = {"access_token": page.access_token, "refresh_token": person}
            profile = await self._profile(session)
            if profile.session["page_id"] != page.id:
                raise AuthFailed(f"{NAME}: the token that came for a Page is not that Page's")
            grants.append(Grant(profile))
        if not grants:
            raise AuthFailed(
                f"{NAME}: there is no Page that may be posted to. Log in again, choose the Page, "
                "and let its owner give you the task of creating content"
            )
        return grants

    async def _token(self, params: Mapping[str, str], secret: str) -> str:
        """Ask for a token. Secrets stand in the query: nothing else is documented."""
        app = self._setup.app("facebook")
        secrets = (app.client_secret, secret)
        step = Step(NAME, "logging in", deadline=20, secrets=secrets)
        own = {"client_id": app.client_id, "client_secret": app.client_secret}
        try:
            answer = await self._get(step, "", "oauth/access_token", {**own, **params})
        except Rejected as error:
            raise AuthFailed(error.message) from error
        token = decode(step, answer, TokenAnswer).access_token
        if not token:
            raise AuthFailed(step.says("the answer holds no access token"))
        return token

    async def _permissions(self, person: str) -> list[str]:
        step = Step(NAME, "reading what was allowed", deadline=20, secrets=(person,))
        answer = await self._get(step, person, "me/permissions", {})
        found = decode(step, answer, Permissions).data
        return [given.permission for given in found if given.status == "granted"]

    async def _pages(self, person: str, *, business: bool) -> list[OwnPage]:
        """Return the person's Pages and those of the person's businesses, each once."""
        edges = ["me/accounts"]
        if business:
            for owner in await self._nodes(person, "me/businesses", "id,name"):
                edges += [f"{owner.id}/owned_pages", f"{owner.id}/client_pages"]
        found: dict[str, OwnPage] = {}
        for edge in edges:
            for page in await self._nodes(person, edge, "id,name,access_token,tasks"):
                found.setdefault(page.id, page)
        return list(found.values())

    async def _nodes(self, person: str, edge: str, fields: str) -> list[OwnPage]:
        step = Step(NAME, "reading the Pages", deadline=20, secrets=(person,))
        found: list[OwnPage] = []
        after: str | None = None
        for _ in range(MAX_PAGES):
            params = {"fields": fields, "limit": "100", **({"after": after} if after else {})}
            page = decode(step, await self._get(step, person, edge, params), OwnPages)
            found += page.data
            after = page.paging.after
            if after is None:
                break
        return found

    async def _get(self, step: Step, token: str, path: str, params: Mapping[str, str]) -> Answer:
        url = f"{self._setup.root('facebook', HOST)}/{VERSION}/{path}"
        return await Graph(self._setup.outbound, token).call(step, "GET", url, params=params)
