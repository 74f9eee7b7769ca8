"""Videos on Bluesky: small ones to the account's server, large ones through the video service.

Checklist: V003.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from service.kit.ids import uuid7
from service.platforms.bluesky.adapter import Bluesky
from service.platforms.contract import Content, Destination, MediaFile, Wait
from service.platforms.failures import RateLimited, Rejected, TokenExpired, Transient
from tests.platforms.helpers import Row
from tests.platforms.test_bluesky import account, publish
from tests.servers.bluesky import BlueskyServer
from tests.servers.faults import Fault
from tests.servers.proxy import LossyProxy

pytestmark = pytest.mark.asyncio

SEND = "/xrpc/app.bsky.video.uploadVideo"
STATUS = "/xrpc/app.bsky.video.getJobStatus"
WAITING = Wait(5.0, "Bluesky is still processing a video")


def video(folder: Path, size: int = 1_000, alt: str = "A goal") -> MediaFile:
    media_id = uuid7()
    path = folder / str(media_id)
    with path.open("wb") as file:
        file.write(b"\0\0\0\x18ftypisom" + media_id.bytes)
        file.truncate(size)
    return MediaFile(media_id, path, "video/mp4", size, alt, width=1_280, height=720, seconds=12)


@pytest.fixture
def large(bluesky: Bluesky, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every video is too large for the account's own server."""
    monkeypatch.setattr(bluesky, "direct_bytes", 100)


@pytest.fixture
def clip(tmp_path: Path) -> Content:
    return Content("Watch", link="https://example.com/a", media=(video(tmp_path),))


@pytest_asyncio.fixture
async def destination(bluesky: Bluesky, bluesky_server: BlueskyServer) -> Destination:
    return await account(bluesky, bluesky_server)


async def test_a_small_video_is_uploaded_like_an_image(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination, clip: Content
) -> None:
    await publish(bluesky, Row().publication(destination, clip))
    record = bluesky_server.posts[0]["record"]
    [blob] = bluesky_server.blobs.values()
    assert record["text"] == "Watch\n\nhttps://example.com/a"
    assert record["embed"] == {
        "$type": "app.bsky.embed.video",
        "video": blob,
        "aspectRatio": {"width": 1_280, "height": 720},
        "alt": "A goal",
    }
    assert (blob["mimeType"], blob["size"]) == ("video/mp4", 1_000)
    assert (bluesky_server.uploads, bluesky_server.videos.uploads) == (1, 0)
    assert bluesky_server.violations == []


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.usefixtures("large")
async def test_a_large_video_is_a_job_that_is_waited_for(
    bluesky: Bluesky,
    bluesky_server: BlueskyServer,
    destination: Destination,
    clip: Content,
    wrapped: bool,
) -> None:
    """The service answers both in the lexicon's form and in its own."""
    bluesky_server.videos.wrapped = wrapped
    row = Row()
    publication = row.publication(destination, clip)
    await bluesky.prepare(publication)
    [job_id] = bluesky_server.videos.jobs
    assert row.handles == [{f"job:{clip.media[0].id}": job_id}]
    assert await bluesky.check(publication) == WAITING
    bluesky_server.videos.ripen()
    assert await bluesky.check(publication) is None
    assert await bluesky.check(publication) is None
    [blob] = bluesky_server.blobs.values()
    assert row.handles[-1] == {f"blob:{clip.media[0].id}": blob}
    await bluesky.commit(publication)
    assert bluesky_server.posts[0]["record"]["embed"]["video"] == blob
    assert (bluesky_server.uploads, bluesky_server.videos.uploads) == (0, 1)
    assert bluesky_server.violations == []


@pytest.mark.usefixtures("large")
async def test_after_a_crash_the_job_is_asked_for_and_nothing_is_sent_again(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination, clip: Content
) -> None:
    row = Row()
    first = row.publication(destination, clip)
    await bluesky.prepare(first)
    again = row.publication(
        destination, clip, delivery_id=first.delivery_id, handles=row.handles[-1]
    )
    await bluesky.prepare(again)
    assert await bluesky.check(again) == WAITING
    bluesky_server.videos.ripen()
    await publish(bluesky, again)
    assert (len(bluesky_server.posts), bluesky_server.videos.uploads) == (1, 1)


@pytest.mark.usefixtures("large")
async def test_a_lost_answer_to_the_upload_finds_the_earlier_job(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination, clip: Content
) -> None:
    """The service answers 409 already_exists, with the job."""
    bluesky_server.fail(Fault(SEND, lost=True))
    row = Row()
    publication = row.publication(destination, clip)
    with pytest.raises(Transient, match="sending a video to the video service"):
        await bluesky.prepare(publication)
    assert row.handles == []
    await bluesky.prepare(publication)
    bluesky_server.videos.ripen()
    await publish(bluesky, publication)
    assert (len(bluesky_server.posts), bluesky_server.videos.uploads) == (1, 1)


@pytest.mark.usefixtures("large")
async def test_an_expired_token_before_the_upload_is_told(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination, clip: Content
) -> None:
    bluesky_server.expire_access()
    publication = Row().publication(destination, clip)
    with pytest.raises(TokenExpired, match="asking for a token for the video service"):
        await bluesky.prepare(publication)
    destination.session = await bluesky.refresh(destination)
    await bluesky.prepare(publication)
    assert bluesky_server.videos.uploads == 1


@pytest.mark.parametrize(
    "code", ["validation_failure", "encoding_failure", "pds_upload_unsupported_blob_size"]
)
@pytest.mark.usefixtures("large")
async def test_a_job_that_would_fail_again_is_final(
    bluesky: Bluesky,
    bluesky_server: BlueskyServer,
    destination: Destination,
    clip: Content,
    code: str,
) -> None:
    publication = Row().publication(destination, clip)
    await bluesky.prepare(publication)
    bluesky_server.videos.failure_code = code
    bluesky_server.videos.ripen()
    with pytest.raises(Rejected, match=f"{code}: Failed to process video"):
        await bluesky.check(publication)
    assert (bluesky_server.posts, bluesky_server.videos.uploads) == ([], 1)


@pytest.mark.parametrize("code", ["pds_upload_failure", "generic_failure", ""])
@pytest.mark.usefixtures("large")
async def test_a_job_that_failed_by_chance_is_sent_once_more(
    bluesky: Bluesky,
    bluesky_server: BlueskyServer,
    destination: Destination,
    clip: Content,
    code: str,
) -> None:
    row = Row()
    publication = row.publication(destination, clip)
    await bluesky.prepare(publication)
    bluesky_server.videos.failure_code = code
    bluesky_server.videos.ripen()
    with pytest.raises(Transient, match="Failed to process video; the video will be sent again"):
        await bluesky.check(publication)
    assert row.handles[-1] == {}
    bluesky_server.videos.failure_code = None
    await bluesky.prepare(publication)
    bluesky_server.videos.ripen()
    await publish(bluesky, publication)
    assert (len(bluesky_server.posts), bluesky_server.videos.uploads) == (1, 2)


@pytest.mark.usefixtures("large")
async def test_a_forgotten_job_is_sent_again(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination, clip: Content
) -> None:
    row = Row()
    publication = row.publication(destination, clip)
    await bluesky.prepare(publication)
    bluesky_server.videos.forget()
    with pytest.raises(Transient, match=r"job not found; the video will be sent again"):
        await bluesky.check(publication)
    assert row.handles[-1] == {}


@pytest.mark.usefixtures("large")
async def test_outages_of_the_service_are_passing(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination, clip: Content
) -> None:
    row = Row()
    publication = row.publication(destination, clip)
    for path in ("/xrpc/app.bsky.video.getUploadLimits", SEND):
        bluesky_server.fail(Fault(path, 503))
        with pytest.raises(Transient, match="status 503"):
            await bluesky.prepare(publication)
    await bluesky.prepare(publication)
    bluesky_server.fail(Fault(STATUS, 502))
    with pytest.raises(Transient, match="status 502"):
        await bluesky.check(publication)
    assert len(row.handles) == 1, "the job stays"


@pytest.mark.parametrize("left", ["remaining_videos", "remaining_bytes"])
@pytest.mark.usefixtures("large")
async def test_a_used_up_day_is_waited_out(
    bluesky: Bluesky,
    bluesky_server: BlueskyServer,
    destination: Destination,
    clip: Content,
    left: str,
) -> None:
    setattr(bluesky_server.videos, left, 0)
    started = datetime.now(UTC)
    with pytest.raises(RateLimited, match="today's videos are used up") as limited:
        await bluesky.prepare(Row().publication(destination, clip))
    waited = limited.value.until - started
    assert timedelta(minutes=15) <= waited < timedelta(minutes=15, seconds=5)
    assert bluesky_server.videos.uploads == 0


@pytest.mark.usefixtures("large")
async def test_an_unconfirmed_address_needs_the_person(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination, clip: Content
) -> None:
    bluesky_server.videos.confirmed = False
    with pytest.raises(Rejected, match="confirm the account's e-mail address"):
        await bluesky.prepare(Row().publication(destination, clip))
    assert bluesky_server.videos.uploads == 0


async def test_a_server_that_takes_less_says_so(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination, clip: Content
) -> None:
    bluesky_server.max_blob = 999
    with pytest.raises(Rejected, match="uploading a video: status 413: PayloadTooLarge"):
        await bluesky.prepare(Row().publication(destination, clip))


async def test_an_upload_that_breaks_off_is_passing(
    bluesky: Bluesky, bluesky_server: BlueskyServer, clip: Content
) -> None:
    with LossyProxy(bluesky_server.url) as proxy:
        destination, row = await account(bluesky, bluesky_server, url=proxy.url), Row()
        proxy.refuse("POST /xrpc/com.atproto.repo.uploadBlob")
        publication = row.publication(destination, clip)
        with pytest.raises(Transient, match="uploading a video"):
            await bluesky.prepare(publication)
        assert row.handles == []
        await publish(bluesky, publication)
    assert len(bluesky_server.posts) == 1


async def test_what_a_video_may_be(
    bluesky: Bluesky, destination: Destination, clip: Content
) -> None:
    [file] = clip.media

    def wrong(*media: MediaFile) -> list[tuple[str, str]]:
        content = replace(clip, media=media)
        return [(p.field, p.code) for p in bluesky.validate(content, destination.limits)]

    assert wrong(file) == []
    assert wrong(replace(file, size=300_000_001, seconds=None)) == [("media[0]", "video_too_large")]
    assert wrong(replace(file, seconds=181)) == [("media[0]", "video_length")]
    assert wrong(replace(file, content_type="video/ogg")) == [("media[0]", "video_type")]
    assert wrong(replace(file, alt="x" * 1_001)) == [("media[0].alt", "too_long")]
    assert wrong(replace(file, alt="👩‍🚀" * 600)) == []
    assert wrong(file, file) == [("media", "too_many_videos")]
    picture = MediaFile(uuid7(), file.path, "image/png", 10)
    assert wrong(file, picture) == [("media", "mixed_media")]
