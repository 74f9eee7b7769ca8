"""Threads when something goes wrong: crashes, lost answers, containers that vanish."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import (
    Absent,
    Content,
    Published,
    Reference,
    Refused,
    Unknown,
    Wait,
)
from service.platforms.failures import (
    Ambiguous,
    Rejected,
    TokenExpired,
    Transient,
)
from service.platforms.meta.graph import ContainerGone
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs import threads as rig
from tests.platforms.rigs.threads import ThreadsRig, medium
from tests.servers.faults import Fault
from tests.servers.threads import ThreadsServer

pytestmark = pytest.mark.asyncio


@pytest.fixture
def server(emulators: Emulators) -> Iterator[ThreadsServer]:
    yield from emulators.lend(ThreadsServer)


@pytest.fixture
def account(server: ThreadsServer, outbound: Outbound) -> ThreadsRig:
    return ThreadsRig(server, outbound)


@pytest.mark.parametrize(("name", "saves"), [("text", 4), ("images", 11)])
async def test_after_a_crash_at_any_save_another_process_goes_on(
    account: ThreadsRig, server: ThreadsServer, tmp_path: Path, name: str, saves: int
) -> None:
    """G010: no container is made twice, and one post is out at the end."""
    content = account.contents(tmp_path)[name]
    for saved in range(1, saves):
        server.published.clear()
        server.containers.clear()
        row = Row()
        publication = account.publication(content, row)
        keep = publication.save

        async def crash(
            handles: dict[str, object], keep: Any = keep, row: Row = row, saved: int = saved
        ) -> None:
            await keep(handles)
            if len(row.handles) == saved:
                raise KeyboardInterrupt

        publication.save = crash
        with pytest.raises(KeyboardInterrupt):
            await account.publish(publication)
        again = Row().publication(publication.destination, content, handles=row.handles[-1])
        if "publishing" in again.handles:
            found = await account.platform.reconcile(again)
            assert isinstance(found, Published if "post_id" in again.handles else Absent)
        published = await account.publish(again)
        assert [post["id"] for post in server.posts] == [published.remote_id]
        items = len(content.media)
        assert len(server.containers) == (items + 1 if items > 1 else 1)


@pytest.mark.parametrize("replying", [False, True])
async def test_a_lost_answer_is_found_by_the_container(
    account: ThreadsRig, server: ThreadsServer, replying: bool
) -> None:
    publication = account.publication(Content("lost  and\nfound"))
    if replying:
        first = await account.publish(account.publication(Content("lost and found")))
        publication.reply_to = Reference(first.remote_id)
    await account.ready(publication)
    publication.committed_since = datetime.now(UTC)
    server.fail(Fault(rig.PUBLISH, lost=True))
    with pytest.raises(Ambiguous, match="the post may be there"):
        await account.platform.commit(publication)
    found = await account.platform.reconcile(publication)
    post = server.posts[-1]
    assert found == Published(post["id"], post["permalink"])
    assert len(server.posts) == (2 if replying else 1)


async def test_of_posts_with_the_same_text_the_nearest_in_time_is_taken(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    for _ in range(2):
        await account.publish(account.publication(Content("again")))
        server.advance(timedelta(seconds=20))
    publication = account.publication(Content("again"))
    await account.ready(publication)
    publication.committed_since = server.now()
    server.fail(Fault(rig.PUBLISH, lost=True))
    with pytest.raises(Ambiguous):
        await account.platform.commit(publication)
    server.advance(timedelta(seconds=20))
    await account.publish(account.publication(Content("again")))
    found = await account.platform.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == server.posts[2]["id"]


async def test_items_that_vanish_are_made_anew(
    account: ThreadsRig, server: ThreadsServer, tmp_path: Path
) -> None:
    publication = account.publication(account.contents(tmp_path)["images"])
    await account.platform.prepare(publication)
    server.ripen()
    server.fail(Fault(rig.PREPARE, 400, rig.answer(24, 4279009), method="POST"))
    with pytest.raises(ContainerGone):
        await account.platform.prepare(publication)
    assert publication.handles == {}
    await account.publish(publication)
    assert (len(server.posts), len(server.containers)) == (1, 7)


async def test_what_is_out_but_not_listed_yet_is_waited_for(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    server.lists = False
    publication = account.publication(Content("a"))
    await account.ready(publication)
    server.fail(Fault(rig.PUBLISH, lost=True))
    with pytest.raises(Ambiguous):
        await account.platform.commit(publication)
    assert isinstance(await account.platform.reconcile(publication), Wait)
    publication.handles["out_at"] = "2026-01-01T00:00:00+00:00"
    found = await account.platform.reconcile(publication)
    container = str(publication.handles["container"])
    assert found == Published(container, None, {"unlisted": True})
    reference = Reference(container, found.details)
    assert await account.platform.metrics(publication.destination, reference) == {}
    assert len(server.posts) == 1


async def test_a_publication_that_turns_out_to_be_out_is_not_sent_again(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    """The row lost its stamp, but the container knows."""
    publication = account.publication(Content("a"))
    await account.ready(publication)
    server.fail(Fault(rig.PUBLISH, lost=True))
    with pytest.raises(Ambiguous):
        await account.platform.commit(publication)
    del publication.handles["ready_at"]
    assert await account.platform.check(publication) is None
    published = await account.platform.commit(publication)
    assert isinstance(published, Published)
    assert [post["id"] for post in server.posts] == [published.remote_id]


async def test_a_commit_that_never_arrived_is_repeated(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    publication = account.publication(Content("a"))
    await account.ready(publication)
    server.fail(Fault(rig.PUBLISH, 500))
    with pytest.raises(Ambiguous):
        await account.platform.commit(publication)
    assert await account.platform.reconcile(publication) == Absent()
    await account.publish(publication)
    assert len(server.posts) == len(server.containers) == 1


async def test_a_container_that_is_not_found_is_made_anew(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    """Seen in the wild: code 24, subcode 4279009 for a container that was finished."""
    server.lose = 1
    row = Row()
    publication = account.publication(Content("a"), row)
    await account.ready(publication)
    with pytest.raises(ContainerGone, match="it will be prepared anew"):
        await account.platform.commit(publication)
    assert row.handles[-1] == {}
    await account.publish(publication)
    assert len(server.posts) == 1


async def test_a_container_that_is_not_found_after_an_unclear_commit_stays_unclear(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    publication = account.publication(Content("a"))
    await account.ready(publication)
    server.fail(Fault(rig.PUBLISH, 500))
    with pytest.raises(Ambiguous):
        await account.platform.commit(publication)
    server.containers.clear()
    with pytest.raises(Ambiguous):
        await account.platform.commit(publication)
    assert isinstance(await account.platform.reconcile(publication), Unknown)
    assert server.posts == []


async def test_a_container_that_expired_is_made_anew(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    row = Row()
    publication = account.publication(Content("a"), row)
    await account.platform.prepare(publication)
    server.advance(timedelta(days=1, seconds=1))
    with pytest.raises(ContainerGone, match="it has expired"):
        await account.platform.check(publication)
    assert row.handles[-1] == {}
    await account.publish(publication)
    assert len(server.posts) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no video", "FAILED_PROCESSING_VIDEO"), (None, "FAILED_DOWNLOADING_VIDEO")],
)
async def test_videos_that_threads_cannot_use(
    account: ThreadsRig, server: ThreadsServer, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    film = medium(tmp_path, server, "video/mp4")
    server.web.clear()
    if content is not None:
        server.web[str(film.url)] = content
    publication = account.publication(Content("a", media=(film,)))
    await account.platform.prepare(publication)
    server.ripen()
    with pytest.raises(Transient, match=reason):
        await account.platform.check(publication)
    assert publication.handles == {}
    assert server.posts == []


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("INVALID_DURATION", Refused),
        ("FAILED_PROCESSING_VIDEO", Absent),
        ("UNKNOWN", Absent),
    ],
)
async def test_a_container_that_broke_while_it_was_published(
    account: ThreadsRig, server: ThreadsServer, message: str, found: type[object]
) -> None:
    """It will never be a post, so that another one may be prepared."""
    publication = account.publication(Content("a"))
    await account.ready(publication)
    server.fail(Fault(rig.PUBLISH, 500))
    with pytest.raises(Ambiguous):
        await account.platform.commit(publication)
    [container] = server.containers.values()
    container.status, container.error_message = "ERROR", message
    assert isinstance(await account.platform.reconcile(publication), found)
    assert publication.handles == {}


async def test_an_invalid_video_is_refused(
    account: ThreadsRig, server: ThreadsServer, tmp_path: Path
) -> None:
    content = account.contents(tmp_path)["video"]
    publication = account.publication(content)
    await account.platform.prepare(publication)
    [container] = server.containers.values()
    container.status, container.error_message = "ERROR", "INVALID_FRAME_RATE"
    with pytest.raises(Rejected, match="INVALID_FRAME_RATE; convert the video"):
        await account.platform.check(publication)


async def test_a_token_that_ends_between_the_steps_costs_nothing(
    account: ThreadsRig, server: ThreadsServer, tmp_path: Path
) -> None:
    publication = account.publication(account.contents(tmp_path)["images"])
    await account.platform.prepare(publication)
    account.expire_tokens()
    with pytest.raises(TokenExpired):
        await account.platform.prepare(publication)
    publication.destination.session = await account.platform.refresh(publication.destination)
    await account.ready(publication)
    fresh = publication.destination.session["access_token"]
    account.expire_tokens()
    with pytest.raises(TokenExpired):
        await account.platform.commit(publication)
    assert "publishing" not in publication.handles
    server.tokens[str(fresh)].refused = False
    await account.publish(publication)
    assert (len(server.posts), len(server.containers)) == (1, 4)
