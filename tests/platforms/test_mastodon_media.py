"""Videos, focal points and limits on Mastodon, on the strict emulator.

Checklist: V003.
"""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from service.kit.ids import uuid7
from service.platforms.contract import Content, Destination, MediaFile, Wait
from service.platforms.failures import AuthFailed, RateLimited, Rejected, Transient
from service.platforms.limits import VideoLimits
from service.platforms.mastodon.adapter import Mastodon
from service.platforms.mastodon.instance import Instance
from tests.platforms.helpers import Row, image
from tests.platforms.rigs.mastodon import MP4, account, picture, video
from tests.platforms.test_mastodon import publish
from tests.servers.faults import Fault
from tests.servers.mastodon_strict import StrictMastodon

pytestmark = pytest.mark.asyncio


@pytest.fixture
def destination(strict_mastodon: StrictMastodon) -> Destination:
    return account(strict_mastodon, renewable=False)


async def test_a_video_is_waited_for_and_then_attached(
    mastodon: Mastodon, strict_mastodon: StrictMastodon, destination: Destination, tmp_path: Path
) -> None:
    row, content = Row(), Content("Watch", media=(video(tmp_path),))
    publication = row.publication(destination, content)
    await mastodon.prepare(publication)
    again = row.publication(
        destination, content, delivery_id=publication.delivery_id, handles=row.handles[-1]
    )
    await mastodon.prepare(again)
    for _ in range(2):
        assert await mastodon.check(again) == Wait(2.0, "Mastodon is still processing a video")
    strict_mastodon.ripen()
    await publish(mastodon, again)
    [post] = strict_mastodon.posts
    [attached] = post["media_attachments"]
    assert (attached["type"], attached["description"]) == ("video", "A goal")
    assert strict_mastodon.uploads == 1
    assert list(row.handles[-1].values()) == [attached["id"]]


async def test_a_moving_gif_is_waited_for_too(
    mastodon: Mastodon, strict_mastodon: StrictMastodon, destination: Destination, tmp_path: Path
) -> None:
    gif = image(tmp_path, b"GIF89a moves", content_type="image/gif")
    publication = Row().publication(destination, Content("a", media=(gif,)))
    await mastodon.prepare(publication)
    assert await mastodon.check(publication) == Wait(2.0, "Mastodon is still processing an image")
    strict_mastodon.ripen()
    await publish(mastodon, publication)
    assert strict_mastodon.posts[0]["media_attachments"][0]["type"] == "gifv"


async def test_a_video_that_cannot_be_processed_is_final(
    mastodon: Mastodon, strict_mastodon: StrictMastodon, destination: Destination, tmp_path: Path
) -> None:
    publication = Row().publication(destination, Content("a", media=(video(tmp_path),)))
    await mastodon.prepare(publication)
    strict_mastodon.fails_processing = True
    strict_mastodon.ripen()
    with pytest.raises(Rejected, match="asking for an image or a video: status 422: Error proc"):
        await mastodon.check(publication)
    assert strict_mastodon.posts == []


async def test_descriptions_and_focal_points_are_sent_in_order(
    mastodon: Mastodon, strict_mastodon: StrictMastodon, destination: Destination, tmp_path: Path
) -> None:
    media = tuple(picture(tmp_path, bytes([n]), alt=f"Picture {n}") for n in range(3))
    content = Content("a", media=media, options={"focus": ["-1,1", "0.25,-.5"]})
    assert mastodon.validate(content, destination.limits) == []
    await publish(mastodon, Row().publication(destination, content))
    attached = strict_mastodon.posts[0]["media_attachments"]
    assert [each["description"] for each in attached] == ["Picture 0", "Picture 1", "Picture 2"]
    assert [each["meta"].get("focus") for each in attached] == [
        {"x": -1.0, "y": 1.0},
        {"x": 0.25, "y": -0.5},
        None,
    ]


@pytest.mark.parametrize("point", ["2,0", "0", "a,b", "0,0,0", "1.5,0", "0, 0"])
async def test_points_outside_the_picture(mastodon: Mastodon, tmp_path: Path, point: str) -> None:
    content = Content("a", media=(picture(tmp_path),), options={"focus": [point]})
    [problem] = mastodon.validate(content, mastodon.limits)
    assert (problem.field, problem.code) == ("options.focus", "focus")


async def test_media_that_the_server_dropped_are_uploaded_again(
    mastodon: Mastodon, strict_mastodon: StrictMastodon, destination: Destination, tmp_path: Path
) -> None:
    """A post that was held for days: the refusal is only in words, so the media are asked for."""
    row = Row()
    publication = row.publication(destination, Content("a", media=(picture(tmp_path),)))
    await mastodon.prepare(publication)
    strict_mastodon.forget_media()
    with pytest.raises(Transient, match="no longer has an image"):
        await mastodon.commit(publication)
    assert (row.handles[-1], strict_mastodon.posts) == ({}, [])
    await publish(mastodon, publication)
    assert (len(strict_mastodon.posts), strict_mastodon.uploads) == (1, 2)


async def test_a_refusal_with_media_in_place_stays_one(
    mastodon: Mastodon, strict_mastodon: StrictMastodon, destination: Destination, tmp_path: Path
) -> None:
    publication = Row().publication(destination, Content("x" * 501, media=(picture(tmp_path),)))
    await mastodon.prepare(publication)
    with pytest.raises(Rejected, match="Text character limit of 500 exceeded"):
        await mastodon.commit(publication)
    assert len(publication.handles) == 1


async def test_what_the_server_refuses_of_a_file(
    mastodon: Mastodon, strict_mastodon: StrictMastodon, destination: Destination, tmp_path: Path
) -> None:
    strict_mastodon.limits["video_size_limit"] = 4_999
    for file, text in (
        (video(tmp_path), "File file size must be less than 4999 bytes"),
        (image(tmp_path, MP4, content_type="image/png"), "File content type is invalid"),
        (image(tmp_path, b"text", content_type="text/plain"), "File content type is invalid"),
    ):
        publication = Row().publication(destination, Content("a", media=(file,)))
        with pytest.raises(Rejected, match=text):
            await mastodon.prepare(publication)
    assert strict_mastodon.uploads == 0


async def test_the_last_request_of_the_limit_pauses_the_account(
    mastodon: Mastodon, strict_mastodon: StrictMastodon, destination: Destination
) -> None:
    strict_mastodon.left = 2
    first = await publish(mastodon, Row().publication(destination, Content("one")))
    assert first.pause_until is None
    last = await publish(mastodon, Row().publication(destination, Content("two")))
    assert last.pause_until is not None
    with pytest.raises(RateLimited) as limited:
        await publish(mastodon, Row().publication(destination, Content("three")))
    assert abs((limited.value.until - last.pause_until).total_seconds()) < 5
    assert len(strict_mastodon.posts) == 2


async def test_a_token_without_a_scope_must_be_given_anew(
    mastodon: Mastodon, strict_mastodon: StrictMastodon, destination: Destination, tmp_path: Path
) -> None:
    access, _ = strict_mastodon.oauth.issue("read write:statuses")
    destination.session["access_token"] = access
    publication = Row().publication(destination, Content("a", media=(picture(tmp_path),)))
    with pytest.raises(AuthFailed, match="outside the authorized scopes") as refused:
        await mastodon.prepare(publication)
    assert type(refused.value) is AuthFailed
    assert access not in refused.value.message


async def test_an_upload_whose_answer_is_lost_is_transient(
    mastodon: Mastodon, strict_mastodon: StrictMastodon, destination: Destination, tmp_path: Path
) -> None:
    strict_mastodon.fail(Fault("/api/v2/media", lost=True))
    row = Row()
    publication = row.publication(destination, Content("a", media=(video(tmp_path),)))
    with pytest.raises(Transient, match="uploading a video"):
        await mastodon.prepare(publication)
    assert row.handles == []


async def test_the_server_says_what_a_video_may_be(
    mastodon: Mastodon, strict_mastodon: StrictMastodon, destination: Destination
) -> None:
    strict_mastodon.limits |= {"video_size_limit": 41_943_040, "video_frame_rate_limit": 60}
    token = str(destination.session["access_token"])
    profile = await mastodon.connect(strict_mastodon.url, {"access_token": token})
    assert profile.handle == "alice@strict.example"
    assert profile.limits.videos == 1
    assert profile.limits.image_pixels == 5_760
    assert profile.limits.video == VideoLimits(
        bytes=41_943_040,
        seconds=(0.0, 86_400.0),
        types=("video/mp4",),
        video_codecs=("h264", "hevc", "vp8", "vp9", "av1"),
        audio_codecs=("aac", "mp3", "opus", "vorbis"),
        width=3_840,
        height=2_160,
        frame_rate=60,
    )
    assert msgspec.json.decode(msgspec.json.encode(profile.limits))["video"]["bytes"] == 41_943_040


async def test_a_server_without_videos() -> None:
    limits = msgspec.convert(
        {
            "domain": "a.example",
            "configuration": {"media_attachments": {"supported_mime_types": ["image/png"]}},
        },
        Instance,
    ).limits
    assert (limits.videos, limits.video, limits.image_types) == (0, None, ("image/png",))


async def test_what_may_be_in_one_post(mastodon: Mastodon, tmp_path: Path) -> None:
    clip, still = video(tmp_path), picture(tmp_path)

    def wrong(*media: MediaFile) -> list[tuple[str, str]]:
        content = Content("a", media=media)
        return [(p.field, p.code) for p in mastodon.validate(content, mastodon.limits)]

    assert wrong(clip) == wrong(still, still, still, still) == []
    assert wrong(clip, clip) == [("media", "too_many_videos")]
    assert wrong(clip, still) == [("media", "mixed_media")]
    assert wrong(*[replace(still, id=uuid7())] * 5) == [("media", "too_many_images")]
    assert wrong(replace(clip, alt="x" * 1_501)) == [("media[0].alt", "too_long")]
