"""Threads under the contract's tests."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from service.kit.ids import uuid7
from service.platforms.contract import (
    Content,
    Destination,
    Handles,
    MediaFile,
    Publication,
    Published,
)
from service.platforms.setup import Setup
from service.platforms.threads.adapter import Threads
from service.platforms.threads.content import LIMITS
from tests.platforms.helpers import Row
from tests.platforms.rig import MANY, Rig
from tests.servers.faults import Fault
from tests.servers.meta_media import jpeg, mp4, png
from tests.servers.threads import ThreadsServer

PUBLISH = "/threads_publish"
PREPARE = f"{ThreadsServer.user_id}/threads"
LIMIT = "/threads_publishing_limit"
CONTENTS = {"image/jpeg": jpeg(), "image/png": png(), "video/mp4": mp4()}


def medium(
    folder: Path, server: ThreadsServer, content_type: str = "image/jpeg", alt: str = ""
) -> MediaFile:
    """Write a file, and serve it at a public URL."""
    content = CONTENTS[content_type]
    media_id = uuid7()
    path = folder / str(media_id)
    path.write_bytes(content)
    url = f"https://media.example/{media_id}"
    server.web[url] = content
    return MediaFile(media_id, path, content_type, len(content), alt, url=url)


def answer(code: int, subcode: int | None = None, message: str = "It is so.") -> dict[str, Any]:
    """Return an error answer's body."""
    error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1"}
    return {"error": error if subcode is None else {**error, "error_subcode": subcode}}


class ThreadsRig(Rig):
    """One account; finished containers are found at once."""

    server: ThreadsServer
    platform: Threads
    name = "threads"
    commit_path = PUBLISH
    read_path = LIMIT

    def adapter(self, setup: Setup) -> Threads:
        """Return the adapter; the suite does not wait for real."""
        threads = Threads(setup)
        threads.settling = timedelta(0)
        return threads

    def destination(self) -> Destination:
        """Return an account whose token is old enough to be renewed."""
        token = self.server.give_token(self.server.user_id)
        self.server.tokens[token].made_at -= timedelta(days=2)
        session: Handles = {"access_token": token, "user_id": self.server.user_id}
        return Destination(uuid7(), "alice", "https://www.threads.net", {}, LIMITS, session)

    def contents(self, folder: Path) -> Mapping[str, Content]:
        """Return a text, an image, a video, and several of them."""
        picture = medium(folder, self.server, alt="A sheep")
        film = medium(folder, self.server, "video/mp4")
        more = medium(folder, self.server, "image/png")
        return {
            "text": Content("Wool 🐑", link="https://a.example/"),
            "image": Content("A sheep", media=(picture,)),
            "video": Content("It moves", media=(film,)),
            "images": Content("All of them", media=(picture, film, more)),
        }

    def failures(self) -> Mapping[str, list[Fault]]:
        """Return the documented errors of preparing and publishing."""

        def at(path: str, code: int, subcode: int | None = None) -> Fault:
            return Fault(path, 400, answer(code, subcode), method="POST")

        return {
            "Transient": [
                at(PREPARE, 1),
                at(PREPARE, 2),
                at(PREPARE, 9004, 2207052),
                at(PUBLISH, 24, 4279009),
                at(PUBLISH, 9007, 2207027),
            ],
            "RateLimited": [
                at(PREPARE, 4),
                at(PREPARE, 613),
                at(PUBLISH, 4),
                at(PUBLISH, 9),
                at(PUBLISH, 17),
                at(PUBLISH, 80002),
            ],
            "TokenExpired": [at(PREPARE, 190, 463), at(PUBLISH, 190, 463)],
            "AuthFailed": [at(PREPARE, 190, 460), at(PUBLISH, 190, 460)],
            "Rejected": [at(PREPARE, 100), at(PREPARE, 10), at(PUBLISH, 100), at(PUBLISH, 200)],
            "Ambiguous": [at(PUBLISH, 1), at(PUBLISH, 2), Fault(PUBLISH, 503, method="POST")],
        }

    def expire_tokens(self) -> None:
        """Let the token be refused, though it can be renewed."""
        self.server.refuse_all()

    def revoke(self) -> None:
        """Revoke all."""
        self.server.revoke_all()

    def allow_many(self) -> None:
        """Raise all limits."""
        self.server.open_the_web()
        self.server.quota = self.server.reply_quota = MANY

    def ripen(self) -> None:
        """Finish the processing."""
        self.server.ripen()

    def publication(self, content: Content, row: Row | None = None) -> Publication:
        """Return a publication of a new account's."""
        return (row or Row()).publication(self.destination(), content)

    async def ready(self, publication: Publication) -> None:
        """Bring it so far that it can be published, as the caller does."""
        for _ in range(5):
            await self.platform.prepare(publication)
            if await self.platform.check(publication) is None:
                return
            self.server.ripen()
        raise AssertionError("it never became ready")

    async def publish(self, publication: Publication) -> Published:
        """Bring it out."""
        await self.ready(publication)
        published = await self.platform.commit(publication)
        assert isinstance(published, Published)
        return published
