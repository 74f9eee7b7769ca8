"""Mastodon under the contract's tests, on the strict emulator."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from service.kit.ids import uuid7
from service.platforms.contract import Content, Destination, MediaFile, Platform
from service.platforms.mastodon.adapter import Mastodon
from service.platforms.setup import Setup
from tests.platforms.helpers import image
from tests.platforms.rig import MANY, Rig
from tests.servers.faults import Fault
from tests.servers.mastodon_strict import StrictMastodon

PNG = b"\x89PNG\r\n\x1a\n"
MP4 = b"\0\0\0\x18ftypisom"
POST = "/api/v1/statuses"
UPLOAD = "/api/v2/media"
ASK = "/api/v1/media/"


def picture(folder: Path, tail: bytes = b"picture", *, alt: str = "") -> MediaFile:
    """Write an image."""
    return replace(image(folder, PNG + tail, alt=alt), width=40, height=30)


def video(folder: Path, size: int = 5_000) -> MediaFile:
    """Write a video of so many bytes."""
    file = image(folder, MP4.ljust(size, b"\1"), content_type="video/mp4", alt="A goal")
    return replace(file, width=1_280, height=720, seconds=12.0, video_codec="h264")


def account(server: StrictMastodon, *, renewable: bool = True) -> Destination:
    """Return the account with a token that is good now.

    Args:
        renewable: whether it has a refresh token, as servers of other makes give.
    """
    server.oauth.refreshing = renewable
    app = server.oauth.register()
    access, refresh = server.oauth.issue(client_id=app["client_id"])
    session: dict[str, object] = {"access_token": access, "account_id": server.account_id}
    return Destination(
        id=uuid7(),
        handle=server.username,
        base_url=server.url,
        credentials=app,
        limits=Mastodon.limits,
        session=session | ({"refresh_token": refresh} if renewable else {}),
    )


class MastodonRig(Rig):
    """One account of a server whose tokens end and can be renewed."""

    name = "mastodon"
    commit_path = POST
    read_path = ASK
    server: StrictMastodon

    def adapter(self, setup: Setup) -> Platform:
        """Return the adapter."""
        return Mastodon(setup)

    def destination(self) -> Destination:
        """Return the account."""
        return account(self.server)

    def contents(self, folder: Path) -> Mapping[str, Content]:
        """Return one of each kind."""
        pictures = tuple(picture(folder, bytes([n]), alt="A cat") for n in range(4))
        warned = {"spoiler_text": "Politics", "sensitive": True, "visibility": "unlisted"}
        return {
            "text": Content("Hello <world> @bob@server.example #news"),
            "link": Content("Read this", link="https://example.com/" + "long/" * 100),
            "image": Content("One picture", media=(picture(folder),)),
            "images": Content("Four", media=pictures, options={"focus": ["0.5,-0.25"]}),
            "video": Content("A video", media=(video(folder),)),
            "warned": Content("Behind a warning", options=warned),
        }

    def failures(self) -> Mapping[str, list[Fault]]:
        """Return the errors of the documentation and of the reference."""
        return {
            "Transient": [
                error(UPLOAD, 500, "Error processing thumbnail for uploaded media"),
                error(UPLOAD, 503, "Service unavailable"),
                error(ASK, 502, "Bad gateway"),
                error(ASK, 404, "Record not found"),
            ],
            "RateLimited": [
                Fault(POST, 429, {"error": "Too many requests"}, {"Retry-After": "30"}),
                Fault(UPLOAD, 429, {"error": "Too many requests"}, {"Retry-After": "30"}),
                Fault(ASK, 429, {"error": "Too many requests"}),
            ],
            "TokenExpired": [
                error(path, 401, "The access token expired") for path in (POST, UPLOAD, ASK)
            ],
            "AuthFailed": [
                error(POST, 403, "Your login is currently disabled"),
                error(UPLOAD, 403, "This action is outside the authorized scopes"),
            ],
            "Rejected": [
                error(POST, 422, "Validation failed: Text can't be blank"),
                error(POST, 404, "The post you are trying to reply to does not appear to exist."),
                error(UPLOAD, 422, "Validation failed: File content type is invalid"),
                error(UPLOAD, 413, "Payload too large"),
                error(ASK, 422, "Error processing thumbnail for uploaded media"),
            ],
            "Ambiguous": [error(POST, 500, "Internal"), error(POST, 503, "Unavailable")],
        }

    def expire_tokens(self) -> None:
        """Refuse the access tokens."""
        self.server.expire_tokens()

    def revoke(self) -> None:
        """Refuse all tokens."""
        self.server.revoke()

    def allow_many(self) -> None:
        """Raise all limits."""
        self.server.left = MANY

    def ripen(self) -> None:
        """Finish processing."""
        self.server.ripen()


def error(path: str, status: int, text: str) -> Fault:
    """Return an error of the documentation's form."""
    return Fault(path, status, {"error": text})
