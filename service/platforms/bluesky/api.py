"""The XRPC calls that publishing on Bluesky needs (https://atproto.com/specs/xrpc).

An expired token is answered by 400 with the error `ExpiredToken` or `InvalidToken`, not by 401.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack
from urllib.parse import quote, urlsplit

import msgspec

from service.kit.outbound import Answer, Outbound, Parts
from service.platforms.bluesky.sessions import Session, SessionAnswer
from service.platforms.contract import MediaFile
from service.platforms.failures import AuthFailed, PlatformError, TokenExpired, Transient
from service.platforms.http import Step, decode, failure, send
from service.platforms.uploads import chunks, opened

NAME = "Bluesky"
EXPIRED = ("ExpiredToken", "InvalidToken")
CLOSED = ("AccountTakedown", "AccountDeactivated", "AccountSuspended", "AuthMissing")
VIDEO_DEADLINE = 1_200.0
"""Seconds for one video of up to 300 MB; the caller may give an attempt less."""


class _Error(msgspec.Struct):
    error: str = ""


class _Uploaded(msgspec.Struct):
    blob: dict[str, Any]


class _Resolved(msgspec.Struct):
    did: str


class _ServiceToken(msgspec.Struct):
    token: str


class BlobGone(Transient):
    """The server no longer has an uploaded image or video."""


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
        answer = await self.post(step, "com.atproto.server.createSession", json=body)
        return decode(step, answer, SessionAnswer).session

    async def refresh_session(self) -> Session:
        """Exchange the refresh token, which this client was made with, for a new session."""
        step = self.step("renewing the session", deadline=10)
        answer = await self.post(step, "com.atproto.server.refreshSession")
        return decode(step, answer, SessionAnswer).session

    async def service_token(self, audience: str, method: str, expires: int) -> str:
        """Return a token for one method of another service (com.atproto.server.getServiceAuth).

        Args:
            audience: the DID of whom it is for.
            method: the only one it allows, by its name.
            expires: Unix time.
        """
        step = self.step("asking for a token for the video service", deadline=10)
        params = {"aud": audience, "lxm": method, "exp": str(expires)}
        answer = await self.get(step, "com.atproto.server.getServiceAuth", params)
        return decode(step, answer, _ServiceToken).token

    async def upload(self, file: MediaFile) -> dict[str, Any]:
        """Upload an image or a video and return the blob that a record refers to it by."""
        if file.is_video:
            step = self.step("uploading a video", deadline=VIDEO_DEADLINE)
        else:
            step = self.step("uploading an image")
        headers = {"Content-Type": file.content_type, "Content-Length": str(file.size)}
        async with opened(step, file) as handle:
            content = chunks(handle)
            answer = await self.post(
                step, "com.atproto.repo.uploadBlob", headers=headers, content=content
            )
        return decode(step, answer, _Uploaded).blob

    async def resolve(self, handle: str) -> str | None:
        """Return the DID of a handle, or None when it has none."""
        step = self.step("resolving a mention")
        url = f"{self.server}/xrpc/com.atproto.identity.resolveHandle"
        answer = await send(self.outbound, step, "GET", url, params={"handle": handle})
        if answer.status in (400, 404):
            return None
        if not answer.is_success:
            raise failure(step, answer)
        return decode(step, answer, _Resolved).did

    async def get(self, step: Step, method: str, params: Mapping[str, str]) -> Answer:
        """Call a query and return its successful answer."""
        return await self._call("GET", step, method, params=params)

    async def post(self, step: Step, method: str, **parts: Unpack[Parts]) -> Answer:
        """Call a procedure and return its successful answer."""
        return await self._call("POST", step, method, **parts)

    async def _call(self, verb: str, step: Step, method: str, **parts: Unpack[Parts]) -> Answer:
        if self.token:
            own = {"Authorization": f"Bearer {self.token}"}
            parts["headers"] = {**parts.get("headers", {}), **own}
        answer = await send(self.outbound, step, verb, f"{self.server}/xrpc/{method}", **parts)
        if not answer.is_success:
            raise refusal(step, answer)
        return answer

    def step(self, action: str, *, deadline: float = 60, commits: bool = False) -> Step:
        """Return a step that names this platform and hides the token."""
        return Step(NAME, action, commits=commits, deadline=deadline, secrets=(self.token,))


def refusal(step: Step, answer: Answer) -> PlatformError:
    """Turn an XRPC error into the failure it means for this step."""
    found, code = failure(step, answer), error_code(answer)
    if answer.status == 400 and code in EXPIRED:
        return TokenExpired(found.message)
    if code in CLOSED:
        return AuthFailed(found.message)
    if code == "BlobNotFound":
        return BlobGone(f"{found.message}; the media will be uploaded again")
    return found


def service_did(url: str) -> str:
    """Return the `did:web` of a service at a URL (https://w3c-ccg.github.io/did-method-web/)."""
    return f"did:web:{quote(urlsplit(url).netloc, safe='.')}"
