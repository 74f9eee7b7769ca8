"""Publishing videos to TikTok, on an emulator that is strict about the protocol."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import Content, Published, Wait
from service.platforms.failures import (
    PlatformError,
    RateLimited,
    Rejected,
)
from service.platforms.tiktok.chunks import CHUNK
from service.platforms.tiktok.post import LIMITS
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row, image
from tests.platforms.rigs import tiktok as rig
from tests.platforms.rigs.tiktok import EVERYONE, ONLY_ME, TikTokRig, video
from tests.servers.faults import Fault
from tests.servers.tiktok import TikTokServer

pytestmark = pytest.mark.asyncio

LARGE = 3 * CHUNK + 7


@pytest.fixture
def server(emulators: Emulators) -> Iterator[TikTokServer]:
    yield from emulators.lend(TikTokServer)


@pytest.fixture
def account(server: TikTokServer, outbound: Outbound) -> TikTokRig:
    return TikTokRig(server, outbound)


async def test_a_video_is_published_with_its_address(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    """V003, V012: in chunks, the last of which is the commit; what came of it is asked for."""
    film = video(tmp_path, LARGE)
    content = Content("A film #wool 🐑", link="https://a.example/", media=(film,), options=EVERYONE)
    row = Row()
    publication = account.publication(content, row)
    await account.platform.prepare(publication)
    assert server.uploaded == 2 * CHUNK
    assert [handles["sent"] for handles in row.handles] == [0, 1, 2]
    assert server.posts == []
    assert isinstance(await account.platform.commit(publication), Wait)
    assert isinstance(await account.platform.check(publication), Wait)
    published = await account.finish(publication)
    [post] = server.posts
    assert published == Published(
        post["id"],
        f"https://www.tiktok.com/@alice/video/{post['id']}",
        {
            "publish_id": publication.handles["publish_id"],
            "inbox": False,
            "post_id": post["id"],
        },
    )
    assert post["text"] == "A film #wool 🐑\n\nhttps://a.example/"
    assert post["sha256"] == hashlib.sha256(film.path.read_bytes()).hexdigest()
    assert await account.platform.commit(publication) == published
    assert await account.platform.reconcile(publication) == published
    assert server.uploaded == LARGE
    assert server.violations == []


async def test_what_the_author_chooses_is_sent_and_what_is_disabled_stays_so(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    server.disabled = {"duet"}
    options = {**ONLY_ME, "disable_comment": True, "is_aigc": True, "brand_organic_toggle": True}
    await account.take(account.publication(Content("a", media=(video(tmp_path),), options=options)))
    server.ripen()
    assert server.posts[0]["info"] == {
        "title": "a",
        "privacy_level": "SELF_ONLY",
        "disable_comment": True,
        "disable_duet": True,
        "disable_stitch": False,
        "is_aigc": True,
        "brand_content_toggle": False,
        "brand_organic_toggle": True,
    }


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ((["SELF_ONLY"], 600), "cannot post as PUBLIC_TO_EVERYONE: choose SELF_ONLY"),
        (
            (["PUBLIC_TO_EVERYONE"], 10),
            "the video has 12 s, this account may post 10 s: shorten it",
        ),
    ],
)
async def test_what_the_account_may_not_do_is_refused_before_anything_is_sent(
    account: TikTokRig,
    server: TikTokServer,
    tmp_path: Path,
    case: tuple[list[str], int],
    message: str,
) -> None:
    server.privacy_options, server.max_seconds = case
    publication = account.publication(Content("a", media=(video(tmp_path),), options=EVERYONE))
    with pytest.raises(Rejected) as refused:
        await account.platform.prepare(publication)
    assert message in refused.value.message
    assert server.works == {}


async def test_a_private_post_has_no_address(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    publication = account.publication(Content("a", media=(video(tmp_path),), options=ONLY_ME))
    await account.take(publication)
    published = await account.finish(publication)
    assert (published.remote_id, published.url) == (publication.handles["publish_id"], None)
    assert len(server.posts) == 1


async def test_a_public_post_is_waited_for_while_it_is_moderated_but_not_for_ever(
    account: TikTokRig, server: TikTokServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.moderating = True
    publication = account.publication(Content("a", media=(video(tmp_path),), options=EVERYONE))
    await account.take(publication)
    server.ripen()
    wait = await account.platform.check(publication)
    assert isinstance(wait, Wait)
    assert wait.reason == "TikTok has published it and is giving it its address"
    since = "2026-01-01T00:00:00+00:00"
    publication.handles["complete_at"] = since
    published = await account.finish(publication)
    assert (published.remote_id, published.url) == (publication.handles["publish_id"], None)
    server.moderating = False
    server.ripen()
    [post] = server.posts
    server.videos[post["id"]] = {"view_count": 5, "like_count": 2, "share_count": 0}
    post_reference = rig.reference(published)
    found = await account.platform.metrics(publication.destination, post_reference)
    assert found == {"views": 5, "likes": 2, "shares": 0}


async def test_every_documented_error_of_announcing_and_sending(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    content = Content("a", media=(video(tmp_path),), options=EVERYONE)
    for name, faults in account.failures().items():
        for fault in faults:
            publication = account.publication(content)
            token = str(publication.destination.session["access_token"])
            if isinstance(fault.body, dict):
                fault.body["error"]["message"] = f"token {token}"
            server.fail(fault)
            with pytest.raises(PlatformError) as failed:
                await account.take(publication)
            kinds = [kind.__name__ for kind in type(failed.value).__mro__]
            assert name in kinds, (name, fault, failed.value)
            assert failed.value.message.startswith("TikTok, ")
            assert token not in failed.value.message
    server.ripen()
    assert server.posts == []


async def test_limits_of_a_day_are_asked_about_hourly_and_hold_the_account(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    server.posts_a_day = 0
    publication = account.publication(Content("a", media=(video(tmp_path),), options=EVERYONE))
    with pytest.raises(RateLimited, match="posts of 24 hours are used up") as limited:
        await account.platform.prepare(publication)
    assert limited.value.scope == "account"
    assert server.works == {}


async def test_the_limit_of_a_minute(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    server.per_minute["init"] = 1
    content = Content("a", media=(video(tmp_path),), options=EVERYONE)
    first = account.publication(content)
    await account.platform.prepare(first)
    second = Row().publication(first.destination, content)
    with pytest.raises(RateLimited, match="rate_limit_exceeded"):
        await account.platform.prepare(second)
    server.advance(60)
    await account.platform.prepare(second)


async def test_when_tiktok_says_how_long_to_wait_that_counts(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    body, headers = rig.error("rate_limit_exceeded"), {"Retry-After": "600"}
    server.fail(Fault(rig.INIT, 429, body, headers))
    publication = account.publication(Content("a", media=(video(tmp_path),), options=EVERYONE))
    with pytest.raises(RateLimited) as limited:
        await account.platform.prepare(publication)
    left = limited.value.until - datetime.now(UTC)
    assert timedelta(seconds=590) < left <= timedelta(seconds=600)


async def test_no_error_shows_where_bytes_may_be_sent(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    publication = account.publication(Content("a", media=(video(tmp_path),), options=EVERYONE))
    await account.platform.prepare(publication)
    url = str(publication.handles["upload_url"])
    server.fail(Fault(rig.CHUNK, 400, {"message": f"{url} is wrong"}, method="PUT"))
    with pytest.raises(Rejected) as refused:
        await account.platform.commit(publication)
    assert "upload_token" not in refused.value.message
    assert "closing" not in publication.handles


async def test_a_file_that_is_gone(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    film = video(tmp_path)
    publication = account.publication(Content("a", media=(film,), options=EVERYONE))
    await account.platform.prepare(publication)
    film.path.unlink()
    with pytest.raises(Rejected, match="cannot be read"):
        await account.platform.commit(publication)
    assert server.uploaded == 0


async def test_what_cannot_be_posted(account: TikTokRig, tmp_path: Path) -> None:
    """G030: every problem at once."""

    def codes(content: Content) -> list[tuple[str, str]]:
        found = account.platform.validate(content, LIMITS)
        return [(problem.field, problem.code) for problem in found]

    film = video(tmp_path)
    assert codes(Content("a", media=(film,), options=EVERYONE)) == []
    assert codes(Content("a", media=(film,), options={"mode": "inbox"})) == []
    assert codes(Content("a")) == [
        ("media", "media_required"),
        ("options.privacy_level", "missing"),
    ]
    assert codes(Content("🐑" * 1_100, media=(film,), options=EVERYONE)) == []
    assert codes(Content("🐑" * 1_101, media=(film,), options=EVERYONE)) == [("text", "too_long")]
    picture = image(tmp_path)
    assert codes(Content("a", media=(picture, film), options=EVERYONE)) == [
        ("media", "mixed_media")
    ]
    photos = (replace(picture, content_type="image/jpeg"),)
    assert codes(Content("x" * 4_000, media=photos, options=EVERYONE)) == []
    assert codes(Content("x" * 4_001, media=photos, options=EVERYONE)) == [("text", "too_long")]
    titled = {**EVERYONE, "title": "🐑" * 46}
    assert codes(Content("a", media=photos, options=titled)) == [("options.title", "too_long")]
    branded = {**ONLY_ME, "brand_content_toggle": True}
    assert codes(Content("a", media=(film,), options=branded)) == [
        ("options.brand_content_toggle", "option")
    ]
    long = replace(film, seconds=601)
    assert codes(Content("a", media=(long,), options=EVERYONE)) == [("media[0]", "video_length")]
    assert codes(Content("a", kind="comment")) == [("thread", "no_comments")]
