"""LinkedIn under the contract's tests."""

from collections.abc import Mapping
from pathlib import Path

from service.kit.ids import uuid7
from service.platforms.contract import (
    Content,
    Destination,
    Handles,
    MediaFile,
    Publication,
    Published,
)
from service.platforms.linkedin.adapter import LinkedIn
from service.platforms.linkedin.post import LIMITS
from service.platforms.setup import Setup
from tests.platforms.helpers import image
from tests.platforms.rig import MANY, Rig
from tests.servers.faults import Fault
from tests.servers.linkedin import LinkedInServer
from tests.servers.linkedin_login import PAGE
from tests.servers.linkedin_rules import error

POSTS = "/rest/posts"
IMAGES = "/rest/images"
VIDEOS = "/rest/videos"
PNG = b"\x89PNG picture"
DAILY = "Resource level throttle {} DAY limit for calls to this resource is reached."


def picture(folder: Path, alt: str = "") -> MediaFile:
    """Write what begins like a PNG."""
    return image(folder, PNG, alt=alt)


def video(folder: Path, size: int = 600_000) -> MediaFile:
    """Write a sparse file that begins like an MP4."""
    media_id = uuid7()
    path = folder / f"{media_id}.mp4"
    with path.open("wb") as file:
        file.write(b"\0\0\0\x18ftypmp42")
        file.truncate(size)
    return MediaFile(media_id, path, "video/mp4", size, seconds=12)


class LinkedInRig(Rig):
    """One page; `destination` makes the member's account too."""

    server: LinkedInServer
    name = "linkedin"
    commit_path = POSTS
    read_path = "/rest/images/"

    def adapter(self, setup: Setup) -> LinkedIn:
        """Return the adapter."""
        return LinkedIn(setup)

    @property
    def linkedin(self) -> LinkedIn:
        """The adapter, by its own type."""
        assert isinstance(self.platform, LinkedIn)
        return self.platform

    def destination(self, author: str = PAGE) -> Destination:
        """Return an account whose tokens the server has given out."""
        session: Handles = {
            "access_token": self.server.issue(),
            "refresh_token": self.server.issue_refresh(),
            "author": author,
        }
        return Destination(uuid7(), "wool-co", "https://www.linkedin.com", {}, LIMITS, session)

    def contents(self, folder: Path) -> Mapping[str, Content]:
        """Return posts of every kind."""
        pictures = tuple(picture(folder, alt=f"Ball {n}") for n in range(3))
        return {
            "text": Content("Wool (100 %) #wool_works", link="https://example.com/a_b?c=(d)"),
            "image": Content("One", media=pictures[:1]),
            "images": Content("Three", media=pictures),
            "video": Content("Moving", media=(video(folder),)),
        }

    def failures(self) -> Mapping[str, list[Fault]]:
        """Return LinkedIn's documented errors of posting and uploading."""

        def at(path: str, status: int, code: str, text: str = "refused") -> Fault:
            return Fault(path, status, error(status, code, text), method="POST")

        return {
            "Transient": [
                at(IMAGES, 500, "INTERNAL_SERVER_ERROR"),
                at(POSTS, 403, "ACCESS_DENIED", "The resource is forbidden"),
                Fault("/mediaUpload/", 503, method="PUT"),
            ],
            "RateLimited": [
                at(POSTS, 429, "TOO_MANY_REQUESTS", DAILY.format("MEMBER")),
                at(IMAGES, 429, "TOO_MANY_REQUESTS", DAILY.format("APPLICATION")),
            ],
            "TokenExpired": [
                at(POSTS, 401, "EXPIRED_ACCESS_TOKEN"),
                at(IMAGES, 401, "INVALID_ACCESS_TOKEN"),
            ],
            "AuthFailed": [
                at(POSTS, 401, "REVOKED_ACCESS_TOKEN"),
                at(POSTS, 403, "ACCESS_DENIED", "Not enough permissions"),
            ],
            "Rejected": [
                at(POSTS, 400, "INVALID_MEDIA"),
                at(POSTS, 422, "FIELD_LENGTH_TOO_LONG"),
                at(POSTS, 426, "NONEXISTENT_VERSION"),
            ],
            "Ambiguous": [
                at(POSTS, 500, "INTERNAL_SERVER_ERROR"),
                Fault(POSTS, 504, method="POST"),
            ],
        }

    def expire_tokens(self) -> None:
        """Expire the access token."""
        self.server.expire_access()

    def revoke(self) -> None:
        """Revoke all."""
        self.server.revoke()

    def allow_many(self) -> None:
        """Raise all limits."""
        self.server.posts_left = MANY

    def ripen(self) -> None:
        """Finish the processing."""
        self.server.ripen()


async def bring(rig: LinkedInRig, publication: Publication) -> Published:
    """Publish, as the caller does."""
    await rig.linkedin.prepare(publication)
    rig.ripen()
    assert await rig.linkedin.check(publication) is None
    return await rig.linkedin.commit(publication)
