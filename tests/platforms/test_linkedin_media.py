"""Images and videos on their way to LinkedIn: nothing is sent twice, nothing is seen too early."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import Content, Handles, Publication, Wait
from service.platforms.failures import PlatformError, Rejected, TokenExpired, Transient
from service.platforms.linkedin.media import UploadGone
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row, image
from tests.platforms.rigs.linkedin import LinkedInRig, bring, picture, video
from tests.servers.faults import Fault
from tests.servers.linkedin import LinkedInServer
from tests.servers.linkedin_login import MEMBER
from tests.servers.linkedin_uploads import PART

pytestmark = pytest.mark.asyncio


@pytest.fixture
def rig(emulators: Emulators, outbound: Outbound) -> Iterator[LinkedInRig]:
    for server in emulators.lend(LinkedInServer):
        yield LinkedInRig(server, outbound)


def film(folder: Path, parts: int = 3) -> Content:
    return Content("Moving", media=(video(folder, (parts - 1) * PART + 70_000),))


async def prepare_with_crashes(rig: LinkedInRig, content: Content) -> tuple[Publication, int]:
    """Prepare, dying after every save; return the publication that came through."""
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
            await rig.linkedin.prepare(publication)
        except KeyboardInterrupt:
            handles, crashes = row.handles[-1], crashes + 1
        else:
            publication.save = row.save
            return publication, crashes


async def test_one_image_with_its_description(rig: LinkedInRig, tmp_path: Path) -> None:
    content = Content("One", media=(picture(tmp_path, alt="A ball of wool"),))
    publication = Row().publication(rig.destination(), content)
    await bring(rig, publication)
    [post] = rig.server.posts
    [urn] = rig.server.media
    assert post["content"] == {"media": {"id": urn, "altText": "A ball of wool"}}
    assert urn.startswith("urn:li:image:")
    assert rig.server.media[urn]["bytes"][0] == content.media[0].path.read_bytes()


async def test_several_images_keep_their_order(rig: LinkedInRig, tmp_path: Path) -> None:
    content = rig.contents(tmp_path)["images"]
    await bring(rig, Row().publication(rig.destination(), content))
    [post] = rig.server.posts
    assert post["content"] == {
        "multiImage": {
            "images": [
                {"id": urn, "altText": f"Ball {number}"}
                for number, urn in enumerate(rig.server.media)
            ]
        }
    }


async def test_a_video_in_parts(rig: LinkedInRig, tmp_path: Path) -> None:
    """V003: 4 MiB parts by the server's own instructions, put together by their ETags."""
    content = film(tmp_path)
    publication = Row().publication(rig.destination(), content)
    await rig.linkedin.prepare(publication)
    waiting = await rig.linkedin.check(publication)
    assert waiting == Wait(15.0, "LinkedIn is still processing what was uploaded")
    assert await rig.linkedin.check(publication) is None
    published = await rig.linkedin.commit(publication)
    assert published.remote_id.startswith("urn:li:ugcPost:")
    [(urn, found)] = rig.server.media.items()
    assert rig.server.posts[0]["content"] == {"media": {"id": urn}}
    assert [size for _, size in rig.server.puts] == [PART, PART, 70_000]
    arrived = hashlib.sha256(b"".join(found["bytes"][part] for part in range(3)))
    assert arrived.digest() == hashlib.sha256(content.media[0].path.read_bytes()).digest()


async def test_a_crash_at_every_save_sends_nothing_twice(rig: LinkedInRig, tmp_path: Path) -> None:
    """G010: whichever save is the last before a crash, the next run goes on from it."""
    publication, crashes = await prepare_with_crashes(rig, film(tmp_path))
    assert crashes == 5, "the beginning, three parts, the end"
    assert [size for _, size in rig.server.puts] == [PART, PART, 70_000]
    await bring(rig, publication)
    assert len(rig.server.posts) == 1

    rig.server.reset()
    publication, crashes = await prepare_with_crashes(rig, rig.contents(tmp_path)["images"])
    assert crashes == 6
    assert (len(rig.server.puts), len(rig.server.media)) == (3, 3)


async def test_a_lost_answer_of_a_part(rig: LinkedInRig, tmp_path: Path) -> None:
    """The part is sent again to its own place: it takes the place of the first."""
    publication = Row().publication(rig.destination(), film(tmp_path))
    rig.server.fail(Fault("/dms-uploads/", lost=True))
    with pytest.raises(Transient):
        await rig.linkedin.prepare(publication)
    await bring(rig, publication)
    assert [size for _, size in rig.server.puts] == [PART, PART, PART, 70_000]
    assert len(rig.server.media) == 1


@pytest.mark.parametrize("path", ["/rest/videos", "/rest/images"])
async def test_a_lost_answer_to_the_beginning_or_the_end(
    rig: LinkedInRig, tmp_path: Path, path: str
) -> None:
    content = film(tmp_path, 1) if "videos" in path else rig.contents(tmp_path)["image"]
    publication = Row().publication(rig.destination(), content)
    rig.server.fail(Fault(path, lost=True))
    with pytest.raises(Transient):
        await rig.linkedin.prepare(publication)
    assert publication.handles == {}
    await bring(rig, publication)
    assert (len(rig.server.posts), len(rig.server.puts), len(rig.server.media)) == (1, 1, 2)


async def test_a_lost_answer_to_putting_together(rig: LinkedInRig, tmp_path: Path) -> None:
    row = Row()
    publication = row.publication(rig.destination(), film(tmp_path, 2))

    async def save(found: Handles) -> None:
        await row.save(found)
        if len(rig.server.puts) == 2:
            rig.server.fail(Fault("/rest/videos", lost=True, method="POST"))

    publication.save = save
    with pytest.raises(Transient, match="LinkedIn, finishing the upload"):
        await rig.linkedin.prepare(publication)
    publication.save = row.save
    await bring(rig, publication)
    assert (len(rig.server.posts), len(rig.server.puts)) == (1, 2)


async def test_a_token_that_expires_during_the_upload(rig: LinkedInRig, tmp_path: Path) -> None:
    row, destination = Row(), rig.destination()
    publication = row.publication(destination, rig.contents(tmp_path)["images"])

    async def save(found: Handles) -> None:
        await row.save(found)
        if len(rig.server.puts) == 1:
            rig.expire_tokens()

    publication.save = save
    with pytest.raises(TokenExpired):
        await rig.linkedin.prepare(publication)
    publication.save = row.save
    destination.session = await rig.linkedin.refresh(destination)
    await bring(rig, publication)
    assert (len(rig.server.posts), len(rig.server.puts), len(rig.server.media)) == (1, 3, 3)


async def test_an_upload_that_expired_begins_anew(rig: LinkedInRig, tmp_path: Path) -> None:
    rig.server.upload_seconds = -1
    row = Row()
    publication = row.publication(rig.destination(), rig.contents(tmp_path)["image"])
    rig.server.fail(Fault("/mediaUpload/", 503))
    with pytest.raises(Transient):
        await rig.linkedin.prepare(publication)
    rig.server.upload_seconds = 60
    await bring(rig, publication)
    assert (len(rig.server.media), len(rig.server.puts)) == (2, 1)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(403, UploadGone), (404, UploadGone), (410, UploadGone), (413, Rejected), (502, Transient)],
)
async def test_failures_of_a_part(
    rig: LinkedInRig, tmp_path: Path, status: int, expected: type[PlatformError]
) -> None:
    """V012: what has expired is begun anew; the signed address is in no error."""
    publication = Row().publication(rig.destination(), film(tmp_path, 1))
    rig.server.fail(Fault("/dms-uploads/", status, {"message": "no signed-secret here"}))
    with pytest.raises(expected, match=f"LinkedIn, uploading the video: status {status}") as failed:
        await rig.linkedin.prepare(publication)
    assert type(failed.value) is expected
    assert rig.server.url not in failed.value.message
    assert (publication.handles == {}) is (expected is UploadGone)
    assert rig.server.posts == []


async def test_a_member_that_may_not_read_its_media(rig: LinkedInRig, tmp_path: Path) -> None:
    rig.server.media_readable = False
    content = rig.contents(tmp_path)["images"]
    publication = Row().publication(rig.destination(MEMBER), content)
    await rig.linkedin.prepare(publication)
    assert await rig.linkedin.check(publication) is None
    await rig.linkedin.commit(publication)
    assert len(rig.server.posts) == 1


async def test_media_that_linkedin_cannot_use(rig: LinkedInRig, tmp_path: Path) -> None:
    broken = image(tmp_path, b"no picture")
    publication = Row().publication(rig.destination(), Content("a", media=(broken,)))
    with pytest.raises(Rejected, match="it cannot use this image; take another file"):
        await bring(rig, publication)
    assert rig.server.posts == []


async def test_a_file_that_is_gone(rig: LinkedInRig, tmp_path: Path) -> None:
    content = rig.contents(tmp_path)["image"]
    content.media[0].path.unlink()
    with pytest.raises(Rejected, match=r"the file of media .* cannot be read"):
        await rig.linkedin.prepare(Row().publication(rig.destination(), content))
    assert rig.server.puts == []
