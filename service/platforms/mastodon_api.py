"""The calls of Mastodon's client API that publishing needs (https://docs.joinmastodon.org)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from service.kit.outbound import Answer, Outbound
from service.platforms.contract import Limits, MediaFile
from service.platforms.http import Step, call, decode, failure, send
from service.platforms.uploads import file_name, opened

NAME = "Mastodon"
PAGE = 40
"""The most statuses a server gives at once."""


class Account(msgspec.Struct):
    """Whose token it is."""

    id: str
    username: str
    display_name: str = ""


class _Statuses(msgspec.Struct):
    max_characters: int = 500
    max_media_attachments: int = 4
    characters_reserved_per_url: int = 23


class _Attachments(msgspec.Struct):
    supported_mime_types: tuple[str, ...] = ("image/jpeg", "image/png", "image/gif", "image/webp")
    image_size_limit: int = 10_485_760
    description_limit: int = 1_500


class _Configuration(msgspec.Struct):
    statuses: _Statuses = msgspec.field(default_factory=_Statuses)
    media_attachments: _Attachments = msgspec.field(default_factory=_Attachments)


class Instance(msgspec.Struct):
    """A server; the defaults are those of Mastodon's own code."""

    domain: str
    configuration: _Configuration = msgspec.field(default_factory=_Configuration)

    @property
    def limits(self) -> Limits:
        """What one post may be on this server."""
        statuses, media = self.configuration.statuses, self.configuration.media_attachments
        return Limits(
            text_units=statuses.max_characters,
            unit="mastodon",
            url_units=statuses.characters_reserved_per_url,
            images=statuses.max_media_attachments,
            image_bytes=media.image_size_limit,
            image_types=tuple(t for t in media.supported_mime_types if t.startswith("image/")),
            alt_text=media.description_limit,
        )


class Media(msgspec.Struct):
    """An uploaded image."""

    id: str


class Status(msgspec.Struct):
    """A post."""

    id: str
    created_at: datetime
    content: str
    url: str | None = None
    media_attachments: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True)
class Api:
    """One server, called with one token. Methods raise the contract's failures, see http.py."""

    outbound: Outbound
    server: str
    token: str

    async def account(self) -> Account:
        """Read whose token it is."""
        step = self._step("reading the account")
        return decode(step, await self._get(step, "/api/v1/accounts/verify_credentials"), Account)

    async def instance(self) -> Instance:
        """Read the server's name and limits."""
        step = self._step("reading the server's limits")
        return decode(step, await self._get(step, "/api/v2/instance"), Instance)

    async def upload(self, file: MediaFile) -> tuple[Media, bool]:
        """Upload an image; the flag says whether it is ready to be attached."""
        step = self._step("uploading an image")
        async with opened(step, file) as handle:
            answer = await call(
                self.outbound,
                step,
                "POST",
                f"{self.server}/api/v2/media",
                headers=self._headers,
                data={"description": file.alt} if file.alt else {},
                files={"file": (file_name(file), handle, file.content_type)},
            )
        return decode(step, answer, Media), answer.status != 202

    async def is_ready(self, media_id: str) -> bool | None:
        """Tell whether an uploaded image is ready; None when the server no longer has it."""
        step = self._step("asking for an image")
        url = f"{self.server}/api/v1/media/{media_id}"
        answer = await send(self.outbound, step, "GET", url, headers=self._headers)
        if answer.status == 404:
            return None
        if not answer.is_success:
            raise failure(step, answer)
        return answer.status != 206

    async def post(self, body: Mapping[str, Any], key: str, deadline: timedelta) -> Status:
        """Publish a status; the same key returns the same status for an hour."""
        step = Step(
            NAME,
            "posting",
            commits=True,
            deadline=deadline.total_seconds(),
            auth_statuses=(401, 403),
            secrets=(self.token,),
        )
        headers = {**self._headers, "Idempotency-Key": key}
        url = f"{self.server}/api/v1/statuses"
        answer = await call(self.outbound, step, "POST", url, headers=headers, json=body)
        return decode(step, answer, Status)

    async def statuses(self, account_id: str, before: str | None) -> list[Status]:
        """Read one page of an account's own posts, newest first, older than the id `before`."""
        step = self._step("looking for the post")
        params = {"limit": str(PAGE), "exclude_reblogs": "true"}
        if before is not None:
            params["max_id"] = before
        path = f"/api/v1/accounts/{account_id}/statuses"
        return decode(step, await self._get(step, path, params), list[Status])

    async def _get(self, step: Step, path: str, params: Mapping[str, str] | None = None) -> Answer:
        url = f"{self.server}{path}"
        return await call(
            self.outbound, step, "GET", url, headers=self._headers, params=params or {}
        )

    def _step(self, action: str) -> Step:
        return Step(NAME, action, auth_statuses=(401, 403), secrets=(self.token,))

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}
