"""YouTube under the contract's tests."""

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
    Wait,
)
from service.platforms.setup import Setup
from service.platforms.youtube.adapter import YouTube
from service.platforms.youtube.video import LIMITS
from tests.platforms.helpers import image
from tests.platforms.rig import MANY, Rig
from tests.servers.faults import Fault
from tests.servers.youtube import CHANNEL, YouTubeServer
from tests.servers.youtube_google import error

UPLOAD = "/upload/youtube/v3/videos"
SESSION = "/resumable/"
UPDATE = "/youtube/v3/videos"
HEAD = b"\0\0\0\x18ftypmp42"
OPTIONS = {"title": "A video", "made_for_kids": False}


def video(folder: Path, size: int = 600_000) -> MediaFile:
    """Write a sparse file that begins like an MP4."""
    media_id = uuid7()
    path = folder / f"{media_id}.mp4"
    with path.open("wb") as file:
        file.write(HEAD)
        file.truncate(size)
    return MediaFile(media_id, path, "video/mp4", size, seconds=12)


def film(folder: Path, size: int = 600_000, **options: object) -> Content:
    """Return a post of one video."""
    return Content("About wool", media=(video(folder, size),), options={**OPTIONS, **options})


class YouTubeRig(Rig):
    """One channel."""

    server: YouTubeServer
    name = "youtube"
    commit_path = UPDATE
    commit_method = "PUT"
    read_path = "/youtube/v3/videos"

    def adapter(self, setup: Setup) -> YouTube:
        """Return the adapter."""
        return YouTube(setup)

    def destination(self) -> Destination:
        """Return an account whose tokens the server has given out."""
        session: Handles = {
            "access_token": self.server.tokens.issue(),
            "refresh_token": self.server.tokens.issue_refresh(),
            "channel_id": CHANNEL,
        }
        return Destination(uuid7(), "ada", "https://www.youtube.com", {}, LIMITS, session)

    @property
    def youtube(self) -> YouTube:
        """The adapter, by its own type."""
        assert isinstance(self.platform, YouTube)
        return self.platform

    def contents(self, folder: Path) -> Mapping[str, Content]:
        """Return videos; YouTube takes nothing else."""
        film = video(folder)
        picture = image(folder, b"\x89PNG picture")
        unlisted = {**OPTIONS, "privacy": "unlisted", "tags": ["one", "two words"]}
        return {
            "video": Content("A film about wool.", media=(film,), options=OPTIONS),
            "thumbnail": Content("With a picture", media=(film, picture), options=OPTIONS),
            "unlisted": Content("", link="https://example.com/", media=(film,), options=unlisted),
        }

    def failures(self) -> Mapping[str, list[Fault]]:
        """Return YouTube's documented errors; an upload's server error ends with its probe's."""

        def at(path: str, method: str, status: int, reason: str, times: int = 1) -> Fault:
            return Fault(path, status, error(status, reason), method=method, times=times)

        return {
            "Transient": [
                at(SESSION, "PUT", 503, "backendError", times=2),
                at(UPLOAD, "POST", 500, "internalError"),
                Fault(SESSION, 404, method="PUT"),
            ],
            "RateLimited": [
                at(UPLOAD, "POST", 403, "quotaExceeded"),
                at(UPLOAD, "POST", 403, "rateLimitExceeded"),
                at(UPLOAD, "POST", 400, "uploadLimitExceeded"),
                at(SESSION, "PUT", 429, "rateLimitExceeded"),
                at(UPDATE, "PUT", 403, "userRateLimitExceeded"),
            ],
            "TokenExpired": [
                at(UPLOAD, "POST", 401, "authError"),
                at(SESSION, "PUT", 401, "authError"),
            ],
            "AuthFailed": [
                at(UPLOAD, "POST", 403, "insufficientPermissions"),
                at(UPLOAD, "POST", 403, "authenticatedUserAccountSuspended"),
            ],
            "Rejected": [
                at(UPLOAD, "POST", 400, "invalidTitle"),
                at(UPLOAD, "POST", 400, "invalidDescription"),
                at(UPLOAD, "POST", 400, "invalidTags"),
                at(UPLOAD, "POST", 400, "invalidCategoryId"),
                at(UPLOAD, "POST", 403, "youtubeSignupRequired"),
                at(UPLOAD, "POST", 403, "forbidden"),
            ],
            "Ambiguous": [at(UPDATE, "PUT", 503, "backendError")],
        }

    def expire_tokens(self) -> None:
        """Expire the access token."""
        self.server.expire_access()

    def revoke(self) -> None:
        """Revoke all."""
        self.server.revoke()

    def allow_many(self) -> None:
        """Raise all limits."""
        self.server.inserts_left = self.server.units_left = MANY
        self.server.channel_uploads_left = MANY

    def ripen(self) -> None:
        """Finish the processing."""
        self.server.ripen()


async def bring(rig: YouTubeRig, publication: Publication) -> Published:
    """Publish, as the caller does."""
    await rig.youtube.prepare(publication)
    assert isinstance(await rig.youtube.check(publication), Wait | None)
    rig.ripen()
    assert await rig.youtube.check(publication) is None
    return await rig.youtube.commit(publication)
