"""Publishing to Instagram, on an emulator that knows the documented requests only."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import (
    Absent,
    Content,
    Published,
    Reference,
    Unknown,
    Wait,
)
from service.platforms.failures import (
    Ambiguous,
    Rejected,
    Transient,
)
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs.instagram import InstagramRig
from tests.platforms.rigs.meta import graph, publish, ready, resumed, stamped
from tests.servers.faults import Fault
from tests.servers.instagram import InstagramServer

pytestmark = pytest.mark.asyncio

PUBLISH = "/media_publish"
CREATE = "/17841400000000001/media"


@pytest.fixture
def server(emulators: Emulators) -> Iterator[InstagramServer]:
    """An empty Instagram; no test may send what is not documented, or publish a container twice."""
    for server in emulators.lend(InstagramServer):
        yield server
        assert server.republished == []


@pytest.fixture
def rig(server: InstagramServer, outbound: Outbound) -> InstagramRig:
    return InstagramRig(server, outbound)


def creations(server: InstagramServer) -> int:
    return server.calls.count(("POST", f"/v25.0{CREATE}"))


def publications(server: InstagramServer) -> int:
    return sum(path.endswith(PUBLISH) for _, path in server.calls)


@pytest.mark.parametrize("name", ["image", "images", "video", "mixed", "story"])
async def test_each_kind_is_published_once(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path, name: str
) -> None:
    """G001, V003, V012: one post with its text, its link and its id."""
    content = rig.contents(tmp_path)[name]
    published = await publish(rig, content)
    [post] = server.posts
    kinds = {"image": "IMAGE", "images": "CAROUSEL", "video": "REELS", "mixed": "CAROUSEL"}
    assert (post["id"], post["text"]) == (published.remote_id, content.text)
    assert post["kind"] == kinds.get(name, "STORY")
    assert published.url == post["permalink"]
    assert len(post["items"]) == (len(content.media) if len(content.media) > 1 else 0)


async def test_texts_and_options_reach_the_containers(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    picture, video = rig.picture(tmp_path, alt="A cat"), rig.video(tmp_path)
    await publish(rig, Content("Hi", link="https://example.com/a", media=(picture,)))
    options = {"share_to_feed": False, "thumb_offset": "1500", "collaborators": ["bob"]}
    await publish(rig, Content("Reel", media=(video,), options=options))
    image, reel = (post["given"] for post in server.posts)
    assert image == {
        "image_url": picture.url,
        "caption": "Hi\n\nhttps://example.com/a",
        "alt_text": "A cat",
    }
    assert reel == {
        "video_url": video.url,
        "media_type": "REELS",
        "caption": "Reel",
        "share_to_feed": False,
        "thumb_offset": 1500,
        "collaborators": ["bob"],
    }


async def test_waiting_is_reading_only(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """A carousel: nothing is made twice while its items are processed, and nothing is published."""
    content = rig.contents(tmp_path)["mixed"]
    row = Row()
    publication = row.publication(rig.destination(), content)
    for _ in range(3):
        await rig.platform.prepare(publication)
        assert isinstance(await rig.platform.check(publication), Wait)
    assert creations(server) == 2
    rig.ripen()
    await rig.platform.prepare(publication)
    assert creations(server) == 3
    assert isinstance(await rig.platform.check(publication), Wait)
    rig.ripen()
    assert await rig.platform.check(publication) is None
    assert server.posts == []


async def test_a_crash_after_any_save_uploads_nothing_twice(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """G010: after each stored handle another worker goes on; three containers are made in all."""
    content, row = rig.contents(tmp_path)["images"], Row()
    publication = row.publication(rig.destination(), content)
    server.instantly = True

    class Crashed(Exception):
        pass

    for _ in range(10):
        publication = resumed(rig, row, publication)
        before = len(row.handles)

        async def save_and_crash(handles: dict[str, object], keep: Row = row) -> None:
            await keep.save(handles)
            raise Crashed

        publication.save = save_and_crash
        try:
            await rig.platform.prepare(publication)
        except Crashed:
            assert len(row.handles) == before + 1
            continue
        break
    assert creations(server) == 3
    last = stamped(resumed(rig, row, publication))
    assert await rig.platform.check(last) is None
    await rig.platform.commit(last)
    assert len(server.posts) == 1


async def test_a_lost_answer_of_the_commit_is_found_out(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """G010: the container tells that it was published; another commit sends nothing."""
    row, content = Row(), rig.contents(tmp_path)["image"]
    publication = await ready(rig, row.publication(rig.destination(), content))
    server.fail(Fault(PUBLISH, lost=True))
    with pytest.raises(Ambiguous, match="the post may be there"):
        await rig.platform.commit(publication)
    again = resumed(rig, row, publication)
    found = await rig.platform.reconcile(again)
    [post] = server.posts
    assert isinstance(found, Published)
    assert (found.remote_id, found.url) == (post["id"], post["permalink"])
    assert await rig.platform.check(again) is None
    assert await rig.platform.commit(again) == found
    assert publications(server) == 1


async def test_spam_block_after_the_post_went_live(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """Code 4, subcode 2207051 looks like a limit, but the post may be out: the container knows."""
    content = rig.contents(tmp_path)["image"]
    publication = await ready(rig, Row().publication(rig.destination(), content))
    server.fail(graph(PUBLISH, 4, 2207051))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    assert await rig.platform.reconcile(publication) == Absent()
    await rig.platform.commit(publication)
    assert len(server.posts) == 1


async def test_of_several_posts_with_one_text_the_right_one_is_found(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    earlier = await publish(rig, Content("Same", media=(rig.picture(tmp_path),)))
    server.advance(timedelta(minutes=10))
    publication = await ready(
        rig, Row().publication(rig.destination(), Content("Same", media=(rig.picture(tmp_path),)))
    )
    publication.committed_since = server.now()
    server.fail(Fault(PUBLISH, lost=True))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    found = await rig.platform.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == server.posts[1]["id"] != earlier.remote_id


async def test_a_post_among_many_is_found(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """On whatever page; when there are too many newer ones, the container's word is enough."""
    row, content = Row(), rig.contents(tmp_path)["image"]
    publication = await ready(rig, row.publication(rig.destination(), content))
    server.fail(Fault(PUBLISH, lost=True))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    [post] = server.posts
    for number in range(150):
        server.media[f"{number}"] = {**post, "id": f"{number}", "text": "Another"}
    found = await rig.platform.reconcile(resumed(rig, row, publication))
    assert isinstance(found, Published)
    assert found.remote_id == post["id"]
    for number in range(150, 1_000):
        server.media[f"{number}"] = {**post, "id": f"{number}", "text": "Another"}
    found = await rig.platform.reconcile(resumed(rig, row, publication))
    container = next(iter(server.containers))
    assert found == Published(container, None, details={"kind": "unknown"})
    reference = Reference(container, found.details)
    assert await rig.platform.metrics(rig.destination(), reference) == {}


async def test_stories_cannot_be_told_apart(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """They have no text. That one was published is certain all the same."""
    row, content = Row(), rig.contents(tmp_path)["story"]
    publication = await ready(rig, row.publication(rig.destination(), content))
    server.fail(Fault(PUBLISH, lost=True))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    found = await rig.platform.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == server.posts[0]["id"]
    await publish(rig, content)
    found = await rig.platform.reconcile(publication)
    assert found == Published(next(iter(server.containers)), None, details={"kind": "unknown"})


async def test_a_crash_behind_the_commit_leaves_the_id(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """It was stored before anything else was asked: even a story is known for certain."""
    row, content = Row(), rig.contents(tmp_path)["story"]
    publication = await ready(rig, row.publication(rig.destination(), content))
    await rig.platform.commit(publication)
    await publish(rig, content)
    found = await rig.platform.reconcile(resumed(rig, row, publication))
    [first, _] = server.posts
    assert found == Published(first["id"], first["permalink"], details={"kind": "story"})


async def test_what_a_container_says_of_an_uncertain_commit(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """Expired or failed: never published. In progress: wait. Gone, and no such post: unknown."""
    content = rig.contents(tmp_path)["image"]
    publication = await ready(rig, Row().publication(rig.destination(), content))
    [upload] = server.containers.values()
    for state, expected in (("EXPIRED", Absent), ("ERROR", Absent), ("IN_PROGRESS", Wait)):
        upload.state = state
        assert isinstance(await rig.platform.reconcile(publication), expected)
    server.containers.clear()
    assert isinstance(await rig.platform.reconcile(publication), Unknown)
    never = Row().publication(rig.destination(), content)
    assert await rig.platform.reconcile(never) == Absent()


async def test_a_lost_answer_before_the_commit_is_transient(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """One container too many may be left behind, which nobody sees; the post is there once."""
    publication = Row().publication(rig.destination(), rig.contents(tmp_path)["image"])
    for path in ("/content_publishing_limit", CREATE):
        server.fail(Fault(path, lost=True, method="POST" if path == CREATE else "GET"))
        with pytest.raises(Transient):
            await rig.platform.prepare(publication)
    assert "container" not in publication.handles
    await ready(rig, publication)
    await rig.platform.commit(publication)
    assert (creations(server), len(server.posts)) == (2, 1)


async def test_the_link_is_not_worth_failing_for(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    row = Row()
    publication = await ready(
        rig, row.publication(rig.destination(), rig.contents(tmp_path)["image"])
    )
    server.fail(Fault("/v25.0/1789", 500, method="GET"))
    published = await rig.platform.commit(publication)
    [post] = server.posts
    assert published == Published(post["id"], None, details={"kind": "post"})
    found = await rig.platform.reconcile(resumed(rig, row, publication))
    assert isinstance(found, Published)
    assert (found.remote_id, found.url) == (post["id"], post["permalink"])


async def test_a_first_comment(rig: InstagramRig, server: InstagramServer, tmp_path: Path) -> None:
    """Below the post; a lost answer is found among the comments."""
    post = await publish(rig, rig.contents(tmp_path)["image"])
    row = Row()
    comment = row.publication(rig.destination(), Content("#one #two", kind="comment"))
    comment.root = comment.reply_to = Reference(post.remote_id, post.details)
    await rig.platform.prepare(comment)
    assert await rig.platform.check(comment) is None
    stamped(comment)
    assert await rig.platform.reconcile(comment) == Absent()
    earlier = {"id": "9", "text": "Hi", "timestamp": server.stamp(), "username": "bob"}
    server.comments[post.remote_id] = [{**earlier, "id": f"9{n}"} for n in range(150)]
    server.fail(Fault("/comments", lost=True, method="POST"))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(comment)
    found = await rig.platform.reconcile(comment)
    written = server.comments[post.remote_id][-1]
    assert isinstance(found, Published)
    assert (found.remote_id, written["text"]) == (written["id"], "#one #two")
    server.comments[post.remote_id] = [{**earlier, "id": f"9{n}"} for n in range(1_001)]
    assert isinstance(await rig.platform.reconcile(comment), Unknown)
    assert (
        await rig.platform.metrics(rig.destination(), Reference(found.remote_id, found.details))
        == {}
    )


async def test_figures(rig: InstagramRig, server: InstagramServer, tmp_path: Path) -> None:
    """Of a story Instagram counts less; an error is raised, never a zero returned."""
    destination = rig.destination()
    for name, expected in (
        ("image", {"views": 9, "likes": 4, "comments": 0, "shares": 0, "saves": 2}),
        ("story", {"views": 9, "shares": 0}),
    ):
        published = await publish(rig, rig.contents(tmp_path)[name])
        server.media[published.remote_id]["insights"] = {"views": 9, "likes": 4, "saved": 2}
        post = Reference(published.remote_id, published.details)
        assert await rig.platform.metrics(destination, post) == expected
    assert await rig.platform.audience(destination) == {
        "followers": 1_234,
        "following": 56,
        "posts": 2,
    }
    server.fail(Fault("/insights", 500))
    with pytest.raises(Transient):
        await rig.platform.metrics(destination, post)
    with pytest.raises(Rejected, match="removes no posts"):
        await rig.platform.delete(destination, post)
