"""Bluesky under the contract's tests."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from service.kit.ids import uuid7
from service.platforms.bluesky.adapter import Bluesky
from service.platforms.bluesky.sessions import SessionAnswer, session_of
from service.platforms.contract import Content, Destination, MediaFile, Platform
from service.platforms.setup import Setup
from tests.platforms.helpers import image
from tests.platforms.rig import MANY, Rig
from tests.servers.bluesky import BlueskyServer
from tests.servers.faults import Fault

PNG = b"\x89PNG\r\n\x1a\n"
MP4 = b"\0\0\0\x18ftypisom"
DIRECT = 10_000
"""Larger videos go to the video service here."""
PUT = "/xrpc/com.atproto.repo.putRecord"
APPLY = "/xrpc/com.atproto.repo.applyWrites"
BLOB = "/xrpc/com.atproto.repo.uploadBlob"
SEND = "/xrpc/app.bsky.video.uploadVideo"
STATUS = "/xrpc/app.bsky.video.getJobStatus"


def picture(folder: Path, tail: bytes = b"picture", *, alt: str = "") -> MediaFile:
    """Write an image."""
    return replace(image(folder, PNG + tail, alt=alt), width=40, height=30)


def video(folder: Path, size: int) -> MediaFile:
    """Write a video of so many bytes."""
    file = image(folder, MP4.ljust(size, b"\1"), content_type="video/mp4", alt="A goal")
    return replace(file, width=1_280, height=720, seconds=12.0, video_codec="h264")


class BlueskyRig(Rig):
    """One account, whose video service is at the same address."""

    name = "bluesky"
    commit_path = PUT
    server: BlueskyServer

    def adapter(self, setup: Setup) -> Platform:
        """Return the adapter, to which few bytes are a large video."""
        made = Bluesky(setup)
        made.direct_bytes = DIRECT
        return made

    def destination(self) -> Destination:
        """Return the account, just logged in."""
        answer = msgspec.convert(self.server.open_session(), SessionAnswer)
        credentials = {"identifier": self.server.handle, "app_password": self.server.password}
        return Destination(
            id=uuid7(),
            handle=self.server.handle,
            base_url=self.server.url,
            credentials=credentials,
            limits=Bluesky.limits,
            session=session_of(answer.session),
        )

    def contents(self, folder: Path) -> Mapping[str, Content]:
        """Return one of each kind."""
        pictures = tuple(picture(folder, bytes([n]), alt="A cat") for n in range(4))
        return {
            "text": Content("Hello @bob.test #news", options={"languages": ["en"]}),
            "link": Content("Read this", link="https://example.com/a"),
            "image": Content("One picture", media=(picture(folder),)),
            "images": Content("Four", media=pictures),
            "video": Content("A video", media=(video(folder, 5_000),)),
            "large video": Content("Another", media=(video(folder, DIRECT + 1),)),
            "quiet": Content("No answers", options={"replies": "nobody", "quotes": False}),
        }

    def failures(self) -> Mapping[str, list[Fault]]:
        """Return the errors of the lexicons and of the reference."""
        return {
            "Transient": [
                xrpc(PUT, 400, "BlobNotFound"),
                xrpc(BLOB, 500, "InternalServerError"),
                xrpc(BLOB, 502, ""),
                xrpc("getServiceAuth", 503, "NotEnoughResources"),
                xrpc("resolveHandle", 502, ""),
                xrpc(SEND, 503, "ServiceOverloaded"),
                xrpc(STATUS, 400, "InvalidRequest"),
                xrpc(STATUS, 504, ""),
            ],
            "RateLimited": [
                Fault(PUT, 429, {"error": "RateLimitExceeded"}, {"RateLimit-Reset": "30"}),
                Fault(APPLY, 429, {"error": "RateLimitExceeded"}, {"Retry-After": "30"}),
                Fault(BLOB, 429, {"error": "RateLimitExceeded"}, {"Retry-After": "30"}),
                Fault("getUploadLimits", 200, {"canUpload": False, "remainingDailyVideos": 0}),
            ],
            "TokenExpired": [
                xrpc(path, 400, error)
                for path in (PUT, APPLY, BLOB, "getServiceAuth")
                for error in ("ExpiredToken", "InvalidToken")
            ],
            "AuthFailed": [
                xrpc(PUT, 401, "AuthenticationRequired"),
                xrpc(PUT, 400, "AccountTakedown"),
                xrpc(BLOB, 400, "AccountDeactivated"),
                xrpc(BLOB, 401, "AuthMissing"),
            ],
            "Rejected": [
                xrpc(PUT, 400, "InvalidRequest"),
                xrpc(APPLY, 400, "InvalidRequest"),
                xrpc(BLOB, 413, "PayloadTooLarge"),
                xrpc(SEND, 401, "unconfirmed_email"),
                xrpc(SEND, 400, "InvalidRequest"),
                Fault("getUploadLimits", 200, {"canUpload": False}),
            ],
            "Ambiguous": [
                xrpc(PUT, 500, "InternalServerError"),
                xrpc(APPLY, 500, "InternalServerError"),
                xrpc(PUT, 503, "NotEnoughResources"),
            ],
        }

    def expire_tokens(self) -> None:
        """Refuse the access token as expired."""
        self.server.expire_access()

    def revoke(self) -> None:
        """Refuse all tokens and the app password."""
        self.server.expire_access()
        self.server.revoke_refresh()
        self.server.revoke_password()

    def allow_many(self) -> None:
        """Raise all limits."""
        self.server.points = MANY

    def ripen(self) -> None:
        """Finish the videos."""
        self.server.videos.ripen()


def xrpc(path: str, status: int, error: str) -> Fault:
    """Return an error as XRPC has it."""
    return Fault(path, status, {"error": error, "message": f"{error or 'failed'}, said the server"})
