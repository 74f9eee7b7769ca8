"""Comments below a video, on an emulator."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import (
    Absent,
    Content,
    Destination,
    Publication,
    Published,
    Reference,
    Wait,
)
from service.platforms.failures import (
    Ambiguous,
    Rejected,
    Transient,
)
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs.youtube import YouTubeRig, bring, film
from tests.servers.faults import Fault
from tests.servers.youtube import YouTubeServer

pytestmark = pytest.mark.asyncio


@pytest.fixture
def rig(emulators: Emulators, outbound: Outbound) -> Iterator[YouTubeRig]:
    for server in emulators.lend(YouTubeServer):
        yield YouTubeRig(server, outbound)


def comment(row: Row, destination: Destination, video_id: str, text: str = "First!") -> Publication:
    made = row.publication(destination, Content(text, kind="comment"))
    return replace(made, reply_to=Reference(video_id), root=Reference(video_id))


async def test_a_comment_below_the_video(rig: YouTubeRig, tmp_path: Path) -> None:
    row, destination = Row(), rig.destination()
    post = await bring(rig, row.publication(destination, film(tmp_path)))
    publication = comment(row, destination, post.remote_id)
    published = await bring(rig, publication)
    assert await rig.youtube.commit(publication) == published
    [found] = rig.server.comments
    assert (found["text"], found["video"]) == ("First!", post.remote_id)
    assert published.url == f"https://www.youtube.com/watch?v={post.remote_id}&lc={found['id']}"
    reference = Reference(published.remote_id, published.details)
    assert await rig.youtube.metrics(destination, reference) == {}
    await rig.youtube.delete(destination, reference)
    await rig.youtube.delete(destination, reference)
    assert (rig.server.comments, len(rig.server.videos)) == ([], 1)


async def test_a_lost_answer_of_a_comment_is_looked_up(rig: YouTubeRig, tmp_path: Path) -> None:
    """G010: YouTube knows no key for comments; the comments are read before another is written."""
    row, destination = Row(), rig.destination()
    post = await bring(rig, row.publication(destination, film(tmp_path)))
    rig.server.add_comment(post.remote_id, "First!", author="somebody else")
    publication = comment(row, destination, post.remote_id)
    rig.server.fail(Fault("/youtube/v3/commentThreads", lost=True, method="POST"))
    with pytest.raises(Ambiguous):
        await rig.youtube.commit(publication)
    after_crash = replace(comment(row, destination, post.remote_id), handles=row.handles[-1])
    assert await rig.youtube.check(after_crash) is None
    published = await rig.youtube.commit(after_crash)
    assert [found["author"] for found in rig.server.comments] == [
        "somebody else",
        destination.session["channel_id"],
    ]
    assert published.remote_id == rig.server.comments[1]["id"]


async def test_a_comment_that_never_arrived_is_written_when_that_is_certain(
    rig: YouTubeRig, tmp_path: Path
) -> None:
    row, destination = Row(), rig.destination()
    post = await bring(rig, row.publication(destination, film(tmp_path)))
    publication = comment(row, destination, post.remote_id)
    rig.server.fail(Fault("/youtube/v3/commentThreads", 503, method="POST"))
    with pytest.raises(Ambiguous):
        await rig.youtube.commit(publication)
    waiting = await rig.youtube.check(publication)
    assert isinstance(waiting, Wait)
    assert 50 < waiting.seconds <= 60
    with pytest.raises(Transient, match="Waiting to see"):
        await rig.youtube.commit(publication)
    assert rig.server.comments == []
    begun = datetime.now(UTC) - timedelta(seconds=61)
    publication.handles["commenting"] = begun.isoformat()
    assert await rig.youtube.check(publication) is None
    await rig.youtube.commit(publication)
    assert len(rig.server.comments) == 1


async def test_only_an_own_and_new_comment_is_the_lost_one(rig: YouTubeRig, tmp_path: Path) -> None:
    row, destination = Row(), rig.destination()
    post = await bring(rig, row.publication(destination, film(tmp_path)))
    publication = comment(row, destination, post.remote_id)
    publication.handles["commenting"] = datetime.now(UTC).isoformat()
    assert await rig.youtube.reconcile(publication) == Absent()
    rig.server.add_comment(post.remote_id, "First!", author="somebody else")
    rig.server.add_comment(post.remote_id, "First!")["at"] = "2020-01-01T00:00:00Z"
    assert await rig.youtube.reconcile(publication) == Absent()
    own = rig.server.add_comment(post.remote_id, "First!")
    rig.server.add_comment(post.remote_id, "Second!")
    found = await rig.youtube.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == own["id"]


async def test_a_refused_comment_may_be_written_again(rig: YouTubeRig, tmp_path: Path) -> None:
    row, destination = Row(), rig.destination()
    kids = film(tmp_path, made_for_kids=True)
    post = await bring(rig, row.publication(destination, kids))
    publication = comment(row, destination, post.remote_id)
    with pytest.raises(Rejected, match=r"commentsDisabled.*always are for one made for kids"):
        await rig.youtube.commit(publication)
    assert (publication.handles, row.handles[-1], rig.server.comments) == ({}, {}, [])
