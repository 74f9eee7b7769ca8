"""Instagram under the contract's tests."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from service.kit.ids import uuid7
from service.platforms.contract import (
    Content,
    Destination,
    MediaFile,
    Platform,
)
from service.platforms.instagram.adapter import Instagram
from service.platforms.setup import Setup
from tests.platforms.helpers import image
from tests.platforms.rig import MANY, Rig
from tests.platforms.rigs.meta import graph
from tests.servers.faults import Fault
from tests.servers.instagram import InstagramServer
from tests.servers.meta_media import jpeg, mp4


class InstagramRig(Rig):
    """One professional account."""

    name = "instagram"
    commit_path = "/media_publish"
    read_path = "/content_publishing_limit"
    server: InstagramServer

    def adapter(self, setup: Setup) -> Platform:
        """Return the adapter."""
        return Instagram(setup)

    def destination(self) -> Destination:
        """Return an account whose token is two days old."""
        return Destination(
            id=uuid7(),
            handle=self.server.username,
            base_url="https://www.instagram.com",
            credentials={},
            limits=Instagram.limits,
            session={"user_id": self.server.user_id, "access_token": self.server.value},
        )

    def contents(self, folder: Path) -> Mapping[str, Content]:
        """Return one of each kind."""
        story = {"kind": "story"}
        return {
            "image": Content("One picture", media=(self.picture(folder, alt="A cat"),)),
            "images": Content("Two", media=(self.picture(folder), self.picture(folder))),
            "video": Content("A reel", media=(self.video(folder),)),
            "mixed": Content("Both", media=(self.picture(folder), self.video(folder))),
            "story": Content("", media=(self.picture(folder),), options=story),
        }

    def picture(self, folder: Path, content: bytes | None = None, *, alt: str = "") -> MediaFile:
        """Return an image that Instagram can fetch."""
        content = content or jpeg()
        file = image(folder, content, content_type="image/jpeg", alt=alt)
        return replace(file, url=self.server.host(content, f"{file.id}.jpg"))

    def video(self, folder: Path, content: bytes | None = None) -> MediaFile:
        """Return a video that Instagram can fetch."""
        content = content or mp4()
        file = image(folder, content, content_type="video/mp4")
        return replace(file, url=self.server.host(content, f"{file.id}.mp4"), seconds=10.0)

    def failures(self) -> Mapping[str, list[Fault]]:
        """Return the errors of the reference, at the commit and at the upload."""
        path, media = self.commit_path, f"{self.server.user_id}/media"
        return {
            "Transient": [
                graph(path, 9007, 2207027),
                graph(path, 24, 2207008),
                graph(media, -2, 2207003),
                graph(media, -1, 2207001),
                graph(media, 9004, 2207052),
                graph(media, 2),
                Fault(media, 503, method="POST"),
            ],
            "RateLimited": [
                graph(path, 4),
                graph(path, 9, 2207042),
                graph(path, 17),
                graph(path, 80002),
                graph(media, 4),
                Fault(path, 429, headers={"Retry-After": "30"}),
            ],
            "TokenExpired": [graph(path, 190, status=401), graph(media, 190, 463, status=401)],
            "AuthFailed": [graph(path, 190, 460), graph(media, 190, 458), graph(path, 190, 492)],
            "Rejected": [
                graph(path, 100),
                graph(path, 10),
                graph(path, 25, 2207050),
                graph(media, 36003, 2207009),
                graph(media, 36004, 2207010),
                graph(media, 352, 2207026),
            ],
            "Ambiguous": [
                graph(path, 4, 2207051),
                graph(path, 1),
                graph(path, 2),
                graph(path, -1, 2207001),
                Fault(path, 500),
                Fault(path, 502),
            ],
        }

    def expire_tokens(self) -> None:
        """Refuse the token as expired, and yet renew it.

        At Instagram itself a token that has really expired is lost: this is what a caller sees that
        renews in time but still holds the old one.
        """
        self.server.refuse_all()

    def revoke(self) -> None:
        """Refuse the token for good."""
        self.server.revoke_all()

    def allow_many(self) -> None:
        """Raise all limits."""
        self.server.open_the_internet()
        self.server.quota_total = MANY

    def ripen(self) -> None:
        """Finish processing."""
        self.server.ripen()
