"""TikTok under the contract's tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.kit.ids import uuid7
from service.platforms.contract import (
    Content,
    Destination,
    MediaFile,
    Publication,
    Published,
    Reference,
    Wait,
)
from service.platforms.setup import Setup
from service.platforms.tiktok.adapter import TikTok
from service.platforms.tiktok.post import LIMITS
from tests.platforms.helpers import Row
from tests.platforms.rig import MANY, Rig
from tests.servers.faults import Fault
from tests.servers.meta_media import Everything
from tests.servers.tiktok import TikTokServer

INIT = "/v2/post/publish/video/init/"
CREATOR = "/v2/post/publish/creator_info/query/"
STATUS = "/v2/post/publish/status/fetch/"
PHOTOS = "/v2/post/publish/content/init/"
CHUNK = "/video/"
HEAD = b"\0\0\0\x18ftypmp42"
JPEG = b"\xff\xd8\xff\xe0picture"
EVERYONE = {"privacy_level": "PUBLIC_TO_EVERYONE"}
ONLY_ME = {"privacy_level": "SELF_ONLY"}


def video(folder: Path, size: int = 100_000, *, head: bytes = HEAD) -> MediaFile:
    """Write a sparse file that begins like an MP4."""
    media_id = uuid7()
    path = folder / f"{media_id}.mp4"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return MediaFile(media_id, path, "video/mp4", size, seconds=12)


def photo(folder: Path, server: TikTokServer, content: bytes = JPEG) -> MediaFile:
    """Write a photo, and serve it at a public URL."""
    media_id = uuid7()
    path = folder / f"{media_id}.jpg"
    path.write_bytes(content)
    url = f"https://media.example/{media_id}.jpg"
    server.web[url] = content
    return MediaFile(media_id, path, "image/jpeg", len(content), url=url)


def error(code: str) -> dict[str, Any]:
    """Return an error answer's body."""
    return {"data": {}, "error": {"code": code, "message": "It is so.", "log_id": "1"}}


def reference(published: Published) -> Reference:
    """Return what a row keeps of a post."""
    return Reference(published.remote_id, published.details)


class TikTokRig(Rig):
    """One account; videos only have one chunk, so that their only PUT is the commit."""

    server: TikTokServer
    platform: TikTok
    name = "tiktok"
    commit_path = CHUNK
    commit_method = "PUT"
    read_path = CREATOR

    def adapter(self, setup: Setup) -> TikTok:
        """Return the adapter."""
        return TikTok(setup)

    def destination(self) -> Destination:
        """Return an account whose tokens the server has given out."""
        given = self.server.login()
        session = {
            "access_token": given["access_token"],
            "refresh_token": given["refresh_token"],
            "username": self.server.username,
        }
        return Destination(uuid7(), "alice", "https://www.tiktok.com", {}, LIMITS, session)

    def contents(self, folder: Path) -> Mapping[str, Content]:
        """Return videos and photos; of these, test_tiktok_photos.py has the commit's faults."""
        film = video(folder)
        pictures = (photo(folder, self.server), photo(folder, self.server))
        return {
            "video": Content("A film #wool", media=(film,), options=EVERYONE),
            "private": Content("", link="https://a.example/", media=(film,), options=ONLY_ME),
            "photos": Content("Two of them", media=pictures, options=EVERYONE),
            "draft": Content("", media=(film,), options={"mode": "inbox"}),
        }

    def failures(self) -> Mapping[str, list[Fault]]:
        """Return the documented errors."""

        def at(path: str, status: int, code: str) -> Fault:
            return Fault(path, status, error(code), method="POST")

        return {
            "Transient": [
                at(INIT, 500, "internal_error"),
                at(CREATOR, 500, "internal_error"),
                Fault(CHUNK, 403, method="PUT"),
                Fault(CHUNK, 404, method="PUT"),
                Fault(CHUNK, 416, method="PUT"),
            ],
            "RateLimited": [
                at(INIT, 429, "rate_limit_exceeded"),
                at(INIT, 403, "spam_risk_too_many_posts"),
                at(INIT, 403, "spam_risk_too_many_pending_share"),
                at(CREATOR, 403, "spam_risk_too_many_posts"),
                at(CREATOR, 403, "reached_active_user_cap"),
                Fault(CHUNK, 429, method="PUT"),
            ],
            "TokenExpired": [
                at(INIT, 401, "access_token_invalid"),
                at(CREATOR, 401, "access_token_invalid"),
            ],
            "AuthFailed": [
                at(CREATOR, 401, "scope_not_authorized"),
                at(INIT, 401, "scope_permission_missed"),
            ],
            "Rejected": [
                at(INIT, 400, "invalid_params"),
                at(INIT, 403, "privacy_level_option_mismatch"),
                at(INIT, 403, "unaudited_client_can_only_post_to_private_accounts"),
                at(INIT, 403, "spam_risk_user_banned_from_posting"),
                at(INIT, 403, "spam_risk_text"),
                Fault(CHUNK, 400, method="PUT"),
            ],
            "Ambiguous": [
                Fault(CHUNK, 500, method="PUT"),
                Fault(CHUNK, 503, method="PUT"),
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
        self.server.posts_a_day = self.server.pending_shares = MANY
        self.server.per_minute = dict.fromkeys(self.server.per_minute, MANY)
        self.server.verified.append("https://almanac.example/")
        self.server.web = Everything()

    def ripen(self) -> None:
        """Finish the processing."""
        self.server.ripen()

    def publication(self, content: Content, row: Row | None = None) -> Publication:
        """Return a publication of a new account's."""
        return (row or Row()).publication(self.destination(), content)

    def again(self, publication: Publication, row: Row) -> Publication:
        """Return the publication as another process finds it in its row."""
        return Row().publication(
            publication.destination,
            publication.content,
            delivery_id=publication.delivery_id,
            handles=row.handles[-1],
        )

    async def take(self, publication: Publication) -> None:
        """Bring it so far that TikTok has all."""
        await self.platform.prepare(publication)
        assert await self.platform.check(publication) is None
        assert isinstance(await self.platform.commit(publication), Wait)

    async def finish(self, publication: Publication) -> Published:
        """Let TikTok finish its work, and return what came of it."""
        self.server.ripen()
        await self.platform.prepare(publication)
        assert await self.platform.check(publication) is None
        published = await self.platform.commit(publication)
        assert isinstance(published, Published)
        return published
