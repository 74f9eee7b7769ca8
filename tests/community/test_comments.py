"""What is said to posts."""

import pytest

from tests.community.helpers import NOBODY, comment, counts, join, joined, patch, read, remove, say
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio


async def test_comments_and_answers(api: Installation) -> None:
    """The newest first, page by page, each with who said it."""
    ada, bob = await join(api, "ada"), await join(api, "bob")
    post = await say(api, ada)
    first = await comment(api, post, bob, content="One")
    second = await comment(api, post, ada, content="Two", parent_id=first)
    page = await read(api, f"feed/{post}/comments", limit=1)
    (shown,) = page["items"]
    assert shown == {
        "id": second,
        "post_id": post,
        "author": {"id": ada, "username": "ada", "display_name": "ada"},
        "parent_id": first,
        "content": "Two",
        "created_at": shown["created_at"],
        "edited_at": None,
    }
    page = await read(api, f"feed/{post}/comments", cursor=page["next_cursor"])
    assert ([each["id"] for each in page["items"]], page["next_cursor"]) == ([first], None)
    assert await counts(api, post) == (0, 2, 0, 0)


async def test_a_comment_changes_and_goes(api: Installation) -> None:
    """With every answer below it, each counted."""
    ada = await join(api)
    post = await say(api, ada)
    top = await comment(api, post, ada)
    answer = await comment(api, post, ada, parent_id=top)
    await comment(api, post, ada, parent_id=answer)
    other = await comment(api, post, ada)
    changed = await patch(api, f"feed/{post}/comments/{other}", content="Better")
    assert changed["content"] == "Better"
    assert changed["edited_at"] is not None
    await remove(api, f"feed/{post}/comments/{top}", 204)
    await remove(api, f"feed/{post}/comments/{top}", 404)
    items = (await read(api, f"feed/{post}/comments"))["items"]
    assert items == [changed]
    assert await counts(api, post) == (0, 1, 0, 0)
    (entry,) = await api.sql("SELECT detail FROM audit_log WHERE action = 'comments.delete'")
    assert entry.detail == {"comments": 3}


async def test_bad_comments(api: Installation) -> None:
    """N059: told with the reason, and nothing is counted."""
    ada = await join(api)
    post, other = await say(api, ada), await say(api, ada)
    elsewhere = await comment(api, other, ada)
    for body, field, says in (
        ({"content": ""}, "content", "at least 1"),
        ({"content": " \n"}, "content", "says nothing"),
        ({"content": "x" * 1001}, "content", "1000"),
        ({"content": "a\0"}, "content", "not allowed"),
        ({"author_id": NOBODY}, "author_id", "is no member's id"),
        ({"parent_id": NOBODY}, "parent_id", "is no comment of this post"),
        ({"parent_id": elsewhere}, "parent_id", "is no comment of this post"),
    ):
        sent = {"author_id": ada, "content": "Hello", **body}
        reply = await api.post(f"/v1/feed/{post}/comments", sent)
        assert reply.status_code == 422, reply.text
        assert says in problems(reply)[field]
    assert await counts(api, post) == (0, 0, 0, 0)
    assert await api.count("comments") == 1


async def test_comments_that_are_not_there(api: Installation) -> None:
    """404 for an unknown post or comment, and for a comment of another post."""
    ada = await join(api)
    post, other = await joined_posts(api, ada)
    elsewhere = await comment(api, other, ada)
    await read(api, f"feed/{NOBODY}/comments", 404)
    reply = await api.post(f"/v1/feed/{NOBODY}/comments", {"author_id": ada, "content": "x"})
    assert reply.status_code == 404
    for found, of in ((NOBODY, post), (elsewhere, post), (elsewhere, NOBODY)):
        path = f"feed/{of}/comments/{found}"
        await remove(api, path, 404)
        reply = await api.request("PATCH", f"/v1/{path}", json={"content": "Mine"})
        assert reply.status_code == 404
    reply = await api.request(
        "PATCH", f"/v1/feed/{other}/comments/{elsewhere}", json={"content": " "}
    )
    assert problems(reply) == {"content": "says nothing"}
    (shown,) = (await read(api, f"feed/{other}/comments"))["items"]
    assert shown["content"] == "Well said"


async def joined_posts(api: Installation, author: str) -> tuple[str, str]:
    """Make two posts."""
    return await say(api, author), await say(api, author)


async def test_a_reader_writes_nothing(api: Installation) -> None:
    """With content:read one reads comments and no more."""
    (ada,) = await joined(api, 1)
    post = await say(api, ada)
    reader = await api.new_key("content:read", user="bob")
    assert (await api.get(f"/v1/feed/{post}/comments", key=reader)).status_code == 200
    said = {"author_id": ada, "content": "x"}
    reply = await api.post(f"/v1/feed/{post}/comments", said, key=reader)
    assert reply.status_code == 403
    assert await api.count("comments") == 0
