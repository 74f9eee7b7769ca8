"""Videos and reels on a Facebook Page: uploaded in pieces, unseen, and published by one call."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kit.outbound import Outbound
from service.platforms.contract import Absent, Content, Publication, Published, Refused, Wait
from service.platforms.failures import Ambiguous, Rejected, TokenExpired, Transient
from service.platforms.meta.graph import ContainerGone
from service.platforms.uploads import ChunkForm
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row, image
from tests.platforms.rigs.facebook import FacebookRig
from tests.platforms.rigs.meta import graph, publish, ready, resumed, stamped
from tests.servers.facebook import FacebookServer
from tests.servers.faults import Fault
from tests.servers.meta_media import mp4

pytestmark = pytest.mark.asyncio

KINDS = ("video", "reel")


@pytest.fixture
def server(emulators: Emulators) -> Iterator[FacebookServer]:
    """An empty Page; no test may send what is not documented."""
    yield from emulators.lend(FacebookServer)


@pytest.fixture
def rig(server: FacebookServer, outbound: Outbound) -> FacebookRig:
    return FacebookRig(server, outbound)


def film(rig: FacebookRig, folder: Path, kind: str, size: int = 4_096) -> Content:
    media = (rig.video(folder, mp4(size)),)
    return Content("Film", media=media, options={"kind": "reel"} if kind == "reel" else {})


def digest(content: Content) -> str:
    return hashlib.sha256(content.media[0].path.read_bytes()).hexdigest()


async def finished(rig: FacebookRig, publication: Publication) -> Published:
    """Let Facebook finish processing what was committed, and take the post."""
    rig.ripen()
    assert await rig.platform.check(publication) is None
    published = await rig.platform.commit(publication)
    assert isinstance(published, Published)
    return published


@given(
    fields=st.dictionaries(st.text("abc_", min_size=1), st.text(max_size=20), max_size=4),
    pieces=st.lists(st.binary(max_size=40), max_size=5),
)
async def test_a_form_is_as_long_as_it_says(fields: dict[str, str], pieces: list[bytes]) -> None:
    """Whatever stands in it: the length is sent before the file is read."""

    async def content() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    form = ChunkForm(fields, "video_file_chunk", sum(map(len, pieces)))
    sent = b"".join([part async for part in form.around(content())])
    assert len(sent) == form.size
    assert b"".join(pieces) in sent
    assert sent.count(form.content_type.partition("=")[2].encode()) == len(fields) + 2


@pytest.mark.parametrize("size", [21, 999, 1_000, 1_001, 2_000, 70_001])
@pytest.mark.parametrize("kind", KINDS)
async def test_every_byte_arrives(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path, kind: str, size: int
) -> None:
    content = film(rig, tmp_path, kind, size)
    await publish(rig, content)
    [post] = server.posts
    assert (post["kind"], post["digest"]) == (kind, digest(content))
    assert server.largest_body <= server.chunk


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_sees_it_before_it_is_processed(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path, kind: str
) -> None:
    """The commit is taken for certain, but waits; `check` looks, the next commit sends nothing."""
    row = Row()
    publication = await ready(rig, row.publication(rig.destination(), film(rig, tmp_path, kind)))
    assert isinstance(await rig.platform.commit(publication), Wait)
    assert row.handles[-1]["finished"] is True
    for _ in range(2):
        assert isinstance(await rig.platform.check(publication), Wait)
    assert isinstance(await rig.platform.commit(publication), Wait)
    assert server.posts == []
    writes = [call for call in server.calls if call[0] == "POST"]
    published = await finished(rig, resumed(rig, row, publication))
    assert [call for call in server.calls if call[0] == "POST"] == writes
    assert [post["id"] for post in server.posts] == [published.remote_id]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_crash_after_any_save_goes_on_where_it_was(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path, kind: str
) -> None:
    """G010: one video, whole, however often another worker has to take over."""
    content, row = film(rig, tmp_path, kind), Row()
    publication = row.publication(rig.destination(), content)

    class Crashed(Exception):
        pass

    async def save_and_crash(handles: dict[str, object]) -> None:
        await row.save(handles)
        raise Crashed

    for _ in range(10):
        publication = resumed(rig, row, publication)
        publication.save = save_and_crash
        try:
            await rig.platform.prepare(publication)
            break
        except Crashed:
            continue
    assert len(row.handles) == (7 if kind == "video" else 2)
    [video] = server.footage.values()
    assert video.digest.hexdigest() == digest(content)
    last = stamped(resumed(rig, row, publication))
    assert isinstance(await rig.platform.commit(last), Wait)
    await finished(rig, last)
    assert len(server.posts) == 1


async def test_a_chunk_whose_answer_was_lost_is_not_sent_twice(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    """Facebook names the chunk that it wants (subcode 1363037); the upload goes on there."""
    row, content = Row(), film(rig, tmp_path, "video")
    publication = row.publication(rig.destination(), content)
    await _fail_at_chunk(rig, server, publication, Fault("/videos", lost=True))
    assert row.handles[-1]["start"] == "0"
    [video] = server.footage.values()
    assert video.received == server.chunk
    await publish_rest(rig, publication)
    assert server.posts[0]["digest"] == digest(content)


async def _fail_at_chunk(
    rig: FacebookRig, server: FacebookServer, publication: Publication, fault: Fault
) -> None:
    """Begin the upload, and let the first chunk fail."""
    keep = publication.save

    async def save_and_arm(handles: dict[str, object]) -> None:
        await keep(handles)
        server.fail(fault)
        publication.save = keep

    publication.save = save_and_arm
    with pytest.raises(Transient):
        await rig.platform.prepare(publication)


async def publish_rest(rig: FacebookRig, publication: Publication) -> Published:
    await ready(rig, publication)
    assert isinstance(await rig.platform.commit(publication), Wait)
    return await finished(rig, publication)


@pytest.mark.parametrize("status", [500, 503])
async def test_a_chunk_that_fails_is_sent_again(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path, status: int
) -> None:
    publication = Row().publication(rig.destination(), film(rig, tmp_path, "video"))
    await _fail_at_chunk(rig, server, publication, Fault("/videos", status))
    await publish_rest(rig, publication)
    assert server.posts[0]["digest"] == digest(publication.content)


async def test_a_session_that_is_gone_begins_anew(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    row = Row()
    publication = row.publication(rig.destination(), film(rig, tmp_path, "video"))
    await _fail_at_chunk(rig, server, publication, Fault("/videos", 503))
    server.footage.clear()
    with pytest.raises(ContainerGone, match="uploaded again"):
        await rig.platform.prepare(publication)
    assert row.handles[-1] == {}
    await publish_rest(rig, publication)
    assert len(server.posts) == 1


async def test_a_session_that_ends_before_the_commit_begins_anew(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    """Unless an earlier commit may have used it: then only looking helps."""
    publication = await ready(
        rig, Row().publication(rig.destination(), film(rig, tmp_path, "video"))
    )
    publication.handles["looked"] = True
    for expected in (Ambiguous, ContainerGone):
        server.fail(graph("/videos", 6000, 1363041))
        with pytest.raises(expected):
            await rig.platform.commit(publication)
        publication.handles.pop("looked", None)
    assert publication.handles == {}
    await publish_rest(rig, publication)
    assert len(server.posts) == 1


async def test_a_reel_that_breaks_off_goes_on_where_it_was(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    """A truncated upload: what arrived is not sent again."""
    row, content = Row(), film(rig, tmp_path, "reel", 300_000)
    publication = row.publication(rig.destination(), content)
    server.break_after = 100_000
    with pytest.raises(Transient):
        await rig.platform.prepare(publication)
    again = resumed(rig, row, publication)
    await publish_rest(rig, again)
    assert {handles["start"] for handles in row.handles} == {"0", "100000"}
    assert server.posts[0]["digest"] == digest(content)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"retriable": True, "type": "ServerError", "message": "Try again"}, Transient),
        ({"retriable": False, "type": "OffsetInvalidError", "message": "Bad offset"}, Transient),
        ({"retriable": False, "type": "ProcessingFailedError", "message": "No"}, Rejected),
    ],
)
async def test_errors_of_the_upload_host(
    rig: FacebookRig,
    server: FacebookServer,
    tmp_path: Path,
    body: dict[str, object],
    expected: type[Exception],
) -> None:
    server.fail(Fault("/video-upload/", 400, {"debug_info": body}))
    publication = Row().publication(rig.destination(), film(rig, tmp_path, "reel"))
    with pytest.raises(expected, match=f"uploading the reel: status 400: {body['type']}"):
        await rig.platform.prepare(publication)
    assert server.posts == []
    await publish_rest(rig, publication)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_lost_answer_of_the_commit_is_found_out(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path, kind: str
) -> None:
    """The video itself tells: processed first, seen then."""
    row = Row()
    publication = await ready(rig, row.publication(rig.destination(), film(rig, tmp_path, kind)))
    path = "/videos" if kind == "video" else "/video_reels"
    server.fail(Fault(path, lost=True, method="POST"))
    with pytest.raises(Ambiguous, match="the post may be there"):
        await rig.platform.commit(publication)
    again = resumed(rig, row, publication)
    assert isinstance(await rig.platform.reconcile(again), Wait)
    rig.ripen()
    found = await rig.platform.reconcile(again)
    assert isinstance(found, Published)
    assert [post["id"] for post in server.posts] == [found.remote_id]


async def test_a_commit_that_never_arrived_may_be_repeated(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    """G010: it is the same video."""
    publication = await ready(
        rig, Row().publication(rig.destination(), film(rig, tmp_path, "reel"))
    )
    server.fail(Fault("/video_reels", 502))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    assert await rig.platform.reconcile(publication) == Absent()
    assert isinstance(await rig.platform.commit(publication), Wait)
    await finished(rig, publication)
    assert len(server.posts) == 1
    never = Row().publication(rig.destination(), publication.content)
    assert await rig.platform.reconcile(stamped(never)) == Absent()


async def test_a_success_that_is_none(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    publication = await ready(
        rig, Row().publication(rig.destination(), film(rig, tmp_path, "video"))
    )
    server.fail(Fault("/videos", 200, {"success": False}))
    with pytest.raises(Ambiguous, match="does not say that it worked"):
        await rig.platform.commit(publication)


async def test_what_processing_refuses(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    """The commit was taken, but the video will never be there: why is told."""
    content = Content("a", media=(rig.video(tmp_path, b"no video at all"),))
    publication = await ready(rig, Row().publication(rig.destination(), content))
    assert isinstance(await rig.platform.commit(publication), Wait)
    rig.ripen()
    refused = Refused("The video file is not supported.")
    assert await rig.platform.reconcile(publication) == refused
    assert await rig.platform.check(publication) is None
    with pytest.raises(Rejected, match="processing the video: The video file is not supported"):
        await rig.platform.commit(publication)
    assert server.posts == []


async def test_a_token_that_expires_between_two_chunks(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    destination, row = rig.destination(), Row()
    publication = row.publication(destination, film(rig, tmp_path, "video"))

    async def save_and_expire(handles: dict[str, object]) -> None:
        await row.save(handles)
        if handles["start"] == "2000":
            rig.expire_tokens()

    publication.save = save_and_expire
    with pytest.raises(TokenExpired):
        await rig.platform.prepare(publication)
    publication.save = row.save
    destination.session = await rig.platform.refresh(destination)
    await publish_rest(rig, publication)
    assert server.posts[0]["digest"] == digest(publication.content)
    assert len(server.footage) == 1


async def test_a_file_that_is_gone(rig: FacebookRig, tmp_path: Path) -> None:
    file = image(tmp_path, mp4(), content_type="video/mp4")
    await asyncio.to_thread(file.path.unlink)
    publication = Row().publication(rig.destination(), Content("a", media=(file,)))
    with pytest.raises(Rejected, match="cannot be read"):
        await rig.platform.prepare(publication)
