"""Publishing to YouTube, on an emulator that is strict about the protocol."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import (
    Absent,
    Handles,
    Published,
    Reference,
    Wait,
)
from service.platforms.failures import (
    Ambiguous,
    Rejected,
    TokenExpired,
    Transient,
)
from service.platforms.resumable import SessionGone
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs.youtube import SESSION, UPDATE, UPLOAD, YouTubeRig, bring, film
from tests.servers.faults import Fault
from tests.servers.youtube import YouTubeServer
from tests.servers.youtube_google import error

pytestmark = pytest.mark.asyncio

TWO_CHUNKS = 9 * 2**20


@pytest.fixture
def rig(emulators: Emulators, outbound: Outbound) -> Iterator[YouTubeRig]:
    for server in emulators.lend(YouTubeServer):
        yield YouTubeRig(server, outbound)


async def test_a_video_is_published_once_under_repeats(rig: YouTubeRig, tmp_path: Path) -> None:
    """G010, V003, V012: nothing is visible before the commit, and repeats change nothing."""
    row, content = (
        Row(),
        film(tmp_path, tags=["wool", "hand spun"], category="howto", synthetic=True),
    )
    publication = row.publication(rig.destination(), content)
    await rig.youtube.prepare(publication)
    assert rig.server.posts == []
    waiting = await rig.youtube.check(publication)
    assert waiting == Wait(20.0, "YouTube is still processing the video")
    assert await rig.youtube.check(publication) is None
    published = await rig.youtube.commit(publication)
    assert [await rig.youtube.commit(publication) for _ in range(3)] == [published] * 3
    [post] = rig.server.posts
    assert published == Published(post["id"], f"https://www.youtube.com/watch?v={post['id']}")
    assert post["snippet"]["title"] == "A video"
    assert post["snippet"]["description"] == "About wool"
    assert post["snippet"]["tags"] == ["wool", "hand spun"]
    assert post["snippet"]["categoryId"] == "26"
    assert post["notify"] == "true"
    assert post["status"] == {
        "privacyStatus": "public",
        "selfDeclaredMadeForKids": False,
        "containsSyntheticMedia": True,
        "embeddable": True,
        "license": "youtube",
        "publicStatsViewable": True,
        "uploadStatus": "processed",
    }
    assert post["sha256"] == hashlib.sha256(content.media[0].path.read_bytes()).hexdigest()
    assert row.handles[-1] == {"video": post["id"], "processed": True}
    assert await rig.youtube.reconcile(publication) == published


async def test_a_private_video_needs_no_commit(rig: YouTubeRig, tmp_path: Path) -> None:
    content = film(tmp_path, privacy="private", notify_subscribers=False)
    publication = Row().publication(rig.destination(), content)
    published = await bring(rig, publication)
    [found] = rig.server.videos.values()
    assert (published.remote_id, found["status"]["privacyStatus"]) == (found["id"], "private")
    assert found["notify"] == "false"
    assert ("PUT", UPDATE) not in rig.server.calls
    assert await rig.youtube.reconcile(publication) == published


async def test_an_image_is_the_thumbnail(rig: YouTubeRig, tmp_path: Path) -> None:
    content = rig.contents(tmp_path)["thumbnail"]
    publication = Row().publication(rig.destination(), content)
    published = await bring(rig, publication)
    await rig.youtube.prepare(publication)
    assert rig.server.thumbnails == {published.remote_id: ("image/png", 12)}
    assert [path for _, path in rig.server.calls].count("/upload/youtube/v3/thumbnails/set") == 1


async def test_a_lost_answer_to_the_thumbnail(rig: YouTubeRig, tmp_path: Path) -> None:
    """The image is set once more: the video is not uploaded again for it."""
    row = Row()
    publication = row.publication(rig.destination(), rig.contents(tmp_path)["thumbnail"])
    rig.server.fail(Fault("/upload/youtube/v3/thumbnails/set", lost=True))
    with pytest.raises(Transient, match="YouTube, uploading the thumbnail"):
        await rig.youtube.prepare(publication)
    await bring(rig, publication)
    assert (len(rig.server.sessions), len(rig.server.posts), len(rig.server.thumbnails)) == (
        1,
        1,
        1,
    )


async def test_a_crash_at_every_save_uploads_nothing_twice(rig: YouTubeRig, tmp_path: Path) -> None:
    """G010: whichever save is the last before a crash, the next run goes on from it."""
    content = film(tmp_path, TWO_CHUNKS)
    handles: Handles = {}
    crashes = 0
    while True:
        row = Row()
        publication = row.publication(rig.destination(), content, handles=handles)

        async def crash(found: Handles, row: Row = row) -> None:
            await row.save(found)
            raise KeyboardInterrupt

        publication.save = crash
        try:
            await rig.youtube.prepare(publication)
            break
        except KeyboardInterrupt:
            handles, crashes = row.handles[-1], crashes + 1
    assert crashes == 4, "the session, two chunks, the video"
    [session] = rig.server.sessions.values()
    assert session.chunks == [(0, 8 * 2**20), (8 * 2**20, 2**20)]
    assert len(rig.server.videos) == 1


async def test_the_session_is_stored_before_any_byte(rig: YouTubeRig, tmp_path: Path) -> None:
    row = Row()
    publication = row.publication(rig.destination(), film(tmp_path))
    sent: list[int] = []

    async def save(found: Handles) -> None:
        await row.save(found)
        sent.append(sum(session.received for session in rig.server.sessions.values()))

    publication.save = save
    await rig.youtube.prepare(publication)
    assert sent == [0, 600_000, 600_000]
    assert [set(found) for found in row.handles] == [
        {"session"},
        {"session", "received"},
        {"video"},
    ]


async def test_a_lost_answer_of_the_last_chunk_is_had_again(
    rig: YouTubeRig, tmp_path: Path
) -> None:
    rig.server.fail(Fault(SESSION, lost=True))
    publication = Row().publication(rig.destination(), film(tmp_path))
    await bring(rig, publication)
    assert (len(rig.server.videos), len(rig.server.posts), len(rig.server.sessions)) == (1, 1, 1)


async def test_a_lost_answer_to_the_beginning_leaves_nothing_visible(
    rig: YouTubeRig, tmp_path: Path
) -> None:
    """The session that nobody knows of expires; no byte was sent to it."""
    rig.server.fail(Fault(UPLOAD, lost=True))
    publication = Row().publication(rig.destination(), film(tmp_path))
    with pytest.raises(Transient):
        await rig.youtube.prepare(publication)
    await bring(rig, publication)
    assert (len(rig.server.sessions), len(rig.server.videos)) == (2, 1)


async def test_a_truncated_chunk_goes_on_where_the_server_is(
    rig: YouTubeRig, tmp_path: Path
) -> None:
    rig.server.cut_after = 1_000_000
    content = film(tmp_path, TWO_CHUNKS)
    publication = Row().publication(rig.destination(), content)
    await rig.youtube.prepare(publication)
    [session] = rig.server.sessions.values()
    kept = session.chunks[0][0]
    assert kept % 262_144 == 0
    assert 786_432 <= kept < 8 * 2**20
    assert sum(length for _, length in session.chunks) == TWO_CHUNKS - kept
    [found] = rig.server.videos.values()
    assert found["sha256"] == hashlib.sha256(content.media[0].path.read_bytes()).hexdigest()


async def test_a_token_that_expires_during_the_upload(rig: YouTubeRig, tmp_path: Path) -> None:
    """G010: after the renewal the upload goes on; what had arrived is not sent again."""
    row, destination = Row(), rig.destination()
    publication = row.publication(destination, film(tmp_path, TWO_CHUNKS))

    async def save(found: Handles) -> None:
        await row.save(found)
        if found.get("received") == 8 * 2**20:
            rig.server.expire_access()

    publication.save = save
    with pytest.raises(TokenExpired):
        await rig.youtube.prepare(publication)
    destination.session = await rig.youtube.refresh(destination)
    publication.save = row.save
    await rig.youtube.prepare(publication)
    [session] = rig.server.sessions.values()
    assert session.chunks == [(0, 8 * 2**20), (8 * 2**20, 2**20)]
    assert rig.server.tokens.refreshes == 1


async def test_an_expired_session_begins_anew(rig: YouTubeRig, tmp_path: Path) -> None:
    row, content = Row(), film(tmp_path, TWO_CHUNKS)
    publication = row.publication(rig.destination(), content)
    rig.server.fail(Fault(SESSION, 503, error(503, "backendError"), times=2))
    with pytest.raises(Transient, match="YouTube, uploading the video: status 503: backendError"):
        await rig.youtube.prepare(publication)
    assert set(row.handles[-1]) == {"session"}
    rig.server.expire_sessions()
    with pytest.raises(SessionGone, match="will begin anew"):
        await rig.youtube.prepare(publication)
    assert row.handles[-1] == {}
    await bring(rig, publication)
    assert len(rig.server.videos) == 1


async def test_an_expired_session_whose_video_is_known_is_not_asked_again(
    rig: YouTubeRig, tmp_path: Path
) -> None:
    row, content = Row(), film(tmp_path)
    await rig.youtube.prepare(row.publication(rig.destination(), content))
    rig.server.expire_sessions()
    again = row.publication(rig.destination(), content, handles=row.handles[-1])
    await bring(rig, again)
    assert len(rig.server.posts) == 1


async def test_a_lost_answer_of_the_commit(rig: YouTubeRig, tmp_path: Path) -> None:
    """G010: the outcome is unknown, can be read, and the repeat is harmless."""
    publication = Row().publication(rig.destination(), film(tmp_path))
    await rig.youtube.prepare(publication)
    assert await rig.youtube.reconcile(publication) == Absent()
    rig.server.fail(Fault(UPDATE, lost=True, method="PUT"))
    with pytest.raises(Ambiguous, match="the post may be there"):
        await rig.youtube.commit(publication)
    found = await rig.youtube.reconcile(publication)
    assert isinstance(found, Published)
    assert await rig.youtube.commit(publication) == found
    assert [post["id"] for post in rig.server.posts] == [found.remote_id]


async def test_removing_and_measuring(rig: YouTubeRig, tmp_path: Path) -> None:
    destination = rig.destination()
    publication = Row().publication(destination, film(tmp_path))
    post = Reference((await bring(rig, publication)).remote_id)
    rig.server.videos[post.remote_id]["statistics"] = {"viewCount": "7", "likeCount": "2"}
    assert await rig.youtube.metrics(destination, post) == {"views": 7, "likes": 2}
    assert await rig.youtube.audience(destination) == {"followers": 34, "posts": 1, "views": 1200}
    await rig.youtube.delete(destination, post)
    await rig.youtube.delete(destination, post)
    assert rig.server.videos == {}
    with pytest.raises(Rejected, match="it is not there any more"):
        await rig.youtube.metrics(destination, post)
