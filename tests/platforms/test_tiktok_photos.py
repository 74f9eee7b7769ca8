"""Posting photos, and drafts for the inbox, to TikTok."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import Absent, Content, Published, Refused, Unknown, Wait
from service.platforms.failures import (
    Ambiguous,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs import tiktok as rig
from tests.platforms.rigs.tiktok import EVERYONE, TikTokRig, photo, video
from tests.servers.faults import Fault
from tests.servers.tiktok import TikTokServer

pytestmark = pytest.mark.asyncio

DRAFT = {"mode": "inbox"}


@pytest.fixture
def server(emulators: Emulators) -> Iterator[TikTokServer]:
    yield from emulators.lend(TikTokServer)


@pytest.fixture
def account(server: TikTokServer, outbound: Outbound) -> TikTokRig:
    return TikTokRig(server, outbound)


async def test_photos_are_fetched_and_published(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    """V003: the call that names them is the commit."""
    media = (photo(tmp_path, server), photo(tmp_path, server, b"RIFF\0\0\0\0WEBP"))
    server.disabled = {"comment"}
    options = {**EVERYONE, "title": "Sheep", "auto_add_music": True}
    row = Row()
    publication = row.publication(
        account.destination(), Content("Two of them", media=media, options=options)
    )
    await account.platform.prepare(publication)
    assert server.works == {}
    assert isinstance(await account.platform.commit(publication), Wait)
    [work] = server.works
    assert row.handles == [
        {"comment_disabled": True},
        {"comment_disabled": True, "publish_id": work, "accepted": True},
    ]
    assert isinstance(await account.platform.check(publication), Wait)
    server.ripen()
    assert await account.platform.check(publication) is None
    published = await account.platform.commit(publication)
    [post] = server.posts
    assert isinstance(published, Published)
    assert published.url == f"https://www.tiktok.com/@alice/photo/{post['id']}"
    assert post["info"] == {
        "title": "Sheep",
        "description": "Two of them",
        "privacy_level": "PUBLIC_TO_EVERYONE",
        "disable_comment": True,
        "auto_add_music": True,
        "brand_content_toggle": False,
        "brand_organic_toggle": False,
    }
    assert server.violations == []


async def test_photos_without_a_public_address_are_refused_before_the_commit(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    picture = replace(photo(tmp_path, server), url=None)
    publication = Row().publication(
        account.destination(), Content("a", media=(picture,), options=EVERYONE)
    )
    with pytest.raises(Rejected, match="give Almanac an https URL"):
        await account.platform.prepare(publication)
    assert server.works == {}


async def test_a_lost_answer_leaves_nobody_the_wiser(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    """TikTok has not said under which id it posts, so that nothing is sent again."""
    content = Content("a", media=(photo(tmp_path, server),), options=EVERYONE)
    row = Row()
    publication = row.publication(account.destination(), content)
    assert await account.platform.reconcile(publication) == Absent()
    await account.platform.prepare(publication)
    server.fail(Fault(rig.PHOTOS, lost=True))
    with pytest.raises(Ambiguous):
        await account.platform.commit(publication)
    again = Row().publication(
        publication.destination,
        content,
        handles=row.handles[-1],
        committed_since=datetime.now(UTC),
    )
    assert isinstance(await account.platform.reconcile(again), Unknown)
    server.ripen()
    assert len(server.posts) == 1


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(rig.PHOTOS, 500, rig.error("internal_error")), Ambiguous),
        (Fault(rig.PHOTOS, 503), Ambiguous),
        (Fault(rig.PHOTOS, 401, rig.error("access_token_invalid")), TokenExpired),
        (Fault(rig.PHOTOS, 429, rig.error("rate_limit_exceeded")), RateLimited),
        (Fault(rig.PHOTOS, 403, rig.error("url_ownership_unverified")), Rejected),
        (Fault(rig.PHOTOS, 200, rig.error("invalid_params")), Rejected),
    ],
)
async def test_errors_of_the_commit(
    account: TikTokRig,
    server: TikTokServer,
    tmp_path: Path,
    fault: Fault,
    expected: type[PlatformError],
) -> None:
    publication = Row().publication(
        account.destination(),
        Content("a", media=(photo(tmp_path, server),), options=EVERYONE),
    )
    await account.platform.prepare(publication)
    server.fail(replace(fault))
    with pytest.raises(expected) as failed:
        await account.platform.commit(publication)
    assert type(failed.value) is expected
    assert "accepted" not in publication.handles
    assert server.works == {}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, (Transient, "photo_pull_failed")),
        (b"\x89PNG", (Rejected, "file_format_check_failed")),
        (rig.JPEG + bytes(20_000_000), (Rejected, "picture_size_check_failed")),
    ],
)
async def test_photos_that_tiktok_cannot_use(
    account: TikTokRig,
    server: TikTokServer,
    tmp_path: Path,
    content: bytes | None,
    expected: tuple[type[PlatformError], str],
) -> None:
    picture = photo(tmp_path, server, content or rig.JPEG)
    if content is None:
        server.web.clear()
    publication = Row().publication(
        account.destination(), Content("a", media=(picture,), options=EVERYONE)
    )
    await account.platform.prepare(publication)
    await account.platform.commit(publication)
    handles = dict(publication.handles)
    server.ripen()
    failure, reason = expected
    with pytest.raises(failure, match=reason):
        await account.platform.check(publication)
    again = Row().publication(publication.destination, publication.content, handles=handles)
    found = await account.platform.reconcile(again)
    assert isinstance(found, Absent if failure is Transient else Refused)
    assert server.posts == []


async def test_a_video_for_the_inbox_is_a_draft(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    """It takes no right to publish, and ends where a person completes it."""
    server.granted = ("video.upload",)
    publication = Row().publication(
        account.destination(), Content("a", media=(video(tmp_path),), options=DRAFT)
    )
    await account.platform.prepare(publication)
    assert isinstance(await account.platform.commit(publication), Wait)
    server.ripen()
    assert await account.platform.check(publication) is None
    published = await account.platform.commit(publication)
    assert isinstance(published, Published)
    assert (published.url, published.details["inbox"]) == (None, True)
    assert [post["inbox"] for post in server.posts] == [True]
    assert rig.CREATOR not in [path for _, path in server.calls]
    assert server.violations == []


async def test_too_many_drafts(account: TikTokRig, server: TikTokServer, tmp_path: Path) -> None:
    server.pending_shares = 0
    media = (photo(tmp_path, server),)
    publication = Row().publication(account.destination(), Content("a", media=media, options=DRAFT))
    await account.platform.prepare(publication)
    with pytest.raises(RateLimited, match="publish or discard what waits in TikTok's inbox"):
        await account.platform.commit(publication)
    server.pending_shares = 5
    await account.platform.commit(publication)
    server.ripen()
    [post] = server.posts
    assert post["info"] == {"description": "a"}
    assert server.violations == []
