"""The feed: who sees what, in which order, page by page."""

from typing import Any
from uuid import UUID

import pytest

from service.community.rules import sees
from service.kit.pagination import pack
from tests.community.helpers import (
    NOBODY,
    comment,
    counts,
    feed,
    good,
    join,
    joined,
    patch,
    put,
    read,
    remove,
    say,
)
from tests.support import PNG, Installation, problems

pytestmark = pytest.mark.asyncio
KINDS = ("public", "followers", "private")


async def _upload(api: Installation, **options: Any) -> str:
    file = {"file": ("dot.png", PNG, "image/png")}
    made: str = (await good(api.request("POST", "/v1/media", files=file, **options), 201))["id"]
    return made


@pytest.mark.parametrize("order", ["top", "new"])
async def test_who_sees_what(api: Installation, order: str) -> None:
    """N008: each kind of post and each who looks, in feeds, by its id, and in what they may do."""
    author, follower, followed, stranger = await joined(api, 4)
    await put(api, f"members/{follower}/following/{author}")
    await put(api, f"members/{author}/following/{followed}")
    posts = {kind: await say(api, author, kind, visibility=kind) for kind in KINDS}
    lookers = {author: (True, False), follower: (False, True)}
    lookers |= dict.fromkeys((followed, stranger), (False, False))
    for viewer, (is_author, follows) in lookers.items():
        seen = {kind for kind in KINDS if sees(kind, is_author=is_author, follows=follows)}
        for params in ({}, {"author": author}):
            shown = await feed(api, viewer=viewer, order=order, **params)
            assert set(shown) == {posts[kind] for kind in seen}
            assert len(shown) == len(seen)
        for kind, post in posts.items():
            status = 200 if kind in seen else 404
            await read(api, f"feed/{post}", status, viewer=viewer)
            await read(api, f"feed/{post}/comments", status, viewer=viewer)
            await put(api, f"feed/{post}/likes/{viewer}", status)
            await put(api, f"feed/{post}/shares/{viewer}", status)
            said = {"author_id": viewer, "content": "Well said"}
            reply = await api.post(f"/v1/feed/{post}/comments", said)
            assert reply.status_code == (201 if kind in seen else 404)
    for post, number in zip(posts.values(), (4, 2, 1), strict=True):
        assert await counts(api, post) == (number, number, number, 0)


async def test_everybody_sees_what_is_public(api: Installation) -> None:
    """Without a viewer the feed is the public one; one post is shown to the team whatever it is."""
    author = await join(api)
    public, followers, private = [await say(api, author, kind, visibility=kind) for kind in KINDS]
    assert await feed(api) == await feed(api, author=author) == [public]
    for post in (followers, private):
        assert (await read(api, f"feed/{post}"))["id"] == post
    await read(api, f"feed/{NOBODY}", 404)
    for params in ({"viewer": NOBODY}, {"author": NOBODY}):
        found = await api.get("/v1/feed", params=params)
        assert problems(found) == dict.fromkeys(params, "is no member's id")


async def test_a_post_as_it_is_shown(api: Installation) -> None:
    """With its author, files, hashtags and counts, and whether the viewer likes it."""
    author, reader = await join(api, "ada", display_name="Ada L."), await join(api)
    file = await _upload(api)
    body = {"author_id": author, "content": "Hello #World #world", "media_ids": [file]}
    made = await good(api.post("/v1/feed", body), 201)
    assert made == {
        "id": made["id"],
        "author": {"id": author, "username": "ada", "display_name": "Ada L."},
        "content": "Hello #World #world",
        "media_ids": [file],
        "hashtags": ["world"],
        "visibility": "public",
        "likes_count": 0,
        "comments_count": 0,
        "shares_count": 0,
        "views_count": 0,
        "engagement_score": 0.0,
        "liked": None,
        "created_at": made["created_at"],
        "edited_at": None,
        "archived_at": None,
    }
    assert await read(api, f"feed/{made['id']}") == made
    await put(api, f"feed/{made['id']}/likes/{reader}")
    seen = [
        (await read(api, "feed", viewer=viewer))["items"][0]["liked"] for viewer in (reader, author)
    ]
    assert seen == [True, False]


async def _score(api: Installation, scores: dict[str, float]) -> None:
    for post, score in scores.items():
        await api.sql(
            "UPDATE feed_posts SET engagement_score = CAST(:score AS numeric) WHERE id = :id",
            score=str(score),
            id=UUID(post),
        )


async def test_the_feed_follows_the_score(api: Installation) -> None:
    """N008: the highest score first, of equal ones the newest; `new` does not look at scores."""
    author = await join(api)
    posts = [await say(api, author, str(n)) for n in range(5)]
    await _score(api, {posts[1]: 15.4, posts[3]: 15.4, posts[0]: 2.5, posts[4]: -0.1})
    by_score = [posts[3], posts[1], posts[0], posts[2], posts[4]]
    assert await feed(api) == await feed(api, author=author) == by_score
    assert (await read(api, f"feed/{posts[1]}"))["engagement_score"] == 15.4
    assert (
        await feed(api, order="new") == await feed(api, order="new", author=author) == posts[::-1]
    )


@pytest.mark.parametrize("order", ["top", "new"])
@pytest.mark.parametrize("one", [False, True])
async def test_pages_have_every_post_once(api: Installation, order: str, one: bool) -> None:
    """N008: though posts are added, and liked, and deleted between one page and the next."""
    viewer, author, friend = await joined(api, 3)
    await put(api, f"members/{viewer}/following/{friend}")
    if one:
        viewer = friend = author
    posts = []
    for n in range(12):
        who, kind = ((author, "public"), (friend, "followers"), (viewer, "private"))[n % 3]
        posts.append(await say(api, who, str(n), visibility=kind))
    await _score(api, {post: n % 2 for n, post in enumerate(posts)})
    expected = posts[::-1] if order == "new" else [*posts[1::2][::-1], *posts[::2][::-1]]
    params: dict[str, Any] = {"viewer": viewer, "order": order, "limit": 5}
    if one:
        params["author"] = author
    found: list[str] = []
    cursor, gone = None, expected[9]
    while True:
        page = await read(api, "feed", **params, **({"cursor": cursor} if cursor else {}))
        found += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == 5
        late = await say(api, author, "late")
        await put(api, f"feed/{found[-1]}/likes/{viewer}")
        assert late not in found
        if len(found) == 5:
            await remove(api, f"feed/{gone}", 204)
    if order == "top":  # what is new has no score yet and stands before what is older without one
        found = [post for post in found if post in expected]
    assert found == [post for post in expected if post != gone]


async def test_cursors_of_nowhere(api: Installation) -> None:
    """What is no cursor of this list is refused; none makes the server fail."""
    author = await join(api)
    for n in range(3):
        await say(api, author, str(n))
    top = (await read(api, "feed", limit=1))["next_cursor"]
    await read(api, "feed", 422, cursor=top, order="new")
    for content in (
        '["top","NaN","{id}"]',
        '["top","1e400000","{id}"]',
        '["top","sNaN","{id}"]',
        '["top","2026","x"]',
        '["new","2026-01-01T00:00:00","{id}"]',
        '["new","0001-01-01T00:00:00+23:00","{id}"]',
        '["new","9999-12-31T23:59:59-23:00","{id}"]',
        '["new","now","{id}"]',
        "[]",
        "{{}}",
    ):
        cursor = _packed(content.format(id=NOBODY) if "{id}" in content else content)
        for order in ("top", "new"):
            await read(api, "feed", 422, cursor=cursor, order=order)
    for cursor in ("", "%", "ü", "a" * 301):
        reply = await api.get("/v1/feed", params={"cursor": cursor})
        assert reply.status_code == (200 if cursor == "" else 422)


def _packed(content: str) -> str:
    return pack(content.encode())


async def test_a_post_changes(api: Installation) -> None:
    """What it says, who sees it, and whether it is in feeds at all; each is audited."""
    author, reader = await joined(api, 2)
    post = await say(api, author, "First")
    changed = await patch(api, f"feed/{post}", content="Second #tag")
    assert (changed["content"], changed["hashtags"]) == ("Second #tag", ["tag"])
    assert changed["edited_at"] is not None
    hidden = await patch(api, f"feed/{post}", visibility="private")
    assert hidden["edited_at"] == changed["edited_at"]
    assert await feed(api, viewer=reader) == []
    await patch(api, f"feed/{post}", visibility="public", archived=True)
    assert await feed(api) == await feed(api, viewer=author) == []
    await read(api, f"feed/{post}", 404, viewer=author)
    await put(api, f"feed/{post}/likes/{reader}", 404)
    back = await patch(api, f"feed/{post}", archived=False)
    assert (back["archived_at"], await feed(api)) == (None, [post])
    entries = await api.sql("SELECT detail FROM audit_log WHERE action = 'feed.change' ORDER BY id")
    assert [each.detail["fields"] for each in entries] == [
        *(["content"], ["visibility"], ["archived", "visibility"], ["archived"])
    ]


async def test_a_post_is_deleted(api: Installation) -> None:
    """With all that belongs to it; a second time there is none."""
    author = await join(api)
    post = await say(api, author, "#tag")
    await put(api, f"feed/{post}/likes/{author}")
    await comment(api, post, author)
    await remove(api, f"feed/{post}", 204)
    await remove(api, f"feed/{post}", 404)
    for table in ("feed_posts", "comments", "reactions", "feed_post_hashtags"):
        assert await api.count(table) == 0
    assert (await read(api, f"members/{author}"))["posts_count"] == 0


HOSTILE = (
    "'; DROP TABLE feed_posts; --",
    '<script>alert(1)</script> &lt; " \\',
    "{{ 7 * 7 }} ${7*7} %s %(x)s {0}",
    "\u202eright to left\u202c \u200b zero \U0001f469\u200d\U0001f4bb",
    "lines\r\nand\ttabs\n",
    "한글 العربية #العربية",
    "x" * 2200,
    "\U0001f600" * 2200,
)


@pytest.mark.parametrize("content", HOSTILE)
async def test_hostile_texts_stay_what_they_are(api: Installation, content: str) -> None:
    """N059: stored and given back to the letter."""
    author = await join(api)
    post = await say(api, author, content)
    assert (await read(api, f"feed/{post}"))["content"] == content
    said = content[:1000]
    await comment(api, post, author, content=said)
    (shown,) = (await read(api, f"feed/{post}/comments"))["items"]
    assert shown["content"] == said


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"content": ""}, "content", "says nothing"),
        ({"content": " \n "}, "content", "says nothing"),
        ({"content": "x" * 2201}, "content", "2200"),
        ({"content": "a\0b"}, "content", "characters that are not allowed"),
        ({"content": "a\x1bb"}, "content", "characters that are not allowed"),
        ({"content": "#" + "x" * 101}, "content", "hashtag of 101 characters"),
        ({"content": " ".join(f"#t{n}" for n in range(31))}, "content", "has 31 hashtags"),
        ({"visibility": "friends"}, "visibility", "public"),
        ({"author_id": NOBODY}, "author_id", "is no member's id"),
        ({"author_id": "me"}, "author_id", "UUID"),
        ({"media_ids": [NOBODY]}, "media_ids[0]", "is none of your files"),
        ({"media_ids": [NOBODY] * 11}, "media_ids", "10"),
        ({"likes_count": 5}, "likes_count", "unknown"),
    ],
)
async def test_bad_posts(api: Installation, body: dict[str, Any], field: str, says: str) -> None:
    """N059: each is told with its reason, and nothing is written."""
    author = await join(api)
    reply = await api.post("/v1/feed", {"author_id": author, "content": "Hello", **body})
    assert reply.status_code == 422, reply.text
    assert list(problems(reply)) == [field]
    assert says in problems(reply)[field]
    assert await api.count("feed_posts") == await api.count("hashtags") == 0


async def test_all_that_is_wrong_is_told_at_once(api: Installation) -> None:
    """Nobody has to send a post three times to learn three things."""
    body = {"author_id": NOBODY, "content": "#" + "x" * 101, "media_ids": [NOBODY]}
    reply = await api.post("/v1/feed", body)
    assert sorted(problems(reply)) == ["author_id", "content", "media_ids[0]"]


async def test_a_bad_change_changes_nothing(api: Installation) -> None:
    """Neither the text nor what else was asked for with it."""
    author = await join(api)
    post = await say(api, author, "Hello #tag")
    before = await read(api, f"feed/{post}")
    for body in ({"content": " "}, {"content": "x" * 2201}, {"media_ids": [NOBODY]}, {}):
        more = {"visibility": "private"} if body else {}
        reply = await api.request("PATCH", f"/v1/feed/{post}", json={**body, **more})
        assert reply.status_code == 422, reply.text
    assert await read(api, f"feed/{post}") == before
    reply = await api.request("PATCH", f"/v1/feed/{NOBODY}", json={"content": "x"})
    assert reply.status_code == 404


async def test_somebody_elses_file(api: Installation) -> None:
    """A file belongs to its owner, though the community belongs to all."""
    author = await join(api)
    writer = await api.new_key("content:write", user="bob")
    body = {"author_id": author, "media_ids": [await _upload(api)]}
    reply = await api.post("/v1/feed", body, key=writer)
    assert problems(reply) == {"media_ids[0]": "is none of your files"}
    reader = await api.new_key("content:read", user="bob")
    assert (await api.post("/v1/feed", body, key=reader)).status_code == 403


async def test_the_same_request_posts_once(api: Installation) -> None:
    """An Idempotency-Key gives the first reply again."""
    body = {"author_id": await join(api), "content": "Hello #tag"}
    headers = {"Idempotency-Key": "once"}
    first = await good(api.post("/v1/feed", body, headers=headers), 201)
    assert await good(api.post("/v1/feed", body, headers=headers), 201) == first
    path, said = f"/v1/feed/{first['id']}/comments", {**body, "content": "Yes"}
    headers = {"Idempotency-Key": "again"}
    first = await good(api.post(path, said, headers=headers), 201)
    assert await good(api.post(path, said, headers=headers), 201) == first
    assert await api.count("feed_posts") == await api.count("comments") == 1
