"""LinkedIn's versioned REST API, called with one access token.

Every call names the API's month, which LinkedIn serves for a year, and Rest.li's protocol. Source:
https://learn.microsoft.com/linkedin/marketing/community-management.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from service.kit.outbound import Answer, Outbound
from service.platforms.failures import Ambiguous, TokenExpired
from service.platforms.http import Step, decode, send
from service.platforms.linkedin.errors import failure
from service.platforms.linkedin.models import (
    Comment,
    Comments,
    Member,
    Organization,
    Post,
    Posts,
    Role,
    Roles,
    Shares,
    ShareStatistics,
    Size,
)

NAME = "LinkedIn"
VERSION = "202609"
"""The month of the API, as of November 2026; served until September 2027."""
PAGE = 50

UPLOAD_DEADLINE = 120.0
"""Seconds for an image or one part of a video."""


def encoded(urn: str) -> str:
    """Return a URN as Rest.li wants it in paths and lists."""
    return quote(urn, safe="")


@dataclass(frozen=True, slots=True)
class Api:
    """LinkedIn, called with one access token.

    Methods raise the contract's failures (see linkedin_errors.py), and TokenExpired.
    """

    outbound: Outbound
    root: str
    token: str

    async def member(self) -> Member:
        """Read whose token it is."""
        step = self.step("reading the account")
        return decode(step, await self.call(step, "GET", "/v2/userinfo"), Member)

    async def organization(self, number: str) -> Organization:
        """Read a page by its number."""
        step = self.step("reading the page")
        path = f"/rest/organizations/{encoded(number)}"
        return decode(step, await self.call(step, "GET", path), Organization)

    async def roles(self) -> tuple[Role, ...]:
        """Read which pages the member has a role on."""
        step = self.step("reading the pages")
        params = {"q": "roleAssignee", "state": "APPROVED", "count": "100"}
        answer = await self.call(step, "GET", "/rest/organizationAcls", params=params)
        return decode(step, answer, Roles).elements

    async def create_post(self, body: Mapping[str, object], deadline: float) -> str:
        """Publish a post and return its URN; LinkedIn knows no key for a repeat."""
        step = self.step("posting", commits=True, deadline=deadline)
        answer = await self.call(step, "POST", "/rest/posts", json=body)
        return self._id(step, answer)

    async def posts(self, author: str, start: int) -> tuple[Post, ...]:
        """Read one page of what an author has posted, newest first; members must not."""
        step = self.step("looking for the post")
        params = {
            "author": author,
            "q": "author",
            "start": str(start),
            "count": str(PAGE),
            "sortBy": "CREATED",
        }
        headers = {"X-RestLi-Method": "FINDER"}
        answer = await self.call(step, "GET", "/rest/posts", params=params, headers=headers)
        return decode(step, answer, Posts).elements

    async def delete_post(self, urn: str) -> None:
        """Remove a post; one that is gone already is no error."""
        step = self.step("deleting the post")
        headers = {"X-RestLi-Method": "DELETE"}
        path = f"/rest/posts/{encoded(urn)}"
        await self.call(step, "DELETE", path, headers=headers, good=(404,))

    async def create_comment(self, actor: str, post: str, text: str, deadline: float) -> str:
        """Comment on a post and return the comment's id."""
        step = self.step("commenting", commits=True, deadline=deadline)
        body = {"actor": actor, "object": post, "message": {"text": text}}
        path = f"/rest/socialActions/{encoded(post)}/comments"
        return self._id(step, await self.call(step, "POST", path, json=body))

    async def comments(self, post: str) -> tuple[Comment, ...]:
        """Read comments on a post; members must not."""
        step = self.step("looking for the comment")
        path = f"/rest/socialActions/{encoded(post)}/comments"
        answer = await self.call(step, "GET", path, params={"count": "100"})
        return decode(step, answer, Comments).elements

    async def delete_comment(self, actor: str, post: str, comment: str) -> None:
        """Remove a comment; one that is gone already is no error."""
        step = self.step("deleting the comment")
        path = f"/rest/socialActions/{encoded(post)}/comments/{encoded(comment)}"
        await self.call(step, "DELETE", path, params={"actor": actor}, good=(404,))

    async def share_statistics(self, organization: str, post: str) -> ShareStatistics | None:
        """Return how a page's post is received; None while LinkedIn has no figures."""
        step = self.step("reading the post's figures")
        kind = "ugcPosts" if post.startswith("urn:li:ugcPost:") else "shares"
        query = (
            f"q=organizationalEntity&organizationalEntity={encoded(organization)}"
            f"&{kind}=List({encoded(post)})"
        )
        path = f"/rest/organizationalEntityShareStatistics?{query}"
        found = decode(step, await self.call(step, "GET", path), Shares).elements
        return found[0].total_share_statistics if found else None

    async def followers(self, organization: str) -> int:
        """Return how many follow a page."""
        step = self.step("reading the followers")
        path = f"/rest/networkSizes/{encoded(organization)}"
        params = {"edgeType": "COMPANY_FOLLOWED_BY_MEMBER"}
        answer = await self.call(step, "GET", path, params=params)
        return decode(step, answer, Size).first_degree_size

    async def call(
        self,
        step: Step,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        good: Collection[int] = (),
        **parts: Any,
    ) -> Answer:
        """Send one request; `good` are statuses beside 2xx that are no failure."""
        sent = {
            **self.authorization,
            "LinkedIn-Version": VERSION,
            "X-Restli-Protocol-Version": "2.0.0",
            **(headers or {}),
        }
        url = f"{self.root}{path}"
        answer = await send(self.outbound, step, method, url, headers=sent, **parts)
        if not (answer.is_success or answer.status in good):
            raise failure(step, answer)
        return answer

    def step(
        self,
        action: str,
        *,
        commits: bool = False,
        deadline: float = 60.0,
        secrets: Collection[str] = (),
    ) -> Step:
        """Return a kind of call with this token."""
        return Step(
            NAME,
            action,
            commits=commits,
            deadline=deadline,
            refused=TokenExpired,
            secrets=(self.token, *secrets),
        )

    @property
    def authorization(self) -> dict[str, str]:
        """The header that carries the token."""
        return {"Authorization": f"Bearer {self.token}"}

    def _id(self, step: Step, answer: Answer) -> str:
        if found := answer.headers.get("x-restli-id"):
            return str(found)
        raise Ambiguous(step.says("it was taken, but the answer does not say under which id"))
