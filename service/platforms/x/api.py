"""The calls of X's API v2 for accounts and posts (https://docs.x.com/x-api).

Names are those of the OpenAPI document, version 2.168 of September 2026: a post is a `tweet`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from service.kit.outbound import Answer, Outbound
from service.platforms.failures import AuthFailed, Rejected, TokenExpired
from service.platforms.http import Step, decode, send
from service.platforms.x.answers import Created, Data, Metrics, Page, User
from service.platforms.x.errors import failure, used_up_until

NAME = "X"
HOST = "api.x.com"
PAGE = 100
"""The most posts that a timeline gives at once."""

USER_FIELDS = "public_metrics,subscription_type,verified_type"
SEARCH_FIELDS = "attachments,created_at,entities,note_tweet"


@dataclass(frozen=True, slots=True)
class Api:
    """X, called with one account's token. Methods raise the contract's failures, see x_errors."""

    outbound: Outbound
    root: str
    token: str
    refused: type[AuthFailed] = TokenExpired
    """What a refused token raises: AuthFailed where none can be renewed."""

    async def me(self) -> User:
        """Read whose token it is; 75 such calls in 15 minutes are allowed to one account."""
        step = self.step("reading the account")
        params = {"user.fields": USER_FIELDS}
        answer = await self.call(step, "GET", "/2/users/me", params=params)
        return decode(step, answer, Data[User]).data

    async def post(
        self, body: Mapping[str, object], deadline: timedelta
    ) -> tuple[str, datetime | None]:
        """Publish a post; return its id and, if this used up a limit, until when it holds.

        One account may do so 100 times in 15 minutes, one app 10,000 times a day.
        """
        step = self.step("posting", commits=True, deadline=deadline.total_seconds())
        answer = await self.call(step, "POST", "/2/tweets", json=body)
        return decode(step, answer, Data[Created]).data.id, used_up_until(answer)

    async def timeline(self, user_id: str, since: datetime, after: str | None) -> Page:
        """Read one page of an account's own posts since an instant.

        Args:
            user_id: of the account.
            since: whole seconds count.
            after: the token that the page before ended with.
        """
        step = self.step("looking for the post")
        params = {
            "max_results": str(PAGE),
            "start_time": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "exclude": "retweets",
            "tweet.fields": SEARCH_FIELDS,
        }
        if after is not None:
            params["pagination_token"] = after
        answer = await self.call(step, "GET", f"/2/users/{user_id}/tweets", params=params)
        return decode(step, answer, Page)

    async def delete(self, post_id: str) -> None:
        """Remove a post; one that is gone is no error."""
        step = self.step("removing the post")
        url = f"{self.root}/2/tweets/{post_id}"
        answer = await send(self.outbound, step, "DELETE", url, headers=self.headers)
        if not answer.is_success and answer.status != 404:
            raise failure(step, answer)

    async def metrics(self, post_id: str) -> dict[str, int]:
        """Read a post's figures by X's names, for 30 days also those that only its author sees.

        Raises:
            Rejected: the post is gone.
        """
        step = self.step("reading the figures")
        path = f"/2/tweets/{post_id}"
        params = {"tweet.fields": "public_metrics,non_public_metrics"}
        try:
            found = decode(step, await self.call(step, "GET", path, params=params), Metrics).data
        except Rejected:
            found = None
        if found is None:  # it may be too old for those that only its author sees
            params = {"tweet.fields": "public_metrics"}
            found = decode(step, await self.call(step, "GET", path, params=params), Metrics).data
        if found is None:
            raise Rejected(step.says(f"there is no post {post_id} any more"))
        return found.public_metrics | found.non_public_metrics

    def step(self, action: str, *, commits: bool = False, deadline: float = 60.0) -> Step:
        """Return a step for errors to name."""
        return Step(
            NAME,
            action,
            commits=commits,
            deadline=deadline,
            refused=self.refused,
            secrets=(self.token,),
        )

    async def call(
        self,
        step: Step,
        method: str,
        path: str,
        *,
        scope: str | None = None,
        headers: Mapping[str, str] | None = None,
        **parts: Any,
    ) -> Answer:
        """Send one request and return its answer if that is a success."""
        url, sent = f"{self.root}{path}", {**self.headers, **(headers or {})}
        answer = await send(self.outbound, step, method, url, headers=sent, **parts)
        if not answer.is_success:
            raise failure(step, answer, scope=scope)
        return answer

    @property
    def headers(self) -> dict[str, str]:
        """The token, as a header."""
        return {"Authorization": f"Bearer {self.token}"}
