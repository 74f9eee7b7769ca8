"""The XRPC calls that publishing on Bluesky needs (https://atproto.com/specs/xrpc).

An expired token is answered by 400 with the error `ExpiredToken` or `InvalidToken`, not by 401.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from service.kit.outbound import Answer, Outbound
from service.platforms.contract import AuthFailed, MediaFile, PlatformError, Transient
from service.platforms.http import Step, decode, failure, send
from service.platforms.uploads import chunks, opened

NAME = "Bluesky"
EXPIRED = ("ExpiredToken", "InvalidToken")
CLOSED = ("AccountTakedown", "AccountDeactivated", "AccountSuspended", "AuthMissing")


class Session(msgspec.Struct, frozen=True):
    """Who is logged in and with what. Stored as the account's session."""

    did: str
    handle: str
    accessJwt: str  # noqa: N815 - the lexicon's name
    refreshJwt: str  # noqa: N815 - the lexicon's name

    @property
    def expires_at(self) -> datetime | None:
        """When the access token ends, by its own unverified claim; None if it does not say."""
        try:
            payload = self.accessJwt.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return datetime.fromtimestamp(claims["exp"], UTC)
        except (ValueError, LookupError, TypeError, OverflowError, OSError):
            return None


class _Error(msgspec.Struct):
    error: str = ""
    message: str = ""


class _Uploaded(msgspec.Struct):
    blob: dict[str, Any]


class _Put(msgspec.Struct):
    uri: str


class _Resolved(msgspec.Struct):
    did: str


class BlobGone(Transient):
    """The server no longer has an uploaded image."""


class TokenExpired(AuthFailed):
    """The access token is refused; it may only be old."""


def error_code(answer: Answer) -> str:
    """Return the name of an XRPC error, or an empty string."""
    try:
        return msgspec.json.decode(answer.body, type=_Error).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


@dataclass(frozen=True, slots=True)
class Api:
    """One server, called without a token or with one.

    Methods raise the contract's failures (see http.py), and TokenExpired.
    """

    outbound: Outbound
    server: str
    token: str = ""

    async def create_session(self, identifier: str, password: str) -> Session:
        """Log in with an app password. A server allows 30 of these in 5 minutes, 300 a day."""
        step = Step(NAME, "logging in", deadline=10, secrets=(password,))
        body = {"identifier": identifier, "password": password}
        return decode(step, await self._post(step, "server.createSession", json=body), Session)

    async def refresh_session(self) -> Session:
        """Exchange the refresh token, which this client was made with, for a new session."""
        step = self._step("renewing the session", deadline=10)
        return decode(step, await self._post(step, "server.refreshSession"), Session)

    async def upload(self, file: MediaFile) -> dict[str, Any]:
        """Upload an image and return the blob that a record refers to it by."""
        step = self._step("uploading an image")
        headers = {"Content-Type": file.content_type, "Content-Length": str(file.size)}
        async with opened(step, file) as handle:
            content = chunks(handle)
            answer = await self._post(step, "repo.uploadBlob", headers=headers, content=content)
        return decode(step, answer, _Uploaded).blob

    async def put(self, did: str, rkey: str, record: Mapping[str, object], deadline: float) -> str:
        """Write a record under a key, replacing what is there, and return its at:// URI."""
        step = self._step("posting", deadline=deadline, commits=True)
        collection = record["$type"]
        body = {"repo": did, "collection": collection, "rkey": rkey, "record": record}
        return decode(step, await self._post(step, "repo.putRecord", json=body), _Put).uri

    async def find(self, did: str, collection: str, rkey: str) -> str | None:
        """Return the URI of a record, or None when there is none."""
        step = self._step("looking for the post")
        params = {"repo": did, "collection": collection, "rkey": rkey}
        url = f"{self.server}/xrpc/com.atproto.repo.getRecord"
        answer = await send(self.outbound, step, "GET", url, params=params)
        if error_code(answer) == "RecordNotFound":
            return None
        if not answer.is_success:
            raise _failure(step, answer)
        return decode(step, answer, _Put).uri

    async def resolve(self, handle: str) -> str | None:
        """Return the DID of a handle, or None when it has none."""
        step = self._step("resolving a mention")
        url = f"{self.server}/xrpc/com.atproto.identity.resolveHandle"
        answer = await send(self.outbound, step, "GET", url, params={"handle": handle})
        if answer.status in (400, 404):
            return None
        if not answer.is_success:
            raise failure(step, answer)
        return decode(step, answer, _Resolved).did

    async def _post(
        self, step: Step, method: str, *, headers: Mapping[str, str] | None = None, **parts: Any
    ) -> Answer:
        url = f"{self.server}/xrpc/com.atproto.{method}"
        sent = dict(headers or {})
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        answer = await send(self.outbound, step, "POST", url, headers=sent, **parts)
        if not answer.is_success:
            raise _failure(step, answer)
        return answer

    def _step(self, action: str, *, deadline: float = 60, commits: bool = False) -> Step:
        return Step(NAME, action, commits=commits, deadline=deadline, secrets=(self.token,))


def _failure(step: Step, answer: Answer) -> PlatformError:
    found, code = failure(step, answer), error_code(answer)
    if answer.status == 400 and code in EXPIRED:
        return TokenExpired(found.message)
    if code in CLOSED:
        return AuthFailed(found.message)
    if code == "BlobNotFound":
        return BlobGone(f"{found.message}; the images will be uploaded again")
    return found
