"""Facebook Pages under the contract's tests."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from service.kit.ids import uuid7
from service.platforms.contract import Content, Destination, MediaFile, Platform
from service.platforms.facebook.adapter import Facebook
from service.platforms.setup import Setup
from tests.platforms.helpers import image
from tests.platforms.rig import Rig
from tests.platforms.rigs.meta import graph
from tests.servers.facebook import FacebookServer
from tests.servers.faults import Fault
from tests.servers.meta_media import jpeg, mp4


class FacebookRig(Rig):
    """One Page."""

    name = "facebook"
    commit_path = "/feed"
    """Of posts; videos are published by the finishing phase of their upload."""
    read_path = "/photos"
    server: FacebookServer

    def adapter(self, setup: Setup) -> Platform:
        """Return the adapter."""
        return Facebook(setup)

    def destination(self) -> Destination:
        """Return a Page with its token and the person's."""
        return Destination(
            id=uuid7(),
            handle="almanac.page",
            base_url="https://www.facebook.com",
            credentials={},
            limits=Facebook.limits,
            session={
                "page_id": self.server.page_id,
                "access_token": self.server.value,
                "refresh_token": self.server.person_value,
            },
        )

    def contents(self, folder: Path) -> Mapping[str, Content]:
        """Return one of each kind."""
        return {
            "text": Content("Hello, Page"),
            "link": Content("See this", link="https://example.com/story"),
            "image": Content("One", media=(self.picture(folder, alt="A cat"),)),
            "images": Content("Two", media=(self.picture(folder), self.picture(folder))),
            "video": Content("Film", media=(self.video(folder),)),
            "reel": Content("Reel", media=(self.video(folder),), options={"kind": "reel"}),
        }

    def picture(self, folder: Path, *, alt: str = "") -> MediaFile:
        """Return an image."""
        return image(folder, jpeg(), content_type="image/jpeg", alt=alt)

    def video(self, folder: Path, content: bytes | None = None) -> MediaFile:
        """Return a video."""
        file = image(folder, content or mp4(), content_type="video/mp4")
        return replace(file, seconds=10.0, width=1080, height=1920)

    def failures(self) -> Mapping[str, list[Fault]]:
        """Return the documented errors, at the commit and at the upload."""
        path, photos = self.commit_path, "/photos"
        return {
            "Transient": [
                graph(photos, 1),
                graph(photos, 2),
                graph(photos, 2, 1363047),
                Fault(photos, 500),
                Fault(photos, 503),
            ],
            "RateLimited": [
                graph(path, 4),
                graph(path, 17),
                graph(path, 32),
                graph(path, 613),
                graph(path, 80001),
                graph(path, 341),
                graph(path, 368, 1390008),
                graph(path, 368),
                graph(photos, 80001),
                Fault(path, 429, headers={"Retry-After": "30"}),
            ],
            "TokenExpired": [graph(path, 190), graph(path, 190, 463), graph(photos, 102)],
            "AuthFailed": [
                graph(path, 190, 460),
                graph(path, 190, 464),
                graph(path, 200, 1404078),
                graph(photos, 190, 458),
            ],
            "Rejected": [
                graph(path, 100),
                graph(path, 10),
                graph(path, 200),
                graph(path, 368, 1346003),
                graph(path, 100, 1404102),
                graph(path, 100, 1609008),
                graph(path, 506, 1455006),
                graph(photos, 324, 1366046),
            ],
            "Ambiguous": [
                graph(path, 1),
                graph(path, 2, 1363047),
                graph(path, 2, 1609010),
                Fault(path, 500),
                Fault(path, 502),
            ],
        }

    def expire_tokens(self) -> None:
        """Refuse the Page's token as expired; the person's gives a new one."""
        self.server.tokens[self.server.value].refused = True

    def revoke(self) -> None:
        """Refuse all tokens for good."""
        self.server.revoke_all()

    def allow_many(self) -> None:
        """Let the same text be posted again and again, and videos come in large chunks."""
        self.server.refuses_duplicates = False
        self.server.chunk = 4 * 2**20

    def ripen(self) -> None:
        """Finish processing."""
        self.server.ripen()
