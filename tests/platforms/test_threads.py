"""Publishing to Threads, on an emulator that is strict about the protocol."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import (
    Content,
    Published,
    Reference,
    Wait,
)
from service.platforms.failures import (
    PlatformError,
    RateLimited,
    Rejected,
)
from service.platforms.threads.content import LIMITS
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs.threads import LIMIT, ThreadsRig, medium
from tests.servers.faults import Fault
from tests.servers.threads import ThreadsServer

pytestmark = pytest.mark.asyncio


@pytest.fixture
def server(emulators: Emulators) -> Iterator[ThreadsServer]:
    yield from emulators.lend(ThreadsServer)


@pytest.fixture
def account(server: ThreadsServer, outbound: Outbound) -> ThreadsRig:
    return ThreadsRig(server, outbound)


async def test_a_text_with_a_link(account: ThreadsRig, server: ThreadsServer) -> None:
    """G010, V012: the link is a card; the address is read from Threads."""
    options = {"reply_control": "followers_only", "topic_tag": "wool"}
    content = Content("Wool 🐑", link="https://a.example/", options=options)
    published = await account.publish(account.publication(content))
    [post] = server.posts
    assert published == Published(post["id"], post["permalink"])
    assert post["given"] == {
        "media_type": "TEXT",
        "text": "Wool 🐑",
        "link_attachment": "https://a.example/",
        "reply_control": "followers_only",
        "topic_tag": "wool",
    }
    assert server.violations == []


async def test_a_link_without_a_text_is_the_text(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    await account.publish(account.publication(Content("", link="https://a.example/")))
    assert server.posts[0]["text"] == "https://a.example/"


@pytest.mark.parametrize("name", ["image", "video", "images"])
async def test_media_are_fetched_and_published(
    account: ThreadsRig, server: ThreadsServer, tmp_path: Path, name: str
) -> None:
    """V003: of several, each is fetched before they are bound together."""
    content = account.contents(tmp_path)[name]
    publication = account.publication(content)
    await account.platform.prepare(publication)
    wait = await account.platform.check(publication)
    assert isinstance(wait, Wait)
    assert wait.seconds == (5 if name == "image" else 20)
    await account.publish(publication)
    [post] = server.posts
    assert post["media"] == [file.url for file in content.media]
    assert post["alt"] == [file.alt or None for file in content.media]
    assert len(server.containers) == len(content.media) + (name == "images")
    assert sum(path.endswith(LIMIT) for _, path in server.calls) == 1
    assert server.violations == []


async def test_a_finished_container_is_left_to_settle(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    account.platform.settling = timedelta(seconds=2)
    row = Row()
    publication = account.publication(Content("a"), row)
    await account.platform.prepare(publication)
    for _ in range(2):
        assert await account.platform.check(publication) == Wait(2, "Threads is getting ready")
    earlier = datetime.now(UTC) - timedelta(seconds=2)
    publication.handles["ready_at"] = earlier.isoformat()
    assert await account.platform.check(publication) is None
    reads = [path for method, path in server.calls if method == "GET"]
    assert len(reads) == 2, "the quota and one look at the container"
    assert server.posts == []


async def test_replies_and_comments_answer_what_they_shall(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    first = await account.publish(account.publication(Content("one", options={"topic_tag": "a"})))
    root = Reference(first.remote_id, first.details)
    second = account.publication(Content("two", kind="thread", options={"topic_tag": "a"}))
    second.reply_to = second.root = root
    answer = await account.publish(second)
    third = account.publication(Content("three", kind="comment"))
    third.reply_to, third.root = Reference(answer.remote_id), root
    await account.publish(third)
    assert [post["reply_to_id"] for post in server.posts] == [
        None,
        first.remote_id,
        answer.remote_id,
    ]
    assert "topic_tag" not in server.posts[1]["given"]
    assert server.violations == []


@pytest.mark.parametrize("replying", [False, True])
async def test_the_publishing_limit_is_asked_before_anything_is_made(
    account: ThreadsRig, server: ThreadsServer, replying: bool
) -> None:
    first = await account.publish(account.publication(Content("a")))
    publication = account.publication(Content("b"))
    if replying:
        publication.reply_to = Reference(first.remote_id)
        server.reply_quota = 0
    else:
        server.quota = 1
    what = "0 replies" if replying else "1 posts"
    with pytest.raises(RateLimited, match=f"has published {what} in 24 hours") as limited:
        await account.platform.prepare(publication)
    assert limited.value.scope == "account"
    assert timedelta(minutes=59) < limited.value.until - datetime.now(UTC) < timedelta(hours=1)
    assert len(server.containers) == 1


async def test_every_documented_error_of_preparing_and_publishing(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    for name, faults in account.failures().items():
        for fault in faults:
            publication = account.publication(Content("a"))
            token = str(publication.destination.session["access_token"])
            if isinstance(fault.body, dict):
                fault.body["error"]["message"] = f"access_token={token} {token}"
            server.fail(fault)
            with pytest.raises(PlatformError) as failed:
                await account.publish(publication)
            kinds = [kind.__name__ for kind in type(failed.value).__mro__]
            assert name in kinds, (name, fault, failed.value)
            assert failed.value.message.startswith("Threads, ")
            assert token not in failed.value.message
    assert server.posts == []


async def test_media_need_a_public_address(
    account: ThreadsRig, server: ThreadsServer, tmp_path: Path
) -> None:
    picture = replace(medium(tmp_path, server), url=None)
    with pytest.raises(Rejected, match="give Almanac an https URL"):
        await account.platform.prepare(account.publication(Content("a", media=(picture,))))
    assert server.containers == {}


async def test_an_address_that_cannot_be_read_does_not_undo_a_post(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    publication = account.publication(Content("a"))
    await account.ready(publication)
    expected = f"/v1.0/1789{int(str(publication.handles['container'])[4:]) + 1:013d}"
    server.fail(Fault(expected, 500))
    published = await account.platform.commit(publication)
    assert published == Published(server.posts[0]["id"], None)


async def test_what_cannot_be_posted(
    account: ThreadsRig, server: ThreadsServer, tmp_path: Path
) -> None:
    """G030: every problem at once."""

    def codes(content: Content) -> list[tuple[str, str]]:
        found = account.platform.validate(content, LIMITS)
        return [(problem.field, problem.code) for problem in found]

    picture, film = medium(tmp_path, server), medium(tmp_path, server, "video/mp4")
    assert codes(Content("a", media=(picture, film))) == []
    assert codes(Content("🐑" * 125)) == []
    assert codes(Content("🐑" * 125 + "a")) == [("text", "too_long")]
    assert codes(Content("a" * 500, link="https://a.example/")) == []
    assert codes(Content("a" * 500, link="https://a.example/", media=(picture,))) == [
        ("text", "too_long")
    ]
    assert codes(Content("a", media=(picture,) * 15 + (film,) * 6)) == [("media", "too_many_media")]
    wrong = {"reply_control": "nobody", "topic_tag": "#wool"}
    assert codes(Content("a", options=wrong)) == [
        ("options.reply_control", "option"),
        ("options.topic_tag", "option"),
    ]
    assert codes(Content("a", kind="comment")) == codes(Content("a", kind="thread")) == []
    assert codes(Content("")) == [("text", "empty")]
