"""Uploads to X: in segments, resumed after every kind of stop, processed, expired, described."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.kit.ids import uuid7
from service.kit.outbound import Outbound
from service.platforms.contract import Content, Handles, MediaFile, Publication, Wait
from service.platforms.failures import (
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs.x import (
    BUSY,
    INVALID,
    MP4,
    POST,
    UPLOAD,
    XRig,
    forbidden,
    gif,
    picture,
    video,
)
from tests.servers.faults import Fault
from tests.servers.x import XServer

pytestmark = pytest.mark.asyncio

MIB = 2**20
WAIT = Wait(1.0, "X is still processing the media")


@pytest.fixture
def server(emulators: Emulators) -> Iterator[XServer]:
    yield from emulators.lend(XServer)


@pytest.fixture
def rig(server: XServer, outbound: Outbound) -> XRig:
    return XRig(server, outbound)


def of(rig: XRig, *media: MediaFile, handles: Handles | None = None) -> Publication:
    return Row().publication(rig.destination(), Content("a", media=media), handles=handles)


def uploads(server: XServer) -> list[str]:
    """What was called, without the host's part of each path."""
    paths = [path.removeprefix("/2/media/") for method, path in server.calls if method == "POST"]
    return [path.rpartition("/")[2] for path in paths]


async def finish(rig: XRig, publication: Publication) -> None:
    """Go on with a publication until it is out."""
    await rig.platform.prepare(publication)
    while await rig.platform.check(publication):
        rig.ripen()
    await rig.platform.commit(publication)


async def test_a_video_goes_in_segments_and_is_waited_for(
    rig: XRig, server: XServer, tmp_path: Path
) -> None:
    """The first look at the processing waits as long as X asked for when the upload ended."""
    server.media.check_after_secs = 7
    file = video(tmp_path, 9 * MIB)
    publication = of(rig, file)
    await rig.platform.prepare(publication)
    assert uploads(server) == ["initialize", "append", "append", "append", "finalize"]
    [media] = server.media.all.values()
    assert media.content == file.path.read_bytes()
    assert (media.category, media.content_type) == ("tweet_video", "video/mp4")
    for polls in (0, 1, 2):
        assert await rig.platform.check(publication) == replace(WAIT, seconds=7.0)
        assert media.polls == polls
    rig.ripen()
    assert await rig.platform.check(publication) is None
    assert await rig.platform.check(publication) is None
    assert media.polls == 3, "what is ready is not asked for again"
    await rig.platform.commit(publication)
    assert server.posts[0]["media"] == [media.id]


async def test_a_gif_is_processed_and_described(rig: XRig, server: XServer, tmp_path: Path) -> None:
    publication = of(rig, gif(tmp_path, alt="It moves"))
    await finish(rig, publication)
    [media] = server.media.all.values()
    assert (media.category, media.alt) == ("tweet_gif", "It moves")
    assert server.posts[0]["media"] == [media.id]


async def test_images_go_at_once_in_their_order(rig: XRig, server: XServer, tmp_path: Path) -> None:
    files = [picture(tmp_path, bytes([n]), alt=f"Number {n}") for n in range(4)]
    await finish(rig, of(rig, *files))
    assert uploads(server) == ["upload", "metadata"] * 4 + ["tweets"]
    assert server.posts[0]["alts"] == [f"Number {n}" for n in range(4)]
    found = [server.media.all[number].content for number in server.posts[0]["media"]]
    assert found == [file.path.read_bytes() for file in files]


async def test_a_video_is_not_described(rig: XRig, server: XServer, tmp_path: Path) -> None:
    """X takes descriptions of images only; the post goes out without."""
    await finish(rig, of(rig, replace(video(tmp_path, MIB), alt="A film")))
    assert "metadata" not in uploads(server)
    assert len(server.posts) == 1


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "lost"])
@pytest.mark.parametrize("saves", range(7))
async def test_a_crash_at_any_save_uploads_nothing_twice(
    rig: XRig, server: XServer, tmp_path: Path, saves: int, *, stored: bool
) -> None:
    """G010: the process dies at a save, just before or just after it; another one goes on.

    The saves: begun, three segments, before the finish, after it, the first look. Only the one call
    whose result was not stored is made again, and of a finish X is asked instead.
    """
    file, row = video(tmp_path, 9 * MIB), Row()
    publication = row.publication(rig.destination(), Content("a", media=(file,)))
    seen = 0

    async def crash(handles: Handles) -> None:
        nonlocal seen
        seen += 1
        if stored or seen <= saves:
            await row.save(handles)
        if seen > saves:
            raise KeyboardInterrupt

    publication.save = crash
    with pytest.raises(KeyboardInterrupt):
        await rig.platform.prepare(publication)
        await rig.platform.check(publication)
    await finish(rig, of(rig, file, handles=row.handles[-1] if row.handles else {}))
    again = 0 if stored else 1
    assert uploads(server).count("initialize") == 1 + (again if saves == 0 else 0)
    assert uploads(server).count("append") == 3 + (again if saves in (1, 2, 3) else 0)
    assert uploads(server).count("finalize") == 1
    [post] = server.posts
    assert server.media.all[post["media"][0]].content == file.path.read_bytes()


@pytest.mark.parametrize(
    "call",
    ["POST /initialize", "POST /append", "POST /finalize", "GET /upload"],
)
async def test_a_lost_answer_at_any_step(
    rig: XRig, server: XServer, tmp_path: Path, call: str
) -> None:
    """Only the call whose answer was lost is made again; of a finish X is asked instead."""
    method, path = call.split()
    publication = of(rig, video(tmp_path, 9 * MIB))
    server.fail(Fault(path, lost=True, method=method))
    with pytest.raises(Transient, match="X, "):
        while True:
            await rig.platform.prepare(publication)
            await rig.platform.check(publication)
    await finish(rig, publication)
    counts = {name: uploads(server).count(name) for name in ("initialize", "append", "finalize")}
    expected = {"initialize": 1, "append": 3, "finalize": 1}
    if path in ("/initialize", "/append"):
        expected[path.removeprefix("/")] += 1
    assert counts == expected
    assert len(server.posts) == 1
    media = server.media.all[server.posts[0]["media"][0]]
    assert media.content == publication.content.media[0].path.read_bytes()


async def test_a_finish_that_never_arrived_is_made_again(
    rig: XRig, server: XServer, tmp_path: Path
) -> None:
    """Whether X then knows of no work on the file, or of the file only."""
    for known in (False, True):
        server.reset()
        publication = of(rig, video(tmp_path, MIB))
        server.fail(Fault("/finalize", 503, BUSY))
        with pytest.raises(Transient, match="X, finishing an upload: status 503"):
            await rig.platform.prepare(publication)
        if known:
            [media_id] = server.media.all
            server.fail(Fault(UPLOAD, 200, {"data": {"id": media_id}}, method="GET"))
        await finish(rig, publication)
        assert uploads(server) == ["initialize", "append", "finalize", "finalize", "tweets"]


async def test_a_token_that_expires_in_the_middle(
    rig: XRig, server: XServer, tmp_path: Path
) -> None:
    """The segments that arrived stay; a new token goes on behind them."""
    publication = of(rig, video(tmp_path, 9 * MIB))
    save = publication.save

    async def expire(handles: Handles) -> None:
        await save(handles)
        if server.media.appends == 2:
            rig.expire_tokens()

    publication.save = expire
    with pytest.raises(TokenExpired, match="X, uploading a segment: status 401"):
        await rig.platform.prepare(publication)
    publication.destination.session = await rig.platform.refresh(publication.destination)
    publication.save = save
    await finish(rig, publication)
    assert server.media.appends == 3
    assert len(server.posts) == 1


async def test_a_segment_that_arrived_only_by_half(
    rig: XRig, server: XServer, tmp_path: Path
) -> None:
    """X counts; what does not add up is uploaded anew, and never posted."""
    publication = of(rig, video(tmp_path, 5 * MIB))
    server.media.truncate = 1
    with pytest.raises(Transient, match=r"Segments do not add up.*will be uploaded again"):
        await rig.platform.prepare(publication)
    assert publication.handles == {}
    await finish(rig, publication)
    [post] = server.posts
    content = server.media.all[post["media"][0]].content
    assert content == publication.content.media[0].path.read_bytes()


async def test_what_x_cannot_process_is_rejected(
    rig: XRig, server: XServer, tmp_path: Path
) -> None:
    publication = of(rig, video(tmp_path, MIB))
    server.media.failure = {"code": 1, "name": "InvalidMedia", "message": "Unsupported codec"}
    await rig.platform.prepare(publication)
    assert await rig.platform.check(publication) == WAIT
    with pytest.raises(Rejected, match=r"failed \(InvalidMedia: Unsupported codec\)\. Check"):
        await rig.platform.check(publication)
    assert server.posts == []


async def test_a_fault_of_x_in_processing_is_tried_again(
    rig: XRig, server: XServer, tmp_path: Path
) -> None:
    publication = of(rig, video(tmp_path, MIB))
    server.media.failure = {"code": 2, "name": "InternalError", "message": ""}
    await rig.platform.prepare(publication)
    assert await rig.platform.check(publication) == WAIT
    with pytest.raises(Transient, match=r"InternalError.*will be uploaded again"):
        await rig.platform.check(publication)
    server.media.failure = None
    await finish(rig, publication)
    assert len(server.posts) == 1


async def test_what_x_has_lost_is_uploaded_again(
    rig: XRig, server: XServer, tmp_path: Path
) -> None:
    """At each step: while it is sent, while it is processed, and when it is attached."""
    publication = of(rig, video(tmp_path, MIB))
    server.fail(Fault("/append", 503, BUSY))
    with pytest.raises(Transient):
        await rig.platform.prepare(publication)
    server.media.all.clear()
    with pytest.raises(Transient, match=r"Not found.*will be uploaded again"):
        await rig.platform.prepare(publication)
    await rig.platform.prepare(publication)
    assert await rig.platform.check(publication) == WAIT
    server.media.all.clear()
    with pytest.raises(Transient, match=r"X no longer has media .*will be uploaded again"):
        await rig.platform.check(publication)
    await rig.platform.prepare(publication)
    server.media.all.clear()
    with pytest.raises(Transient, match=r"media IDs are invalid.*will be uploaded again"):
        await rig.platform.commit(publication)
    assert (server.posts, publication.handles) == ([], {})
    await finish(rig, publication)
    assert len(server.posts) == 1


async def test_media_of_yesterday_are_uploaded_again(
    rig: XRig, server: XServer, tmp_path: Path
) -> None:
    """X keeps them for a day; a post that was held for longer does not run into that."""
    file = picture(tmp_path)
    publication = of(rig, file)
    await rig.platform.prepare(publication)
    [handle] = publication.handles.values()
    assert isinstance(handle, dict)
    handle["expires_at"] -= 86_400
    server.media.all.clear()
    with pytest.raises(Transient, match="media have expired; they will be uploaded again"):
        await rig.platform.commit(publication)
    assert "tweets" not in uploads(server)
    await finish(rig, publication)
    assert uploads(server) == ["upload", "upload", "tweets"]


async def test_a_missing_file_is_final(rig: XRig, server: XServer, tmp_path: Path) -> None:
    file = picture(tmp_path)
    file.path.unlink()
    with pytest.raises(Rejected, match=r"X, uploading an image: the file .* cannot be read"):
        await rig.platform.prepare(of(rig, file))
    assert server.calls == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(UPLOAD, 400, INVALID), Rejected),
        (Fault(UPLOAD, 403, forbidden("Forbidden")), AuthFailed),
        (Fault(UPLOAD, 413, {}), Rejected),
        (Fault(UPLOAD, 429, {}), RateLimited),
        (Fault(UPLOAD, 500, {}), Transient),
        (Fault(UPLOAD, 503, BUSY), Transient),
    ],
)
async def test_failures_of_an_upload(
    rig: XRig, server: XServer, tmp_path: Path, fault: Fault, expected: type[PlatformError]
) -> None:
    """A bare 403 here means that the person did not allow uploads."""
    publication = of(rig, picture(tmp_path))
    server.fail(replace(fault))
    with pytest.raises(expected, match=f"X, uploading an image: status {fault.status}") as failed:
        await rig.platform.prepare(publication)
    assert type(failed.value) is expected
    assert (expected is AuthFailed) == ("media.write" in failed.value.message)
    assert publication.handles == {}


async def test_what_is_no_image_is_refused(rig: XRig, server: XServer, tmp_path: Path) -> None:
    """The emulator looks at the content, as X does."""
    file = picture(tmp_path)
    file.path.write_bytes(b"x" * file.size)
    with pytest.raises(Rejected, match="media type unrecognized"):
        await rig.platform.prepare(of(rig, file))


async def test_a_large_video_is_never_whole_in_memory(
    rig: XRig, server: XServer, tmp_path: Path
) -> None:
    """One segment at a time, with what the emulator beside it needs for its own reading."""
    path, size = tmp_path / "film", 96 * MIB
    with path.open("wb") as handle:
        handle.write(MP4)
        handle.truncate(size)
    publication = of(rig, MediaFile(uuid7(), path, "video/mp4", size))
    tracemalloc.start()
    try:
        await rig.platform.prepare(publication)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert server.media.appends == 24
    assert peak < 40 * MIB
    assert ("POST", POST) not in server.calls
