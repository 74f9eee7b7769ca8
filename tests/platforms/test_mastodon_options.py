"""Options, threads, removal and numbers on Mastodon, on a server that others wrote."""

from typing import Any

import pytest

from service.platforms.contract import Content, Destination, Reference
from service.platforms.failures import Rejected, Transient
from service.platforms.limits import Replies
from service.platforms.mastodon.adapter import Mastodon
from tests.platforms.helpers import Row
from tests.platforms.test_mastodon import account, publish
from tests.servers.mastodon import MastodonServer

pytestmark = pytest.mark.asyncio


@pytest.fixture
def destination(mastodon_server: MastodonServer) -> Destination:
    return account(mastodon_server, mastodon_server.url)


@pytest.mark.parametrize("visibility", ["public", "unlisted", "private", "direct"])
async def test_what_an_author_chose_is_posted(
    mastodon: Mastodon,
    mastodon_server: MastodonServer,
    destination: Destination,
    visibility: str,
) -> None:
    """It goes before what the account is set to."""
    destination.session["visibility"] = "unlisted"
    options = {
        "visibility": visibility,
        "spoiler_text": "Politics",
        "sensitive": True,
        "language": "de",
    }
    content = Content("Hallo", options=options)
    assert mastodon.validate(content, destination.limits) == []
    await publish(mastodon, Row().publication(destination, content))
    [post] = mastodon_server.posts
    assert {name: post[name] for name in options} == options


async def test_without_options_nothing_of_them_is_sent(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    await publish(mastodon, Row().publication(destination, Content("Hello")))
    [post] = mastodon_server.posts
    assert (post["visibility"], post["spoiler_text"], post["sensitive"]) == ("public", "", False)


async def test_a_thread_and_a_comment_answer_the_post_before(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    first = await publish(mastodon, Row().publication(destination, Content("one")))
    second = Row().publication(destination, Content("two", kind="thread"))
    second.root = second.reply_to = Reference(first.remote_id)
    published = await publish(mastodon, second)
    third = Row().publication(destination, Content("three", kind="comment"))
    third.root, third.reply_to = Reference(first.remote_id), Reference(published.remote_id)
    await publish(mastodon, third)
    shown = {mastodon_server.source(post["id"]): post for post in mastodon_server.posts}
    assert [shown[text]["in_reply_to_id"] for text in ("one", "two", "three")] == [
        None,
        first.remote_id,
        published.remote_id,
    ]
    assert mastodon.replies == Replies.THREADS


async def test_removing_a_post_may_be_repeated(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    published = await publish(mastodon, Row().publication(destination, Content("one")))
    mastodon_server.fault("DELETE", f"/api/v1/statuses/{published.remote_id}", type="status")
    with pytest.raises(Transient, match="Mastodon, removing the post: status 500"):
        await mastodon.delete(destination, Reference(published.remote_id))
    assert len(mastodon_server.posts) == 1
    for _ in range(2):
        await mastodon.delete(destination, Reference(published.remote_id))
        assert mastodon_server.posts == []


async def test_numbers_are_those_of_the_server(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    published = await publish(mastodon, Row().publication(destination, Content("one")))
    post = Reference(published.remote_id)
    answer = Row().publication(destination, Content("two", kind="comment"))
    answer.reply_to = post
    await publish(mastodon, answer)
    mastodon_server.favourite(published.remote_id)
    expected = {"likes": 1, "shares": 0, "comments": 1}
    assert await mastodon.metrics(destination, post) == expected
    audience = await mastodon.audience(destination)
    assert audience.keys() == {"followers", "following", "posts"}
    assert audience["posts"] >= 2


async def test_numbers_are_never_invented(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    published = await publish(mastodon, Row().publication(destination, Content("one")))
    path = f"/api/v1/statuses/{published.remote_id}"
    mastodon_server.fault("GET", path, type="status", status=503)
    with pytest.raises(Transient, match="reading the post's numbers: status 503"):
        await mastodon.metrics(destination, Reference(published.remote_id))
    with pytest.raises(Rejected, match="status 404"):
        await mastodon.metrics(destination, Reference("42"))
    bare = {"id": "1", "created_at": "2026-11-22T00:00:00Z", "content": ""}
    mastodon_server.fault("GET", path, type="status", status=200, body=bare)
    assert await mastodon.metrics(destination, Reference(published.remote_id)) == {}


@pytest.mark.parametrize(
    ("options", "field", "code"),
    [
        ({"visibility": "friends"}, "options.visibility", "option"),
        ({"sensitive": "yes"}, "options.sensitive", "option"),
        ({"language": "English"}, "options.language", "language"),
        ({"focus": ["0,0"]}, "options.focus", "focus"),
        ({"focus": "0,0"}, "options.focus", "option"),
        ({"replies": "nobody"}, "options.replies", "unknown"),
    ],
)
async def test_wrong_options(
    mastodon: Mastodon, options: dict[str, Any], field: str, code: str
) -> None:
    problems = mastodon.validate(Content("a", options=options), mastodon.limits)
    assert [(problem.field, problem.code) for problem in problems] == [(field, code)]


@pytest.mark.parametrize("language", ["en", "pt-BR", "zh-Hant", "kab"])
async def test_languages(mastodon: Mastodon, language: str) -> None:
    content = Content("a", options={"language": language})
    assert mastodon.validate(content, mastodon.limits) == []


async def test_a_content_warning_counts_as_text(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    """As the server counts it: warning and text together, nothing between them."""
    fits = Content("x" * 490, options={"spoiler_text": "y" * 10})
    assert mastodon.validate(fits, destination.limits) == []
    longer = Content("x" * 490, options={"spoiler_text": "y" * 11})
    [problem] = mastodon.validate(longer, destination.limits)
    assert (problem.field, problem.code) == ("text", "too_long")
    assert problem.message.startswith("Too long by 1: 501 ")
