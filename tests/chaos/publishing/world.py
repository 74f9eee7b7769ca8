"""All platforms as servers that misbehave, with an account on each and posts to them."""

import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from service.accounts import actions as accounts
from service.accounts.models import Account, AccountState
from service.kit.clock import now
from service.kit.ids import uuid7
from service.kit.outbound import Outbound
from service.media.storage import path_of
from service.platforms.contract import Content, MediaFile
from service.posts import moving
from service.posts.composing import Target
from service.posts.models import Post
from tests.platforms.rig import Rig
from tests.platforms.rigs import RIGS
from tests.servers.faults import Fault
from tests.support import Installation

SHARE = 0.2
"""Of all calls to a platform, how many something befalls."""
KINDS = (
    Fault("", status=503, body={}),
    Fault("", status=500, body={}),
    Fault("", status=429, body={}, headers={"Retry-After": "1"}),
    Fault("", lost=True),
    Fault("", lost=True),
    Fault("", delay=0.5),
)


@dataclass(slots=True)
class World:
    """The platforms, and which post goes to which of them."""

    rigs: dict[str, Rig]
    chance: random.Random
    expected: dict[UUID, tuple[str, str, str]]
    """Platform, text and kind of each delivery."""

    def misbehave(self) -> None:
        """Let something befall one call in five, from now on."""
        for rig in self.rigs.values():
            rig.server.trouble = self._trouble

    def behave(self) -> None:
        """Let every call be served, from now on."""
        for rig in self.rigs.values():
            rig.server.trouble = lambda: None

    def _trouble(self) -> Fault | None:
        if self.chance.random() > SHARE:
            return None
        return replace(self.chance.choice(KINDS))

    @property
    def urls(self) -> dict[str, str]:
        """Where each platform is."""
        return {name: rig.server.url for name, rig in self.rigs.items()}

    def seen(self) -> dict[str, Counter[str]]:
        """Return how often the world sees each text, by platform."""
        return {
            name: Counter(
                found[0] for post in rig.server.posts for found in [_named(post)] if found
            )
            for name, rig in self.rigs.items()
        }

    @property
    def calls(self) -> int:
        """How many requests the platforms have got."""
        return sum(len(rig.server.calls) for rig in self.rigs.values())

    def ripen(self) -> None:
        """Let the platforms have worked up whatever they were given."""
        for rig in self.rigs.values():
            # The servers run in threads: what they get meanwhile is looked at the next time.
            with suppress(RuntimeError):
                rig.ripen()

    @property
    def violations(self) -> list[str]:
        """Every request that no documentation knows."""
        return [text for rig in self.rigs.values() for text in rig.server.violations]


@contextmanager
def world(seed: int) -> Iterator[World]:
    """Run all platforms."""
    with ExitStack() as stack:
        rigs: dict[str, Rig] = {}
        for name, (server, rig) in RIGS.items():
            running = server()
            stack.enter_context(running)
            rigs[name] = rig(running, Outbound())
            rigs[name].allow_many()
        yield World(rigs, random.Random(seed), {})


async def plant(api: Installation, world: World, folder: Path, posts: int) -> None:
    """Connect an account on each platform, and schedule posts to them in turn, for now."""
    owner = await _owner(api)
    connected = {name: await _connect(api, rig, owner) for name, rig in world.rigs.items()}
    contents = {
        name: [(kind, content) for kind, content in rig.contents(folder).items() if content.text]
        for name, rig in world.rigs.items()
    }
    names = sorted(connected)
    async with api.runtime.unit_of_work() as uow:
        for number in range(posts):
            name = names[number % len(names)]
            kinds = contents[name]
            kind, content = kinds[number // len(names) % len(kinds)]
            text = f"Post number {number}"
            post = _post(owner, replace(content, text=text), api.runtime.settings.media_folder)
            target = Target(connected[name], options=content.options)
            post.deliveries = [moving.new_delivery(post, target, now())]
            post.follow_ups = []
            world.expected[post.deliveries[0].id] = (name, text, kind)
            uow.session.add(post)


async def plant_one(
    api: Installation, world: World, name: str, content: Content, options: Mapping[str, object]
) -> None:
    """Connect an account on one platform and schedule one post to it, for now.

    The content's media are in the media folder already, each under the name of its file.
    """
    owner = await _owner(api)
    account = await _connect(api, world.rigs[name], owner)
    post = _post(owner, replace(content, media=()), api.runtime.settings.media_folder)
    post.media = [_described(file, file.path.name) for file in content.media]
    async with api.runtime.unit_of_work() as uow:
        post.deliveries = [moving.new_delivery(post, Target(account, options=options), now())]
        post.follow_ups = []
        uow.session.add(post)


async def _owner(api: Installation) -> UUID:
    (row,) = await api.sql("SELECT id FROM users ORDER BY created_at LIMIT 1")
    owner: UUID = row.id
    return owner


def _named(post: Mapping[str, Any]) -> "re.Match[str] | None":
    """Find the text that was given, whatever its platform put around it."""
    return re.search(r"Post number \d+", str(post["text"]))


async def _connect(api: Installation, rig: Rig, owner: UUID) -> Account:
    made = rig.destination()
    account_id, keyring = made.id, api.runtime.keyring
    account = Account(
        id=account_id,
        owner_id=owner,
        platform=rig.name,
        handle=made.handle,
        display_name=made.handle,
        base_url=made.base_url,
        local=False,
        state=AccountState.ACTIVE,
        limits=msgspec.to_builtins(made.limits),
        credentials=accounts.seal(keyring, account_id, "credentials", made.credentials),
        session=accounts.seal(keyring, account_id, "session", made.session),
    )
    async with api.runtime.unit_of_work() as uow:
        uow.session.add(account)
    return account


def _post(owner: UUID, content: Content, folder: Path) -> Post:
    return Post(
        id=uuid7(),
        owner_id=owner,
        text=content.text,
        link=content.link,
        media=[_entry(file, folder) for file in content.media],
        publish_at=None,
        zone="UTC",
        created_at=now(),
        revision=1,
        thread=[],
    )


def _entry(file: MediaFile, folder: Path) -> dict[str, Any]:
    """Put a file into the media folder and return what a post says of it."""
    digest = sha256(file.path.read_bytes()).hexdigest()
    target = path_of(folder, digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file.path, target)
    return _described(file, digest)


def _described(file: MediaFile, digest: str) -> dict[str, Any]:
    figures = ("width", "height", "seconds", "frame_rate", "video_codec", "audio_codec")
    return {
        "id": str(file.id),
        "sha256": digest,
        "content_type": file.content_type,
        "size": file.size,
        "alt": file.alt,
        **{name: getattr(file, name) for name in figures},
    }
