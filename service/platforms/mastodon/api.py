"""The calls of Mastodon's client API that publishing needs (https://docs.joinmastodon.org)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Unpack

import msgspec

from service.kit.outbound import Answer, Outbound, Parts
from service.platforms.contract import MediaFile
from service.platforms.failures import PlatformError, TokenExpired
from service.platforms.http import Step, decode, exhausted_until, failure, send
from service.platforms.mastodon.instance import Instance
from service.platforms.uploads import file_name, opened

NAME = "Mastodon"
PAGE = 40
"""The most statuses a server gives at once."""
VIDEO_DEADLINE = 600.0
"""Seconds for one video, 100 MB by default; the caller may give an attempt less."""
REFUSED = (401, 403)
"""The token is unknown or ended; it may not do this, or the account is closed."""


class Account(msgspec.Struct):
    """Whose token it is."""

    id: str
    username: str
    display_name: str = ""
    followers_count: int | None = None
    following_count: int | None = None
    statuses_count: int | None = None


class Media(msgspec.Struct):
    """An uploaded image or video."""

    id: str


class Status(msgspec.Struct):
    """A post."""

    id: str
    created_at: datetime
    content: str
    url: str | None = None
    in_reply_to_id: str | None = None
    media_attachments: tuple[Media, ...] = ()
    replies_count: int | None = None
    reblogs_count: int | None = None
    favourites_count: int | None = None


@dataclass(frozen=True, slots=True)
class Api:
    """One server, called with one token. Methods raise the contract's failures, see http.py."""

    outbound: Outbound
    server: str
    token: str
    renewable: bool = False
    """Whether a refused token may be renewed, so that it counts as expired."""

    async def account(self) -> Account:
        """Read whose token it is."""
        step = self._step("reading the account")
        return decode(step, await self._get(step, "/api/v1/accounts/verify_credentials"), Account)

    async def instance(self) -> Instance:
        """Read the server's name and limits."""
        step = self._step("reading the server's limits")
        return decode(step, await self._get(step, "/api/v2/instance"), Instance)

    async def upload(self, file: MediaFile, focus: str | None = None) -> tuple[Media, bool]:
        """Upload an image or a video; the flag says whether it is ready to be attached.

        Args:
            focus: the point that previews keep in view, `x,y`.
        """
        if file.is_video:
            step = self._step("uploading a video", deadline=VIDEO_DEADLINE)
        else:
            step = self._step("uploading an image")
        fields = {"description": file.alt, "focus": focus}
        async with opened(step, file) as handle:
            answer = await self._call(
                step,
                "POST",
                "/api/v2/media",
                data={name: value for name, value in fields.items() if value},
                files={"file": (file_name(file), handle, file.content_type)},
            )
        return decode(step, answer, Media), answer.status != 202

    async def is_ready(self, media_id: str) -> bool | None:
        """Tell whether an uploaded file is ready; None when the server no longer has it.

        Raises:
            Rejected: it could not be processed.
        """
        step = self._step("asking for an image or a video")
        answer = await self._send(step, "GET", f"/api/v1/media/{media_id}")
        if answer.status == 404:
            return None
        if not answer.is_success:
            raise self._failure(step, answer)
        return answer.status != 206

    async def post(
        self, body: Mapping[str, Any], key: str, deadline: timedelta
    ) -> tuple[Status, datetime | None]:
        """Publish a status; the same key returns the same status for an hour.

        Returns:
            The status, and until when the account has used up its limit, if it has.
        """
        step = self._step("posting", deadline=deadline.total_seconds(), commits=True)
        headers = {"Idempotency-Key": key}
        answer = await self._call(step, "POST", "/api/v1/statuses", headers=headers, json=body)
        return decode(step, answer, Status), exhausted_until(answer)

    async def statuses(self, account_id: str, before: str | None) -> list[Status]:
        """Read one page of an account's own posts, newest first, older than the id `before`."""
        step = self._step("looking for the post")
        params = {"limit": str(PAGE), "exclude_reblogs": "true"}
        if before is not None:
            params["max_id"] = before
        path = f"/api/v1/accounts/{account_id}/statuses"
        return decode(step, await self._get(step, path, params), list[Status])

    async def status(self, status_id: str) -> Status:
        """Read a post with its counts."""
        step = self._step("reading the post's numbers")
        return decode(step, await self._get(step, f"/api/v1/statuses/{status_id}"), Status)

    async def delete(self, status_id: str) -> None:
        """Remove a post; one that is gone already is no error."""
        step = self._step("removing the post")
        answer = await self._send(step, "DELETE", f"/api/v1/statuses/{status_id}")
        if not answer.is_success and answer.status != 404:
            raise self._failure(step, answer)

    async def _get(self, step: Step, path: str, params: Mapping[str, str] | None = None) -> Answer:
        return await self._call(step, "GET", path, params=params or {})

    async def _call(self, step: Step, method: str, path: str, **parts: Unpack[Parts]) -> Answer:
        answer = await self._send(step, method, path, **parts)
        if not answer.is_success:
            raise self._failure(step, answer)
        return answer

    async def _send(self, step: Step, method: str, path: str, **parts: Unpack[Parts]) -> Answer:
        own = {"Authorization": f"Bearer {self.token}"}
        parts["headers"] = {**parts.get("headers", {}), **own}
        return await send(self.outbound, step, method, f"{self.server}{path}", **parts)

    def _failure(self, step: Step, answer: Answer) -> PlatformError:
        found = failure(step, answer)
        expired = answer.status == 401 and self.renewable
        return TokenExpired(found.message) if expired else found

    def _step(self, action: str, *, deadline: float = 60, commits: bool = False) -> Step:
        return Step(
            NAME,
            action,
            commits=commits,
            deadline=deadline,
            auth_statuses=REFUSED,
            secrets=(self.token,),
        )
