"""A post with images and a link on a Mastodon that others wrote, through every kind of trouble."""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.installed import Api, place, up
from tests.e2e.witness import Witness
from tests.servers.mastodon import MastodonServer

ROUNDS = 2
LINK = "https://example.org/story?a=1&b=2"
STATUSES = "/api/v1/statuses"
MEDIA = "/api/v2/media"
LATENCY = {"type": "latency", "delay_ms": 300}
LIMITED = {"type": "ratelimit", "headers": {"Retry-After": "1"}}
BROKEN = {"type": "status", "status": 500}
MALFORMED = {"type": "malformed"}


@dataclass(frozen=True, slots=True)
class World:
    """An installation, a Mastodon, and the line between them."""

    api: Api
    mastodon: MastodonServer
    line: Witness
    account: str
    images: tuple[str, str]

    def fault(self, path: str, effect: dict[str, Any], count: int = 1) -> None:
        """Arm a fault of the server."""
        self.mastodon.fault("POST", path, count=count, **effect)

    def lose(self, path: str) -> None:
        """Let the server do its work and its answer be lost."""
        self.line.lose_answer(f"POST {path}")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong, how the attempts end, and how often the status is posted."""

    name: str
    arm: Callable[[World], None]
    attempts: tuple[str, ...]
    posted: int


def _everything(world: World) -> None:
    world.fault(MEDIA, LATENCY)
    world.fault(MEDIA, BROKEN)
    world.lose(STATUSES)
    # The post whose answer is lost is made; its repeats meet the limit and the error first.
    world.fault(STATUSES, LATENCY)
    world.fault(STATUSES, LIMITED)
    world.fault(STATUSES, BROKEN)


AGAIN = "retrying"
OUT = "published"
TROUBLES = (
    Trouble("nothing", lambda world: None, (OUT,), 1),
    Trouble("a slow upload", lambda world: world.fault(MEDIA, LATENCY, 2), (OUT,), 1),
    Trouble("a slow post", lambda world: world.fault(STATUSES, LATENCY), (OUT,), 1),
    Trouble("a limit on uploads", lambda world: world.fault(MEDIA, LIMITED), (OUT,), 1),
    Trouble("a limit on posts", lambda world: world.fault(STATUSES, LIMITED), (OUT,), 2),
    Trouble("a broken upload", lambda world: world.fault(MEDIA, BROKEN), (AGAIN, OUT), 1),
    Trouble(
        "a post broken twice",
        lambda world: world.fault(STATUSES, BROKEN, 2),
        (AGAIN, AGAIN, OUT),
        3,
    ),
    Trouble("a lost answer", lambda world: world.lose(STATUSES), (AGAIN, OUT), 2),
    Trouble("a garbled answer", lambda world: world.fault(STATUSES, MALFORMED), (AGAIN, OUT), 2),
    Trouble("everything", _everything, (AGAIN, AGAIN, AGAIN, OUT), 4),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A running installation with an account on a running Mastodon."""
    where = place(
        tmp_path_factory.mktemp("mastodon"),
        ALMANAC_ALLOWED_PRIVATE_HOSTS="127.0.0.1",
        ALMANAC_PUBLISH_RETRY_BASE="PT0.2S",
    )
    with (
        MastodonServer() as mastodon,
        Witness(mastodon.url) as line,
        up(where),
        Api(where.url, where.new_key("e2e")) as api,
    ):
        account = api.connect("mastodon", {"access_token": mastodon.token}, line.url)
        pictures = {"red.png": picture(200, 0), "blue.png": picture(0, 200)}
        red, blue = (api.upload(name, content) for name, content in pictures.items())
        yield World(api, mastodon, line, account, (red, blue))


def picture(red: int, blue: int) -> bytes:
    """Make a PNG of 8 by 8 pixels of one colour (https://www.w3.org/TR/png)."""
    rows = (b"\0" + bytes([red, 0, blue]) * 8) * 8
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_a_post_reaches_mastodon_exactly_once(world: World, trouble: Trouble, number: int) -> None:
    """G001, V003, V008: text, two images and a link arrive once, under one Idempotency-Key."""
    text = f"Run {number} with {trouble.name}"
    before = {post["id"] for post in world.mastodon.posts}
    world.line.forget()
    trouble.arm(world)

    images = [{"id": image, "alt": f"Picture {n}"} for n, image in enumerate(world.images, 1)]
    body = {"text": text, "link": LINK, "media": images, "accounts": [world.account]}
    post = world.api.ended(world.api.post("/v1/posts", body)["id"])

    (delivery,) = post["deliveries"]
    attempts = post["attempts"][delivery["id"]]
    assert tuple(attempt["outcome"] for attempt in attempts) == trouble.attempts
    (arrived,) = [post for post in world.mastodon.posts if post["id"] not in before]
    assert (arrived["id"], arrived["url"]) == (delivery["remote_id"], delivery["remote_url"])
    assert world.mastodon.source(arrived["id"]) == f"{text}\n\n{LINK}"
    described = [image["description"] for image in arrived["media_attachments"]]
    assert described == ["Picture 1", "Picture 2"]
    sent = world.line.headers(f"POST {STATUSES}")
    assert [head["idempotency-key"] for head in sent] == [delivery["id"]] * trouble.posted


def test_every_delivery_has_a_key_of_its_own(world: World) -> None:
    """The same text twice to the same account is two posts, under two keys."""
    before = {post["id"] for post in world.mastodon.posts}
    world.line.forget()
    body = {"text": "Said twice", "accounts": [world.account]}
    posts = [world.api.ended(world.api.post("/v1/posts", body)["id"]) for _ in range(2)]
    keys = {head["idempotency-key"] for head in world.line.headers(f"POST {STATUSES}")}
    assert keys == {post["deliveries"][0]["id"] for post in posts}
    arrived = [post["id"] for post in world.mastodon.posts if post["id"] not in before]
    assert [world.mastodon.source(post_id) for post_id in arrived] == ["Said twice"] * 2


def test_a_scheduled_post_arrives_at_its_time(world: World) -> None:
    """G001: not before the due time and within 2 s after it, in one call."""
    world.line.forget()
    due = datetime.now(UTC) + timedelta(seconds=3)
    body = {"text": "On time", "accounts": [world.account], "publish_at": due.isoformat()}
    scheduled = world.api.post("/v1/posts", body)
    assert scheduled["state"] == "scheduled"
    assert world.api.ended(scheduled["id"])["state"] == "published"
    (arrived,) = [p for p in world.mastodon.posts if world.mastodon.source(p["id"]) == "On time"]
    late = datetime.fromisoformat(arrived["created_at"]) - due
    # The server rounds its times down to milliseconds.
    assert timedelta(milliseconds=-1) <= late <= timedelta(seconds=2)
    assert len(world.line.headers(f"POST {STATUSES}")) == 1
