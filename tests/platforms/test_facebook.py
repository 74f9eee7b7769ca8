"""Publishing to Facebook Pages, on an emulator that knows the documented requests only."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import Absent, Content, Published, Reference, Unknown
from service.platforms.facebook.adapter import Facebook
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row, image
from tests.platforms.rigs.facebook import FacebookRig
from tests.platforms.rigs.meta import publish, ready, resumed, stamped
from tests.servers.facebook import FacebookServer
from tests.servers.faults import Fault

pytestmark = pytest.mark.asyncio

FEED = "/feed"
FAILURES = (Transient, RateLimited, TokenExpired, AuthFailed, Rejected, Ambiguous)


@pytest.fixture
def server(emulators: Emulators) -> Iterator[FacebookServer]:
    """An empty Page; no test may send what is not documented."""
    yield from emulators.lend(FacebookServer)


@pytest.fixture
def rig(server: FacebookServer, outbound: Outbound) -> FacebookRig:
    return FacebookRig(server, outbound)


def sent(server: FacebookServer, path: str) -> int:
    return sum(method == "POST" and found.endswith(path) for method, found in server.calls)


@pytest.mark.parametrize("name", ["text", "link", "image", "images", "video", "reel"])
async def test_each_kind_is_published_once(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path, name: str
) -> None:
    """G001, V003: one post with its text, its link and its photos."""
    content = rig.contents(tmp_path)[name]
    published = await publish(rig, content)
    [post] = server.posts
    photos = [file for file in content.media if not file.is_video]
    assert (post["id"], post["text"]) == (published.remote_id, content.text)
    assert (post["link"], len(post["photos"])) == (content.link, len(photos))
    assert published.details == {"kind": post["kind"]}
    video = f"https://www.facebook.com/reel/{post['id']}/"
    assert published.url == (video if post["kind"] in ("video", "reel") else post["permalink"])


async def test_a_link_goes_into_the_text_of_a_photo_post(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    """A card and photos exclude each other; alternative texts go with the photos."""
    media = (rig.picture(tmp_path, alt="A cat"),)
    await publish(rig, Content("Hi", link="https://example.com/a", media=media))
    [post] = server.posts
    assert (post["text"], post["link"]) == ("Hi\n\nhttps://example.com/a", None)
    assert server.photos[post["photos"][0]]["alt"] == "A cat"


async def test_a_crash_after_any_save_uploads_nothing_twice(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    """G010: after each stored photo another worker goes on."""
    content, row = rig.contents(tmp_path)["images"], Row()
    publication = row.publication(rig.destination(), content)
    await rig.platform.prepare(publication)
    assert [len(handles) for handles in row.handles] == [1, 2]
    half = row.publication(rig.destination(), content, handles=row.handles[0])
    await rig.platform.prepare(half)
    assert sent(server, "/photos") == 3
    await rig.platform.prepare(half)
    assert sent(server, "/photos") == 3
    await rig.platform.commit(stamped(half))
    [post] = server.posts
    assert set(post["photos"]) == set(half.handles.values())


async def test_a_photo_whose_answer_was_lost(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    """It is uploaded again; the first is left behind, and nobody sees it."""
    publication = Row().publication(rig.destination(), rig.contents(tmp_path)["image"])
    server.fail(Fault("/photos", lost=True))
    with pytest.raises(Transient):
        await rig.platform.prepare(publication)
    assert publication.handles == {}
    await ready(rig, publication)
    await rig.platform.commit(publication)
    [post] = server.posts
    assert (len(server.photos), len(post["photos"])) == (2, 1)


@pytest.mark.parametrize("name", ["text", "link", "image"])
async def test_a_lost_answer_of_the_commit_is_found_out(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path, name: str
) -> None:
    """G010: the post is found by its text or its photos, not one that looks different."""
    await publish(rig, Content("Another one"))
    row = Row()
    publication = await ready(rig, row.publication(rig.destination(), rig.contents(tmp_path)[name]))
    server.fail(Fault(FEED, lost=True))
    with pytest.raises(Ambiguous, match="the post may be there"):
        await rig.platform.commit(publication)
    found = await rig.platform.reconcile(resumed(rig, row, publication))
    [_, post] = server.posts
    assert found == Published(post["id"], post["permalink"], details={"kind": "post"})
    assert sent(server, FEED) == 2


async def test_a_link_alone_is_found_by_its_address(
    rig: FacebookRig, server: FacebookServer
) -> None:
    content = Content("", link="https://example.com/only")
    publication = stamped(Row().publication(rig.destination(), content))
    server.fail(Fault(FEED, lost=True))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    found = await rig.platform.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == server.posts[0]["id"]


async def test_a_post_among_many_is_found(rig: FacebookRig, server: FacebookServer) -> None:
    """On whatever page."""
    publication = stamped(Row().publication(rig.destination(), Content("Lost")))
    server.fail(Fault(FEED, lost=True))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    [post] = server.posts
    for number in range(150):
        server._new_post(f"{server.page_id}_{number}", f"Post {number}", None, [])
    found = await rig.platform.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == post["id"]


async def test_a_post_that_is_absent_may_be_committed_again(
    rig: FacebookRig, server: FacebookServer
) -> None:
    """One that is older than the commit, though it has the same text, is another."""
    await publish(rig, Content("Same"))
    server.feed[server.posts[0]["id"]]["made_at"] -= timedelta(hours=1)
    row = Row()
    publication = stamped(row.publication(rig.destination(), Content("Same")))
    server.fail(Fault(FEED, 502))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    assert await rig.platform.reconcile(publication) == Absent()
    assert row.handles == [{"looked": True}]
    await rig.platform.commit(publication)
    assert len(server.posts) == 2


async def test_a_duplicate_of_a_repeat_is_our_own_post(
    rig: FacebookRig, server: FacebookServer
) -> None:
    """At first it means a text that was posted before; of a repeat, that we came through."""
    await publish(rig, Content("Twice"))
    publication = stamped(Row().publication(rig.destination(), Content("Twice")))
    with pytest.raises(Rejected, match=r"506.*change the text"):
        await rig.platform.commit(publication)
    publication.handles["looked"] = True
    with pytest.raises(Ambiguous, match="the post may be there"):
        await rig.platform.commit(publication)
    assert len(server.posts) == 1


async def test_too_many_posts_to_look_through(rig: FacebookRig, server: FacebookServer) -> None:
    publication = stamped(Row().publication(rig.destination(), Content("Lost")))
    for number in range(1_001):
        server._new_post(f"{server.page_id}_{number}", f"Post {number}", None, [])
    assert isinstance(await rig.platform.reconcile(publication), Unknown)
    publication.committed_since = None
    assert await rig.platform.reconcile(publication) == Absent()


@pytest.mark.parametrize("expected", [failure.__name__ for failure in FAILURES])
async def test_each_documented_error(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path, expected: str
) -> None:
    """Nothing is posted, and afterwards the very same delivery is published once."""
    for fault in rig.failures()[expected]:
        server.reset()
        publication = Row().publication(rig.destination(), rig.contents(tmp_path)["image"])
        if fault.path == FEED:
            await ready(rig, publication)
        server.fail(fault)
        with pytest.raises(PlatformError, match="Facebook, ") as failed:
            if fault.path == FEED:
                await rig.platform.commit(publication)
            else:
                await rig.platform.prepare(publication)
        kinds = {kind.__name__ for kind in type(failed.value).__mro__}
        assert expected in kinds, (fault, failed.value)
        assert (expected == "TokenExpired") == isinstance(failed.value, TokenExpired)
        assert server.value not in failed.value.message
        assert server.posts == []
        await ready(rig, publication)
        await rig.platform.commit(publication)
        assert len(server.posts) == 1


async def test_a_token_that_expires_between_two_photos(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    """The person's token gives a new one, and only the photo that is missing is uploaded."""
    row, destination = Row(), rig.destination()
    publication = row.publication(destination, rig.contents(tmp_path)["images"])

    async def save_and_expire(handles: dict[str, object]) -> None:
        await row.save(handles)
        if len(handles) == 1:
            rig.expire_tokens()

    publication.save = save_and_expire
    with pytest.raises(TokenExpired):
        await rig.platform.prepare(publication)
    old = destination.session["access_token"]
    destination.session = await rig.platform.refresh(destination)
    assert destination.session["access_token"] != old
    assert destination.session["refresh_token"] == server.person_value
    assert destination.session["page_id"] == server.page_id
    await ready(rig, publication)
    await rig.platform.commit(publication)
    assert (sent(server, "/photos"), len(server.photos), len(server.posts)) == (3, 2, 1)


async def test_a_page_that_cannot_be_renewed(rig: FacebookRig, server: FacebookServer) -> None:
    destination = rig.destination()
    rig.revoke()
    with pytest.raises(AuthFailed, match="connect the Page again"):
        await rig.platform.refresh(destination)
    del destination.session["refresh_token"]
    with pytest.raises(AuthFailed, match="connect the Page again"):
        await rig.platform.refresh(destination)
    destination.session.pop("page_id")
    with pytest.raises(AuthFailed, match="id is not known"):
        await rig.platform.commit(Row().publication(destination, Content("a")))


async def test_a_photo_that_is_none(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path
) -> None:
    """The emulator's own check of the bytes."""
    row = Row()
    file = image(tmp_path, b"no picture", content_type="image/png")
    with pytest.raises(Rejected, match=r"1366046.*JPEG or PNG of at most 4 MB"):
        await rig.platform.prepare(row.publication(rig.destination(), Content("", media=(file,))))
    assert (row.handles, server.photos) == ([], {})
    file.path.unlink()
    with pytest.raises(Rejected, match="cannot be read"):
        await rig.platform.prepare(row.publication(rig.destination(), Content("", media=(file,))))


async def test_a_used_up_limit_pauses_the_page(rig: FacebookRig, server: FacebookServer) -> None:
    """At 100 per cent of any figure; the header counts minutes."""
    entry = {"type": "pages", "call_count": 99, "total_cputime": 100, "total_time": 7}
    server.usage = {server.page_id: [{**entry, "estimated_time_to_regain_access": 42}]}
    published = await publish(rig, Content("a"))
    assert published.pause_until is not None
    wait = published.pause_until - datetime.now(UTC)
    assert timedelta(minutes=41) < wait <= timedelta(minutes=42)
    server.usage = {server.page_id: [{**entry, "total_cputime": 99}]}
    assert (await publish(rig, Content("b"))).pause_until is None


@pytest.mark.parametrize("name", ["text", "video"])
async def test_a_first_comment(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path, name: str
) -> None:
    """Below a post or a video; a lost answer is found among the comments."""
    post = await publish(rig, rig.contents(tmp_path)[name])
    comment = Row().publication(rig.destination(), Content("First!", kind="comment"))
    comment.root = comment.reply_to = Reference(post.remote_id, post.details)
    await rig.platform.prepare(comment)
    assert await rig.platform.check(comment) is None
    stamped(comment)
    assert await rig.platform.reconcile(comment) == Absent()
    server.fail(Fault("/comments", lost=True, method="POST"))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(comment)
    [written] = server.comments[post.remote_id]
    others = [{**written, "id": f"9{n}", "text": "Hi", "from": "8"} for n in range(150)]
    server.comments[post.remote_id] = [written, *others]
    found = await rig.platform.reconcile(comment)
    assert isinstance(found, Published)
    assert (found.remote_id, written["text"]) == (written["id"], "First!")
    await rig.platform.delete(rig.destination(), Reference(found.remote_id, found.details))
    assert server.comments[post.remote_id] == others


async def test_a_post_is_removed_once(rig: FacebookRig, server: FacebookServer) -> None:
    published = await publish(rig, Content("Oops"))
    post = Reference(published.remote_id, published.details)
    await rig.platform.delete(rig.destination(), post)
    assert server.posts == []
    await rig.platform.delete(rig.destination(), post)
    rig.revoke()
    with pytest.raises(AuthFailed):
        await rig.platform.delete(rig.destination(), post)


async def test_figures(rig: FacebookRig, server: FacebookServer, tmp_path: Path) -> None:
    """What Facebook does not tell is left out; an error is raised, never a zero returned."""
    destination, posts = rig.destination(), []
    for name in ("text", "reel"):
        published = await publish(rig, rig.contents(tmp_path)[name])
        posts.append(Reference(published.remote_id, published.details))
    text = {"likes": 6, "comments": 0, "views": 70, "clicks": 5}
    assert await rig.platform.metrics(destination, posts[0]) == text
    reel = {"likes": 3, "comments": 1, "views": 40}
    assert await rig.platform.metrics(destination, posts[1]) == reel
    server.tells_insights = False
    assert await rig.platform.metrics(destination, posts[0]) == {"likes": 6, "comments": 0}
    assert await rig.platform.audience(destination) == {"followers": 777}
    server.fail(Fault(posts[0].remote_id, 500))
    with pytest.raises(Transient):
        await rig.platform.metrics(destination, posts[0])


async def test_what_is_said_of_the_platform() -> None:
    """G030: the limits are data."""
    assert (Facebook.limits.text_units, Facebook.limits.image_bytes) == (63_206, 4_000_000)
    assert (Facebook.retries, Facebook.retry_base) == (3, timedelta(seconds=60))
