"""Threads, comments, reply controls, removal and numbers on Bluesky."""

from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio

from service.platforms.bluesky.adapter import Bluesky
from service.platforms.bluesky.post import record_key
from service.platforms.contract import Absent, Content, Destination, Published, Reference
from service.platforms.failures import (
    Ambiguous,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from service.platforms.limits import Replies
from tests.platforms.helpers import Row, image
from tests.platforms.test_bluesky import PUT, account, publish
from tests.servers.bluesky import BlueskyServer
from tests.servers.faults import Fault
from tests.servers.proxy import LossyProxy

pytestmark = pytest.mark.asyncio

APPLY = "/xrpc/com.atproto.repo.applyWrites"
THREADGATE = "app.bsky.feed.threadgate"
POSTGATE = "app.bsky.feed.postgate"


@pytest_asyncio.fixture
async def destination(bluesky: Bluesky, bluesky_server: BlueskyServer) -> Destination:
    return await account(bluesky, bluesky_server)


def reference(published: Published) -> Reference:
    return Reference(published.remote_id, published.details)


def strong(published: Published) -> dict[str, object]:
    return {"uri": published.remote_id, "cid": published.details["cid"]}


async def test_a_thread_and_a_comment_name_what_they_answer(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination, tmp_path: Path
) -> None:
    first = await publish(bluesky, Row().publication(destination, Content("one")))
    second = Row().publication(destination, Content("two", kind="thread"))
    second.root = second.reply_to = reference(first)
    published = await publish(bluesky, second)
    comment = Content("three", media=(image(tmp_path),), kind="comment")
    third = Row().publication(destination, comment)
    third.root, third.reply_to = reference(first), reference(published)
    last = await publish(bluesky, third)
    assert [post["record"].get("reply") for post in bluesky_server.posts] == [
        None,
        {"root": strong(first), "parent": strong(first)},
        {"root": strong(first), "parent": strong(published)},
    ]
    assert bluesky_server.posts[2]["uri"] == last.remote_id
    assert bluesky_server.violations == []
    assert bluesky.replies == Replies.THREADS
    assert bluesky.validate(comment, destination.limits) == []


async def test_the_version_of_an_older_post_is_read_once(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination
) -> None:
    """A post that went out before versions were kept can be answered too."""
    first = await publish(bluesky, Row().publication(destination, Content("one")))
    row = Row()
    second = row.publication(destination, Content("two", kind="thread"))
    second.reply_to = Reference(first.remote_id)
    await bluesky.prepare(second)
    assert row.handles == [{f"cid:{first.remote_id}": first.details["cid"]}]
    await publish(bluesky, second)
    reads = [path for _, path in bluesky_server.calls if path.endswith("getRecord")]
    assert len(reads) == 1
    assert bluesky_server.posts[1]["record"]["reply"]["root"] == strong(first)


async def test_an_answer_to_a_removed_post_is_refused(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination
) -> None:
    first = await publish(bluesky, Row().publication(destination, Content("one")))
    await bluesky.delete(destination, reference(first))
    second = Row().publication(destination, Content("two", kind="thread"))
    second.reply_to = Reference(first.remote_id)
    with pytest.raises(Rejected, match="the post that this one answers is gone"):
        await bluesky.prepare(second)
    assert bluesky_server.posts == []


@pytest.mark.parametrize(
    ("choice", "allow"),
    [
        ("everyone", None),
        ("mentioned", [{"$type": f"{THREADGATE}#mentionRule"}]),
        ("followers", [{"$type": f"{THREADGATE}#followerRule"}]),
        ("following", [{"$type": f"{THREADGATE}#followingRule"}]),
        ("nobody", []),
    ],
)
async def test_who_may_reply_is_written_with_the_post(
    bluesky: Bluesky,
    bluesky_server: BlueskyServer,
    destination: Destination,
    choice: str,
    allow: list[dict[str, str]] | None,
) -> None:
    content = Content("a", options={"replies": choice, "languages": ["en", "pt-BR"]})
    assert bluesky.validate(content, destination.limits) == []
    publication = Row().publication(destination, content)
    published = await publish(bluesky, publication)
    [record] = [post["record"] for post in bluesky_server.posts]
    gate = {
        "$type": THREADGATE,
        "post": published.remote_id,
        "createdAt": record["createdAt"],
        "allow": allow,
    }
    rkey = record_key(publication.delivery_id)
    assert bluesky_server.gate(THREADGATE, rkey) == (None if allow is None else gate)
    assert bluesky_server.gate(POSTGATE, rkey) is None
    assert record["langs"] == ["en", "pt-BR"]
    assert await bluesky.commit(publication) == published
    assert len(bluesky_server.posts) == 1
    assert bluesky_server.violations == []


@pytest.mark.parametrize("kind", ["post", "thread"])
async def test_any_post_can_forbid_quotes(
    bluesky: Bluesky,
    bluesky_server: BlueskyServer,
    destination: Destination,
    kind: Literal["post", "thread"],
) -> None:
    first = await publish(bluesky, Row().publication(destination, Content("one")))
    publication = Row().publication(
        destination, Content("two", kind=kind, options={"quotes": False})
    )
    publication.reply_to = reference(first) if kind == "thread" else None
    published = await publish(bluesky, publication)
    rkey = record_key(publication.delivery_id)
    assert bluesky_server.gate(POSTGATE, rkey) == {
        "$type": POSTGATE,
        "post": published.remote_id,
        "createdAt": bluesky_server.posts[1]["record"]["createdAt"],
        "embeddingRules": [{"$type": f"{POSTGATE}#disableRule"}],
    }
    assert len(bluesky_server.records) == 3
    assert bluesky_server.violations == []


async def test_a_later_post_of_a_thread_has_no_gate_of_its_own(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination
) -> None:
    first = await publish(bluesky, Row().publication(destination, Content("one")))
    content = Content("two", kind="thread", options={"replies": "nobody"})
    second = Row().publication(destination, content)
    second.reply_to = reference(first)
    await publish(bluesky, second)
    assert {collection for collection, _ in bluesky_server.records} == {"app.bsky.feed.post"}


async def test_a_lost_answer_to_a_gated_post_is_found_again(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    """A second creation would fail for ever: the repeat looks first and sends nothing."""
    with LossyProxy(bluesky_server.url) as proxy:
        destination, row = await account(bluesky, bluesky_server, url=proxy.url), Row()
        publication = row.publication(destination, Content("a", options={"replies": "nobody"}))
        assert await bluesky.reconcile(publication) == Absent()
        proxy.lose_answer(f"POST {APPLY}")
        with pytest.raises(Ambiguous, match="the post may be there"):
            await bluesky.commit(publication)
        again = row.publication(
            destination,
            publication.content,
            delivery_id=publication.delivery_id,
            handles=row.handles[-1],
        )
        published = await publish(bluesky, again)
        assert await bluesky.reconcile(again) == published
    assert [post["uri"] for post in bluesky_server.posts] == [published.remote_id]
    assert bluesky_server.writes == 2, "the post and its gate, once"


async def test_a_gated_post_is_written_whole_or_not_at_all(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination
) -> None:
    publication = Row().publication(destination, Content("x" * 301, options={"quotes": False}))
    with pytest.raises(Rejected, match="must not be longer than 300 graphemes"):
        await bluesky.commit(publication)
    bluesky_server.points = 5
    small = Row().publication(destination, Content("a", options={"quotes": False}))
    with pytest.raises(RateLimited, match="RateLimitExceeded"):
        await bluesky.commit(small)
    assert bluesky_server.records == {}


async def test_the_last_point_pauses_the_account(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination
) -> None:
    bluesky_server.points = 6
    first = await publish(bluesky, Row().publication(destination, Content("one")))
    assert first.pause_until is None
    last = await publish(bluesky, Row().publication(destination, Content("two")))
    assert last.pause_until is not None


@pytest.mark.parametrize(
    ("options", "field", "code"),
    [
        ({"replies": "friends"}, "options.replies", "option"),
        ({"quotes": "no"}, "options.quotes", "option"),
        ({"languages": ["en", "de", "fr", "it"]}, "options.languages", "too_many_languages"),
        ({"languages": ["englisch"]}, "options.languages", "language"),
        ({"languages": "en"}, "options.languages", "option"),
        ({"visibility": "public"}, "options.visibility", "unknown"),
    ],
)
async def test_wrong_options(
    bluesky: Bluesky, options: dict[str, Any], field: str, code: str
) -> None:
    problems = bluesky.validate(Content("a", options=options), bluesky.limits)
    assert [(problem.field, problem.code) for problem in problems] == [(field, code)]


async def test_removing_a_post_removes_its_gates_and_may_be_repeated(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination
) -> None:
    content = Content("a", options={"replies": "nobody", "quotes": False})
    published = await publish(bluesky, Row().publication(destination, content))
    assert len(bluesky_server.records) == 3
    for _ in range(2):
        await bluesky.delete(destination, reference(published))
        assert bluesky_server.records == {}
    bluesky_server.fail(Fault("deleteRecord", 502))
    with pytest.raises(Transient, match="removing the post: status 502"):
        await bluesky.delete(destination, reference(published))


async def test_numbers_are_those_of_the_network_and_never_invented(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination
) -> None:
    published = await publish(bluesky, Row().publication(destination, Content("a")))
    post = reference(published)
    assert await bluesky.metrics(destination, post) == {}
    bluesky_server.numbers = {
        "likeCount": 5,
        "repostCount": 2,
        "quoteCount": 1,
        "replyCount": 0,
        "bookmarkCount": 4,
    }
    expected = {"likes": 5, "shares": 3, "comments": 0, "saves": 4}
    assert await bluesky.metrics(destination, post) == expected
    assert await bluesky.audience(destination) == {"followers": 12, "following": 3, "posts": 1}
    bluesky_server.fail(Fault("getPosts", 502))
    with pytest.raises(Transient, match="reading the post's numbers: status 502"):
        await bluesky.metrics(destination, post)
    await bluesky.delete(destination, post)
    with pytest.raises(Rejected, match="the post is not there"):
        await bluesky.metrics(destination, post)
    bluesky_server.expire_access()
    with pytest.raises(TokenExpired):
        await bluesky.audience(destination)


async def test_a_put_that_is_repeated_keeps_the_same_version(
    bluesky: Bluesky, bluesky_server: BlueskyServer, destination: Destination
) -> None:
    """Answers to a post stay valid when its commit is repeated."""
    bluesky_server.fail(Fault(PUT, lost=True))
    publication = Row().publication(destination, Content("a"))
    with pytest.raises(Ambiguous):
        await bluesky.commit(publication)
    [post] = bluesky_server.posts
    published = await bluesky.commit(publication)
    assert published.details == {"cid": post["cid"]}
    assert bluesky_server.writes == 2
