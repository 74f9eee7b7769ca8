"""Media on their way to a platform: made fit once, in time, whatever crashes.

Checklist: V003.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from service.media import storage, variants
from service.media.actions import kept_file
from service.platforms.contract import MediaFile, Wait
from service.platforms.failures import Rejected
from service.platforms.limits import Limits, VideoLimits
from tests.api.test_publishing import advance
from tests.media.clips import drawing
from tests.servers.mastodon_strict import StrictMastodon
from tests.support import Installation, in_seconds

pytestmark = pytest.mark.asyncio
LIMITS = Limits(
    text_units=500,
    unit="characters",
    image_types=("image/jpeg",),
    image_pixels=100,
    videos=1,
    video=VideoLimits(bytes=10_000_000, seconds=(0, 60)),
)


@pytest.fixture
def mastodon() -> Iterator[StrictMastodon]:
    """A server that takes JPEG and MP4 only."""
    with StrictMastodon() as server:
        server.limits["supported_mime_types"] = ["image/jpeg", "video/mp4"]
        yield server


async def connect(api: Installation, server: StrictMastodon) -> str:
    """Connect the server's account."""
    server.oauth.refreshing = False
    token, _ = server.oauth.issue(client_id=server.oauth.register()["client_id"])
    return await api.connect("mastodon", {"access_token": token}, base_url=server.url)


async def upload(api: Installation, path: Path) -> Any:
    """Upload a file."""
    content = await asyncio.to_thread(path.read_bytes)
    reply = await api.request("POST", "/v1/media", files={"file": (path.name, content)})
    assert reply.status_code == 201, reply.text
    return reply.json()


def as_file(api: Installation, media: Any) -> MediaFile:
    """Return an upload as a post has it."""
    path = storage.path_of(api.runtime.settings.media_folder, media["sha256"])
    return kept_file({**media, "alt": "A"}, path)


async def rows(api: Installation) -> list[Any]:
    """Return all variants."""
    return list(await api.sql("SELECT * FROM media_variants ORDER BY created_at"))


async def fit(api: Installation, media: Any, limits: Limits = LIMITS) -> MediaFile:
    """Return an upload as it is taken."""
    found = await variants.fitted(api.runtime, [as_file(api, media)], limits)
    assert not isinstance(found, Wait), found
    [file] = found
    return file


async def test_what_fits_only_gets_an_address(api: Installation, tmp_path: Path) -> None:
    media = await upload(api, drawing(tmp_path / "a.jpg", 50, 40))
    file = as_file(api, media)
    found = await fit(api, media)
    assert replace(found, url=None) == file
    assert found.url is not None
    assert found.url.startswith("http://almanac.test/m/")
    assert (await api.http.get(found.url)).content == file.path.read_bytes()
    assert await rows(api) == []


async def test_an_image_is_made_once_for_all(api: Installation, tmp_path: Path) -> None:
    """Several deliveries at once, and one later; it keeps the id of its source."""
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    file = as_file(api, media)
    calls = (variants.fitted(api.runtime, [file, file], LIMITS) for _ in range(4))
    found = await asyncio.gather(*calls)
    assert all(isinstance(each, Wait) or len(each) == 2 for each in found)
    made = await fit(api, media)
    assert (made.id, made.alt, made.content_type) == (UUID(media["id"]), "A", "image/jpeg")
    assert (made.width, made.height) == (100, 67)
    assert made.size == made.path.stat().st_size
    assert made.url is not None
    reply = await api.http.get(made.url)
    assert (reply.content, reply.headers["content-type"]) == (made.path.read_bytes(), "image/jpeg")
    [row] = await rows(api)
    assert (row.state, row.sha256) == ("ready", made.path.name)
    assert (await fit(api, media)).path == made.path
    [again] = await rows(api)
    assert (again.id, again.made_at) == (row.id, row.made_at)
    assert again.used_at > row.used_at


async def test_a_worker_that_died_over_an_image(api: Installation, tmp_path: Path) -> None:
    """Nobody else makes it while its claim lasts; then it is made anew."""
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    await fit(api, media)
    await api.sql(
        "UPDATE media_variants SET state = 'pending', claimed_until = now() + interval '1 minute'"
    )
    waiting = await variants.fitted(api.runtime, [as_file(api, media)], LIMITS)
    assert waiting == Wait(2.0, "The image is being converted by another worker")
    await api.sql("UPDATE media_variants SET claimed_until = now()")
    assert (await fit(api, media)).content_type == "image/jpeg"
    folder = api.runtime.settings.media_folder
    assert list(folder.glob(".upload-*")) == []


async def test_a_full_disk_is_waited_for(
    api: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "finish", full)
        found = await variants.fitted(api.runtime, [as_file(api, media)], LIMITS)
    assert isinstance(found, Wait)
    assert found.reason == "The converted image cannot be stored: No space left on device"
    assert (await fit(api, media)).content_type == "image/jpeg", "and is made once there is room"


async def test_an_image_that_cannot_be_made(api: Installation, tmp_path: Path) -> None:
    """Said at once, and tried anew when somebody asks later."""
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    tiny = replace(LIMITS, image_bytes=50)
    for _ in range(2):
        with pytest.raises(Rejected, match="No image of at most 50 bytes can be made of it"):
            await fit(api, media, tiny)
    [failed] = await rows(api)
    await api.sql("UPDATE media_variants SET made_at = now() - interval '2 minutes'")
    with pytest.raises(Rejected):
        await fit(api, media, tiny)
    [again] = await rows(api)
    assert again.id != failed.id


async def test_a_video_is_made_by_a_job(api: Installation, clips: Path) -> None:
    media = await upload(api, clips / "web.webm")
    for _ in range(3):
        waiting = await variants.fitted(api.runtime, [as_file(api, media)], LIMITS)
        assert isinstance(waiting, Wait)
        assert waiting.reason == "The video is being converted to what the platform takes"
    [row] = await rows(api)
    assert await api.queued("media") == [f"convert:{row.id}"]
    await api.work("media")
    made = await fit(api, media)
    assert (made.content_type, made.video_codec, made.audio_codec) == ("video/mp4", "h264", "aac")
    [job] = await api.sql("SELECT state, progress FROM durable_jobs")
    assert job.state == "succeeded"
    assert await api.queued("media") == []


async def test_a_video_whose_job_has_died(api: Installation, clips: Path) -> None:
    """No delivery waits for what nobody makes; asked for later, it is made."""
    media = await upload(api, clips / "web.webm")
    file = as_file(api, media)
    await variants.fitted(api.runtime, [file], LIMITS)
    await api.sql("UPDATE durable_jobs SET state = 'failed'")
    await api.runtime.queue.flushdb()
    assert isinstance(await variants.fitted(api.runtime, [file], LIMITS), Wait)
    with pytest.raises(Rejected, match="the job that should convert it has failed"):
        await fit(api, media)
    await api.sql("UPDATE media_variants SET made_at = now() - interval '2 minutes'")
    assert isinstance(await variants.fitted(api.runtime, [file], LIMITS), Wait)
    await api.work("media")
    assert (await fit(api, media)).content_type == "video/mp4"


async def test_a_missing_upload_is_told(api: Installation, clips: Path) -> None:
    media = await upload(api, clips / "web.webm")
    file = as_file(api, media)
    await variants.fitted(api.runtime, [file], LIMITS)
    file.path.unlink()
    await api.work("media")
    with pytest.raises(Rejected, match="The bytes of this file are not on this machine"):
        await fit(api, media)


async def test_a_post_gets_its_image_as_the_platform_takes_it(
    api: Installation, mastodon: StrictMastodon, tmp_path: Path
) -> None:
    """A PNG for an account that takes JPEG only: no problem of the author's."""
    account = await connect(api, mastodon)
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    post = await api.schedule([account], media=[{"id": media["id"], "alt": "Noise"}])
    await api.work()
    assert (await api.read_post(post["id"]))["state"] == "published"
    [status] = mastodon.posts
    [attached] = status["media_attachments"]
    assert attached["description"] == "Noise"
    assert mastodon.violations == []


async def test_a_post_waits_for_its_video(
    api: Installation, mastodon: StrictMastodon, clips: Path
) -> None:
    """Without an attempt; when it was scheduled ahead, its video is ready before its time."""
    account = await connect(api, mastodon)
    media = await upload(api, clips / "web.webm")
    later = in_seconds(3600)
    post = await api.schedule([account], media=[{"id": media["id"]}], publish_at=later)
    [prepare] = await api.queued("media")
    assert not prepare.startswith("convert:")
    await api.work("media")
    [row] = await rows(api)
    assert row.state == "ready"
    assert (await api.post(f"/v1/posts/{post['id']}/cancel", {})).status_code == 200
    other = await upload(api, clips / "camera.mov")
    post = await api.schedule([account], media=[{"id": other["id"]}])
    await api.work(max_burst_jobs=1)
    shown = await api.read_post(post["id"])
    [delivery] = shown["deliveries"]
    assert (delivery["state"], delivery["attempts"]) == ("waiting", 0)
    assert mastodon.uploads == 0
    await api.work("media")
    await advance(api)
    mastodon.ripen()
    await advance(api)
    assert (await api.read_post(post["id"]))["state"] == "published"
    assert (mastodon.uploads, mastodon.violations) == (1, [])


async def test_what_no_conversion_makes_fit_fails_for_good(
    api: Installation, mastodon: StrictMastodon, tmp_path: Path
) -> None:
    account = await connect(api, mastodon)
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    limits = msgspec.to_builtins(replace(LIMITS, image_bytes=50))
    post = await api.schedule([account], media=[{"id": media["id"]}], publish_at=in_seconds(300))
    await api.sql("UPDATE accounts SET limits = CAST(:limits AS jsonb)", limits=_json(limits))
    await advance(api)
    shown = await api.read_post(post["id"])
    assert shown["state"] == "failed"
    [delivery] = shown["deliveries"]
    assert "No image of at most 50 bytes can be made of it" in delivery["error"]
    assert mastodon.uploads == 0


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def test_a_variant_goes_with_its_upload(api: Installation, tmp_path: Path) -> None:
    """Deleting the upload deletes what was made of it, unless somebody else has the same file."""
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    made = await fit(api, media)
    key = await api.new_key("content:write", user="ann")
    content = {"file": ("a.png", (tmp_path / "a.png").read_bytes())}
    hers = (await api.request("POST", "/v1/media", files=content, key=key)).json()
    assert (await api.request("DELETE", f"/v1/media/{media['id']}")).status_code == 204
    assert made.path.exists()
    gone = await api.request("DELETE", f"/v1/media/{hers['id']}", key=key)
    assert (gone.status_code, made.path.exists(), await rows(api)) == (204, False, [])


async def test_a_variant_that_somebody_has_uploaded_stays(
    api: Installation, tmp_path: Path
) -> None:
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    made = await fit(api, media)
    same = await upload(api, made.path)
    assert same["sha256"] == made.path.name
    assert (await api.request("DELETE", f"/v1/media/{same['id']}")).status_code == 204
    assert made.path.exists(), "the variant is still that content"


async def test_a_wait_has_an_end(api: Installation, mastodon: StrictMastodon, clips: Path) -> None:
    """An hour after a worker first took it up, a post whose video is not ready has failed."""
    account = await connect(api, mastodon)
    media = await upload(api, clips / "web.webm")
    post = await api.schedule([account], media=[{"id": media["id"]}])
    await api.work(max_burst_jobs=1)
    hour = timedelta(hours=1, minutes=1)
    await api.sql("UPDATE deliveries SET began_at = now() - CAST(:hour AS interval)", hour=hour)
    await advance(api)
    [delivery] = (await api.read_post(post["id"]))["deliveries"]
    assert delivery["state"] == "failed"
    assert delivery["error"].startswith("Not ready after an hour: The video is being converted")
