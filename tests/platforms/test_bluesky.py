"""Publishing to Bluesky, on an emulator that is strict about the protocol.

Checklist: G010, V003.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.errors import InvalidInput
from service.kit.ids import uuid7
from service.platforms import fitting
from service.platforms.bluesky.adapter import Bluesky
from service.platforms.bluesky.post import record_key
from service.platforms.contract import Absent, Content, Destination, Publication, Published
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    Transient,
)
from tests.platforms.helpers import Row, image
from tests.servers.bluesky import BlueskyServer
from tests.servers.faults import Fault
from tests.servers.proxy import LossyProxy

pytestmark = pytest.mark.asyncio

CREDENTIALS = {"identifier": BlueskyServer.handle, "app_password": BlueskyServer.password}
PUT = "/xrpc/com.atproto.repo.putRecord"
UPLOAD = "/xrpc/com.atproto.repo.uploadBlob"
REFRESH = "/xrpc/com.atproto.server.refreshSession"


async def account(
    bluesky: Bluesky, server: BlueskyServer, *, url: str | None = None
) -> Destination:
    """Connect, as a person would, and return the account."""
    profile = await bluesky.connect(url or server.url, CREDENTIALS)
    return Destination(
        id=uuid7(),
        handle=profile.handle,
        base_url=profile.base_url,
        credentials=CREDENTIALS,
        limits=profile.limits,
        session=profile.session,
    )


async def publish(bluesky: Bluesky, publication: Publication) -> Published:
    await bluesky.prepare(publication)
    assert await bluesky.check(publication) is None
    return await bluesky.commit(publication)


async def test_connecting_logs_in(bluesky: Bluesky, bluesky_server: BlueskyServer) -> None:
    profile = await bluesky.connect(
        f"{bluesky_server.url}/", {**CREDENTIALS, "identifier": " @alice.test "}
    )
    assert (profile.handle, profile.base_url) == ("alice.test", bluesky_server.url)
    assert profile.limits == Bluesky.limits
    assert profile.session["did"] == bluesky_server.did
    assert bluesky_server.logins == 1


async def test_connecting_with_wrong_input(bluesky: Bluesky, bluesky_server: BlueskyServer) -> None:
    with pytest.raises(InvalidInput, match="app_password: Missing"):
        await bluesky.connect(bluesky_server.url, {"identifier": "alice.test"})
    wrong = {**CREDENTIALS, "app_password": "wrong-pass-word"}
    with pytest.raises(AuthFailed) as refused:
        await bluesky.connect(bluesky_server.url, wrong)
    assert refused.value.message == (
        "Bluesky, logging in: status 401: AuthenticationRequired: Invalid identifier or password"
    )
    for _ in range(30):
        await bluesky.connect(bluesky_server.url, CREDENTIALS)
    with pytest.raises(RateLimited):
        await bluesky.connect(bluesky_server.url, CREDENTIALS)


async def test_text_images_and_link_are_published_once_under_repeats(
    bluesky: Bluesky, bluesky_server: BlueskyServer, tmp_path: Path
) -> None:
    """G010: a repeat writes the very same record, under the key of the delivery."""
    content = Content(
        "Grüße 👩‍🚀 @bob.test @nobody.test #müll",
        link="https://example.com/ä",
        media=(
            image(tmp_path, b"one", alt="A cat"),
            image(tmp_path, b"two", content_type="image/jpeg"),
        ),
    )
    row = Row()
    publication = row.publication(await account(bluesky, bluesky_server), content)
    published = await publish(bluesky, publication)
    [first] = bluesky_server.posts
    repeats = await asyncio.gather(*(bluesky.commit(publication) for _ in range(4)))
    assert repeats == [published] * 4
    assert bluesky_server.posts == [first]
    rkey = record_key(publication.delivery_id)
    assert published == Published(
        f"at://{bluesky_server.did}/app.bsky.feed.post/{rkey}",
        f"https://bsky.app/profile/alice.test/post/{rkey}",
        {"cid": first["cid"]},
    )
    record = first["record"]
    assert record["text"] == f"{content.text}\n\nhttps://example.com/ä"
    assert [facet["features"][0]["$type"].partition("#")[2] for facet in record["facets"]] == [
        "link",
        "mention",
        "tag",
    ]
    images = record["embed"]["images"]
    assert [picture["alt"] for picture in images] == ["A cat", ""]
    assert [picture["image"]["size"] for picture in images] == [3, 3]
    assert [picture["image"]["mimeType"] for picture in images] == ["image/png", "image/jpeg"]
    assert (bluesky_server.uploads, bluesky_server.logins) == (2, 1)
    written = datetime.fromisoformat(record["createdAt"])
    assert timedelta(0) <= datetime.now(UTC) - written < timedelta(seconds=10)
    assert row.handles[-1]["created_at"] == record["createdAt"]


async def test_a_link_without_images_is_a_card(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    destination = await account(bluesky, bluesky_server)
    content = Content("News", link="https://example.com/a")
    await publish(bluesky, Row().publication(destination, content))
    record = bluesky_server.posts[0]["record"]
    assert record["text"] == "News"
    assert record["embed"]["external"]["uri"] == "https://example.com/a"


async def test_images_are_not_uploaded_again_after_a_crash(
    bluesky: Bluesky, bluesky_server: BlueskyServer, tmp_path: Path
) -> None:
    content = Content("Three", media=tuple(image(tmp_path, bytes([n])) for n in range(3)))
    row, destination = Row(), await account(bluesky, bluesky_server)
    crashing = row.publication(destination, content)

    async def crash_at_second(handles: dict[str, object]) -> None:
        if len(handles) == 2:
            raise KeyboardInterrupt
        await row.save(handles)

    crashing.save = crash_at_second
    with pytest.raises(KeyboardInterrupt):
        await bluesky.prepare(crashing)
    again = row.publication(
        destination, content, delivery_id=crashing.delivery_id, handles=row.handles[-1]
    )
    await publish(bluesky, again)
    assert bluesky_server.uploads == 4, "one upload was not stored, the others were"
    assert len(bluesky_server.posts[0]["record"]["embed"]["images"]) == 3


async def test_a_repeat_by_another_process_is_identical(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    """The time of the record is stored before the first commit, so the repeat has the same."""
    row, destination = Row(), await account(bluesky, bluesky_server)
    publication = row.publication(destination, Content("a"))
    await publish(bluesky, publication)
    [first] = bluesky_server.posts
    await asyncio.sleep(0.01)
    again = row.publication(
        destination,
        publication.content,
        delivery_id=publication.delivery_id,
        handles=row.handles[-1],
    )
    await publish(bluesky, again)
    assert bluesky_server.posts == [first]
    assert bluesky_server.writes == 2


async def test_a_lost_answer_is_ambiguous_and_found_again(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    with LossyProxy(bluesky_server.url) as proxy:
        destination = await account(bluesky, bluesky_server, url=proxy.url)
        publication = Row().publication(destination, Content("a"))
        assert await bluesky.reconcile(publication) == Absent()
        proxy.lose_answer(f"POST {PUT}")
        with pytest.raises(Ambiguous, match="the post may be there"):
            await bluesky.commit(publication)
        found = await bluesky.reconcile(publication)
        assert isinstance(found, Published)
        assert await bluesky.commit(publication) == found
    assert [post["uri"] for post in bluesky_server.posts] == [found.remote_id]


async def test_a_commit_that_never_arrived_is_absent(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    with LossyProxy(bluesky_server.url) as proxy:
        destination = await account(bluesky, bluesky_server, url=proxy.url)
        publication = Row().publication(destination, Content("a"))
        proxy.refuse(f"POST {PUT}")
        with pytest.raises(Ambiguous):
            await bluesky.commit(publication)
        assert await bluesky.reconcile(publication) == Absent()
        await bluesky.commit(publication)
    assert len(bluesky_server.posts) == 1


@pytest.mark.parametrize(("status", "error"), [(502, ""), (500, "InternalServerError")])
async def test_an_outage_at_the_look_up_is_no_absence(
    bluesky: Bluesky, bluesky_server: BlueskyServer, status: int, error: str
) -> None:
    publication = Row().publication(await account(bluesky, bluesky_server), Content("a"))
    bluesky_server.fail(Fault("getRecord", status, {"error": error}))
    with pytest.raises(Transient, match=f"looking for the post: status {status}"):
        await bluesky.reconcile(publication)
    assert await bluesky.reconcile(publication) == Absent()


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, "InvalidRequest", Rejected),
        (401, "AuthenticationRequired", AuthFailed),
        (400, "AccountTakedown", AuthFailed),
        (413, "PayloadTooLarge", Rejected),
        (500, "InternalServerError", Ambiguous),
        (503, "NotEnoughResources", Ambiguous),
    ],
)
async def test_failures_of_the_commit(
    bluesky: Bluesky,
    bluesky_server: BlueskyServer,
    status: int,
    error: str,
    expected: type[PlatformError],
) -> None:
    destination = await account(bluesky, bluesky_server)
    body = {"error": error, "message": f"token {destination.session['accessJwt']}"}
    bluesky_server.fail(Fault(PUT, status, body))
    with pytest.raises(expected) as failed:
        await bluesky.commit(Row().publication(destination, Content("a")))
    assert type(failed.value) is expected
    assert failed.value.message.startswith(f"Bluesky, posting: status {status}: {error}: token ***")
    assert bluesky_server.posts == []


@pytest.mark.parametrize(("status", "expected"), [(413, Rejected), (502, Transient)])
async def test_failures_of_an_upload(
    bluesky: Bluesky,
    bluesky_server: BlueskyServer,
    tmp_path: Path,
    status: int,
    expected: type[PlatformError],
) -> None:
    bluesky_server.fail(Fault(UPLOAD, status))
    row, destination = Row(), await account(bluesky, bluesky_server)
    publication = row.publication(destination, Content("a", media=(image(tmp_path),)))
    with pytest.raises(expected, match=f"Bluesky, uploading an image: status {status}"):
        await bluesky.prepare(publication)
    assert row.handles == []


async def test_what_the_lexicon_refuses(bluesky: Bluesky, bluesky_server: BlueskyServer) -> None:
    destination = await account(bluesky, bluesky_server)
    with pytest.raises(Rejected, match="must not be longer than 300 graphemes"):
        await bluesky.commit(Row().publication(destination, Content("x" * 301)))
    await bluesky.commit(Row().publication(destination, Content("x" * 300)))
    await bluesky.commit(Row().publication(destination, Content("👩‍🚀" * 272 + "x" * 8)))
    assert len(bluesky_server.posts) == 2


async def test_an_image_over_the_limit_is_refused_by_the_record(
    bluesky: Bluesky, bluesky_server: BlueskyServer, tmp_path: Path
) -> None:
    """The upload takes 50 MB, the record 2,000,000 bytes: larger images are made smaller before."""
    destination = await account(bluesky, bluesky_server)
    content = Content("a", media=(image(tmp_path, bytes(2_000_001)),))
    assert fitting.plan(content.media[0], destination.limits) is not None
    with pytest.raises(Rejected, match="blob is larger than 2000000 bytes"):
        await publish(bluesky, Row().publication(destination, content))
    assert bluesky_server.posts == []


async def test_a_rate_limit_says_until_when_and_the_post_stays_new(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    """A post that waits for hours must not carry the time of its first attempt."""
    reset = int(datetime.now(UTC).timestamp()) + 600
    bluesky_server.fail(Fault(PUT, 429, headers={"RateLimit-Reset": str(reset)}))
    row, destination = Row(), await account(bluesky, bluesky_server)
    publication = row.publication(destination, Content("a"))
    with pytest.raises(RateLimited) as limited:
        await bluesky.commit(publication)
    assert limited.value.until.timestamp() == reset
    assert bluesky_server.posts == []
    assert row.handles[-1] == {}


async def test_forgotten_blobs_are_uploaded_again(
    bluesky: Bluesky, bluesky_server: BlueskyServer, tmp_path: Path
) -> None:
    row, destination = Row(), await account(bluesky, bluesky_server)
    publication = row.publication(destination, Content("a", media=(image(tmp_path),)))
    await bluesky.prepare(publication)
    bluesky_server.forget_blobs()
    with pytest.raises(Transient, match=r"BlobNotFound.*will be uploaded again"):
        await bluesky.commit(publication)
    assert row.handles[-1] == {}
    await publish(bluesky, publication)
    assert (len(bluesky_server.posts), bluesky_server.uploads) == (1, 2)
    assert bluesky_server.violations == []


async def test_mentions_need_an_answer(bluesky: Bluesky, bluesky_server: BlueskyServer) -> None:
    """That nobody has a handle is an answer; an outage is not, and is tried again."""
    bluesky_server.fail(Fault("/xrpc/com.atproto.identity.resolveHandle", 502))
    row, destination = Row(), await account(bluesky, bluesky_server)
    publication = row.publication(destination, Content("hi @bob.test and @nobody.test"))
    with pytest.raises(Transient, match="resolving a mention"):
        await bluesky.prepare(publication)
    await publish(bluesky, publication)
    [facet] = bluesky_server.posts[0]["record"]["facets"]
    assert facet["features"][0]["did"] == bluesky_server.known_handles["bob.test"]
    assert row.handles[1] == {
        "did:bob.test": bluesky_server.known_handles["bob.test"],
        "did:nobody.test": None,
    }


async def test_the_commit_has_a_deadline(
    bluesky: Bluesky, bluesky_server: BlueskyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = await account(bluesky, bluesky_server)
    monkeypatch.setattr(bluesky, "commit_deadline", timedelta(seconds=0.4))
    bluesky_server.fail(Fault(PUT, delay=1.0))
    with pytest.raises(Ambiguous):
        await bluesky.commit(Row().publication(destination, Content("a")))
