"""Publishing to Mastodon, on a server that others wrote.

Checklist: G010, V003.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.errors import InvalidInput
from service.kit.ids import uuid7
from service.kit.outbound import Outbound, OutboundRefused
from service.platforms.contract import Content, Destination, Publication, Published, Wait
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    Transient,
)
from service.platforms.mastodon.adapter import Mastodon
from service.platforms.setup import Setup
from tests.platforms.helpers import Row, image
from tests.servers.mastodon import MastodonServer
from tests.servers.proxy import LossyProxy

pytestmark = pytest.mark.asyncio

TEXT = "Hello <world> & you *all*, see https://example.com/a?b=c#d #news @bob@server.example"
POST = "/api/v1/statuses"
MEDIA = "/api/v2/media"


@pytest.fixture
def destination(mastodon_server: MastodonServer) -> Destination:
    return account(mastodon_server, mastodon_server.url)


def account(server: MastodonServer, url: str, **session: object) -> Destination:
    return Destination(
        id=uuid7(),
        handle="mock",
        base_url=url,
        credentials={"access_token": server.token},
        limits=Mastodon.limits,
        session={"account_id": server.account_id, **session},
    )


async def publish(mastodon: Mastodon, publication: Publication) -> Published:
    await mastodon.prepare(publication)
    assert await mastodon.check(publication) is None
    return await mastodon.commit(publication)


async def test_connecting_reads_the_account_and_its_limits(
    mastodon: Mastodon, mastodon_server: MastodonServer
) -> None:
    credentials = {"access_token": f" {mastodon_server.token}\n", "visibility": "unlisted"}
    profile = await mastodon.connect(f"{mastodon_server.url}/@someone", credentials)
    assert profile.base_url == mastodon_server.url
    port = mastodon_server.url.rpartition(":")[2]
    assert profile.handle.endswith(f"@localhost:{port}")
    assert profile.display_name
    assert profile.session == {
        "account_id": mastodon_server.account_id,
        "visibility": "unlisted",
    }
    limits = profile.limits
    assert (limits.text_units, limits.unit, limits.url_units) == (500, "mastodon", 23)
    assert (limits.images, limits.image_bytes) == (4, 10_485_760)
    assert limits.image_types == ("image/jpeg", "image/png", "image/gif", "image/webp")
    assert limits.videos == (1 if limits.video else 0)


async def test_connecting_with_wrong_input(
    mastodon: Mastodon, mastodon_server: MastodonServer
) -> None:
    with pytest.raises(InvalidInput, match="access_token: Missing"):
        await mastodon.connect(mastodon_server.url, {})
    with pytest.raises(InvalidInput, match="base_url: Missing"):
        await mastodon.connect("", {"access_token": "x"})
    with pytest.raises(InvalidInput, match="'secret' is not one of public, unlisted, private"):
        await mastodon.connect(mastodon_server.url, {"access_token": "x", "visibility": "secret"})
    with pytest.raises(AuthFailed, match="Mastodon, reading the account: status 401"):
        await mastodon.connect(mastodon_server.url, {"access_token": "wrong"})


async def test_connecting_to_something_else(
    mastodon: Mastodon, mastodon_server: MastodonServer
) -> None:
    mastodon_server.fault("GET", "/api/v2/instance", type="malformed")
    credentials = {"access_token": mastodon_server.token}
    with pytest.raises(Transient, match=r"reading the server's limits.*not understood"):
        await mastodon.connect(mastodon_server.url, credentials)


async def test_a_private_server_is_refused(mastodon_server: MastodonServer) -> None:
    """The message says which setting opens it; for a delivery it is final."""
    async with Outbound() as outbound:
        with pytest.raises(OutboundRefused, match="ALMANAC_ALLOWED_PRIVATE_HOSTS") as refused:
            await Mastodon(Setup(outbound)).connect(mastodon_server.url, {"access_token": "x"})
    assert isinstance(refused.value, Rejected)


async def test_text_images_and_link_are_published_once_under_repeats(
    mastodon: Mastodon,
    mastodon_server: MastodonServer,
    destination: Destination,
    tmp_path: Path,
) -> None:
    """G010: a repeat of the commit, however it comes about, makes no second post."""
    content = Content(
        "Two pictures",
        link="https://example.com/story",
        media=(image(tmp_path, alt="A cat"), image(tmp_path, content_type="image/jpeg")),
    )
    row = Row()
    publication = row.publication(destination, content)
    published = await publish(mastodon, publication)
    repeats = await asyncio.gather(*(mastodon.commit(publication) for _ in range(4)))
    assert repeats == [published] * 4
    [post] = mastodon_server.posts
    assert (post["id"], post["url"]) == (published.remote_id, published.url)
    assert mastodon_server.source(post["id"]) == "Two pictures\n\nhttps://example.com/story"
    assert [media["description"] for media in post["media_attachments"]] == ["A cat", None]
    ids = [media["id"] for media in post["media_attachments"]]
    assert row.handles[-1] == dict(
        zip([f"media:{file.id}" for file in content.media], ids, strict=True)
    )


async def test_visibility(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    destination.session["visibility"] = "unlisted"
    await publish(mastodon, Row().publication(destination, Content("quiet")))
    assert mastodon_server.posts[0]["visibility"] == "unlisted"


async def test_images_are_not_uploaded_again_after_a_crash(
    mastodon: Mastodon,
    mastodon_server: MastodonServer,
    destination: Destination,
    tmp_path: Path,
) -> None:
    """The process dies at the second of three uploads; the next one begins with the second."""
    content = Content("Three", media=tuple(image(tmp_path) for _ in range(3)))
    row = Row()
    crashing = row.publication(destination, content)

    async def crash_at_second(handles: dict[str, object]) -> None:
        if len(handles) == 2:
            raise KeyboardInterrupt
        await row.save(handles)

    crashing.save = crash_at_second
    before = mastodon_server.uploads
    with pytest.raises(KeyboardInterrupt):
        await mastodon.prepare(crashing)
    again = row.publication(
        destination, content, delivery_id=crashing.delivery_id, handles=row.handles[-1]
    )
    await publish(mastodon, again)
    assert mastodon_server.uploads - before == 4, "one upload was not stored, the others were"
    assert len(mastodon_server.posts[0]["media_attachments"]) == 3
    assert [len(handles) for handles in row.handles] == [1, 2, 3]


async def test_an_image_that_is_being_processed_is_waited_for(
    mastodon: Mastodon,
    mastodon_server: MastodonServer,
    destination: Destination,
    tmp_path: Path,
) -> None:
    media_id = mastodon_server.add_media(b"picture")
    processing = {"id": media_id, "type": "image", "url": None}
    mastodon_server.fault("POST", MEDIA, type="status", status=202, body=processing)
    asking = f"/api/v1/media/{media_id}"
    mastodon_server.fault("GET", asking, type="status", status=206, body=processing)
    row = Row()
    publication = row.publication(destination, Content("a", media=(image(tmp_path),)))
    await mastodon.prepare(publication)
    waiting = await mastodon.check(publication)
    assert waiting == Wait(2.0, "Mastodon is still processing an image")
    assert await mastodon.check(publication) is None
    assert list(row.handles[-1].values()) == [media_id]
    published = await mastodon.commit(publication)
    assert published.remote_id == mastodon_server.posts[0]["id"]
    assert mastodon_server.posts[0]["media_attachments"][0]["id"] == media_id


async def test_an_image_that_the_server_lost_is_uploaded_again(
    mastodon: Mastodon,
    mastodon_server: MastodonServer,
    destination: Destination,
    tmp_path: Path,
) -> None:
    gone = {"id": "424242", "type": "image", "url": None}
    mastodon_server.fault("POST", MEDIA, type="status", status=202, body=gone)
    row = Row()
    publication = row.publication(destination, Content("a", media=(image(tmp_path),)))
    await mastodon.prepare(publication)
    with pytest.raises(Transient, match="no longer has an image"):
        await mastodon.check(publication)
    assert row.handles[-1] == {}
    await publish(mastodon, publication)
    assert len(mastodon_server.posts[0]["media_attachments"]) == 1


async def test_a_missing_file_is_final(
    mastodon: Mastodon, destination: Destination, tmp_path: Path
) -> None:
    file = image(tmp_path)
    file.path.unlink()
    publication = Row().publication(destination, Content("a", media=(file,)))
    with pytest.raises(Rejected, match="cannot be read: No such file"):
        await mastodon.prepare(publication)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, AuthFailed),
        (403, AuthFailed),
        (404, Rejected),
        (422, Rejected),
        (500, Ambiguous),
        (503, Ambiguous),
    ],
)
async def test_failures_of_the_commit(
    mastodon: Mastodon,
    mastodon_server: MastodonServer,
    destination: Destination,
    status: int,
    expected: type[PlatformError],
) -> None:
    mastodon_server.fault("POST", POST, type="status", status=status)
    publication = Row().publication(destination, Content("a"))
    with pytest.raises(expected) as failed:
        await mastodon.commit(publication)
    assert type(failed.value) is expected
    assert failed.value.message.startswith(f"Mastodon, posting: status {status}: ")
    assert mastodon_server.token not in failed.value.message
    assert mastodon_server.posts == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [(401, AuthFailed), (413, Rejected), (422, Rejected), (500, Transient), (502, Transient)],
)
async def test_failures_of_an_upload(
    mastodon: Mastodon,
    mastodon_server: MastodonServer,
    tmp_path: Path,
    status: int,
    expected: type[PlatformError],
) -> None:
    mastodon_server.fault("POST", MEDIA, type="status", status=status)
    row, destination = Row(), account(mastodon_server, mastodon_server.url)
    publication = row.publication(destination, Content("a", media=(image(tmp_path),)))
    with pytest.raises(expected, match=f"Mastodon, uploading an image: status {status}"):
        await mastodon.prepare(publication)
    assert row.handles == []


async def test_what_the_server_itself_refuses(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    """The real checks of the server, not injected faults."""
    with pytest.raises(Rejected, match="status 422: Validation failed: Text is too long"):
        await mastodon.commit(Row().publication(destination, Content("x" * 501)))
    destination.credentials = {"access_token": "revoked"}
    with pytest.raises(AuthFailed, match="status 401"):
        await mastodon.commit(Row().publication(destination, Content("a")))
    assert mastodon_server.posts == []


async def test_a_rate_limit_says_until_when(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    mastodon_server.fault("POST", POST, type="ratelimit", headers={"Retry-After": "17"})
    started = datetime.now(UTC)
    with pytest.raises(RateLimited) as limited:
        await mastodon.commit(Row().publication(destination, Content("a")))
    waited = (limited.value.until - started).total_seconds()
    assert 17 <= waited < 18
    assert mastodon_server.posts == []


async def test_a_lost_answer_is_ambiguous_and_a_repeat_finds_the_post(
    mastodon: Mastodon, mastodon_server: MastodonServer
) -> None:
    """The server posted, the answer was lost: within the hour the key gives the post back."""
    with LossyProxy(mastodon_server.url) as proxy:
        publication = Row().publication(account(mastodon_server, proxy.url), Content(TEXT))
        proxy.lose_answer(f"POST {POST}")
        with pytest.raises(Ambiguous, match="the post may be there"):
            await mastodon.commit(publication)
        published = await mastodon.commit(publication)
    assert [post["id"] for post in mastodon_server.posts] == [published.remote_id]
    assert proxy.lost == 1


async def test_the_commit_has_a_deadline(
    mastodon: Mastodon,
    mastodon_server: MastodonServer,
    destination: Destination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mastodon, "commit_deadline", timedelta(seconds=0.3))
    mastodon_server.fault("POST", POST, type="latency", delay_ms=1_000)
    publication = Row().publication(destination, Content("slow"))
    with pytest.raises(Ambiguous, match=r"no whole answer within 0\.3 s"):
        await mastodon.commit(publication)


async def test_a_request_that_never_left_is_transient(
    mastodon: Mastodon, mastodon_server: MastodonServer
) -> None:
    destination = account(mastodon_server, "http://127.0.0.1:1")
    with pytest.raises(Transient, match="Mastodon, posting: no connection"):
        await mastodon.commit(Row().publication(destination, Content("a")))


async def test_an_upload_whose_answer_is_lost_is_transient(
    mastodon: Mastodon, mastodon_server: MastodonServer, tmp_path: Path
) -> None:
    with LossyProxy(mastodon_server.url) as proxy:
        content = Content("a", media=(image(tmp_path),))
        publication = Row().publication(account(mastodon_server, proxy.url), content)
        proxy.lose_answer(f"POST {MEDIA}")
        with pytest.raises(Transient):
            await mastodon.prepare(publication)


async def test_a_success_that_is_not_understood_is_ambiguous(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    mastodon_server.fault("POST", POST, type="malformed")
    with pytest.raises(Ambiguous, match="not understood"):
        await mastodon.commit(Row().publication(destination, Content("a")))


async def test_handles_are_json(
    mastodon: Mastodon, destination: Destination, tmp_path: Path
) -> None:
    row = Row()
    publication = row.publication(destination, Content("a", media=(image(tmp_path),)))
    await mastodon.prepare(publication)
    assert json.loads(json.dumps(publication.handles)) == row.handles[-1]
