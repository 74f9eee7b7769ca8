"""Counters under real concurrency: exact, and nobody waits for each other for ever."""

import asyncio
import random

import pytest

from tests.community.helpers import (
    NOBODY,
    all_good,
    comment,
    counts,
    good,
    join,
    joined,
    put,
    read,
    remove,
    say,
)
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio


async def test_fifty_like_and_comment_at_once(api: Installation) -> None:
    """Every like, share and comment is counted, each like and share once."""
    members = await joined(api, 50)
    post = await say(api, members[0])
    await all_good(
        *(api.request("PUT", f"/v1/feed/{post}/likes/{each}") for each in members * 2),
        *(api.request("PUT", f"/v1/feed/{post}/shares/{each}") for each in members),
        *(
            api.post(f"/v1/feed/{post}/comments", {"author_id": each, "content": "Yes"})
            for each in members
        ),
    )
    assert await counts(api, post) == (50, 50, 50, 0)


async def test_likes_and_unlikes_at_once(api: Installation) -> None:
    """Whatever comes last of each member's, the counter tells what is there (see conftest)."""
    members = await joined(api, 6)
    post = await say(api, members[0])
    methods = ["PUT", "DELETE"] * 5
    random.Random(8).shuffle(methods)
    await all_good(
        *(
            api.request(method, f"/v1/feed/{post}/likes/{each}")
            for each in members
            for method in methods
        )
    )
    likes = (await counts(api, post))[0]
    assert likes == await api.count("reactions")
    await all_good(*(api.request("DELETE", f"/v1/feed/{post}/likes/{each}") for each in members))
    assert await counts(api, post) == (0, 0, 0, 0)


async def test_members_follow_each_other_at_once(api: Installation) -> None:
    """N002: in all directions, which locks the same two members from both sides."""
    members = await joined(api, 5)
    pairs = [(one, other) for one in members for other in members if one != other]
    await all_good(
        *(api.request("PUT", f"/v1/members/{one}/following/{other}") for one, other in pairs)
    )
    for each in members:
        found = await read(api, f"members/{each}")
        assert (found["followers_count"], found["following_count"]) == (4, 4)
    await all_good(
        *(api.request("DELETE", f"/v1/members/{one}/following/{other}") for one, other in pairs)
    )
    assert await api.count("follows") == 0


async def test_posts_with_the_same_hashtags_at_once(api: Installation) -> None:
    """In whatever order they name them, also while the hashtags are new."""
    author, other = await joined(api, 2)
    names = [f"#tag{n}" for n in range(8)]
    chance = random.Random(8)
    bodies = [
        {"author_id": chance.choice([author, other]), "content": " ".join(chance.sample(names, 6))}
        for _ in range(20)
    ]
    posts = [
        reply.json()["id"]
        for reply in await asyncio.gather(*(api.post("/v1/feed", body) for body in bodies))
    ]
    assert await api.count("feed_post_hashtags") == 120
    await all_good(
        *(api.request("DELETE", f"/v1/feed/{post}") for post in posts[:10]),
        *(
            api.request("PATCH", f"/v1/feed/{post}", json={"content": " ".join(names[::-1])})
            for post in posts[10:]
        ),
    )
    uses = await api.sql("SELECT DISTINCT uses_count FROM hashtags")
    assert [each.uses_count for each in uses] == [10]


async def test_everything_at_once(api: Installation) -> None:
    """Members are deleted while all of them do everything: no deadlock, every counter right."""
    members = await joined(api, 10)
    posts = [await say(api, each, "#a #b") for each in members]
    chance = random.Random(8)
    for post in posts:
        await comment(api, post, chance.choice(members))

    def anything() -> tuple[str, str, dict[str, str] | None]:
        who, whom = chance.sample(members, 2)
        post = chance.choice(posts)
        said = {"author_id": who, "content": "#b #a #c"}
        return chance.choice(
            [
                ("PUT", f"/v1/feed/{post}/likes/{who}", None),
                ("DELETE", f"/v1/feed/{post}/likes/{who}", None),
                ("PUT", f"/v1/members/{who}/following/{whom}", None),
                ("DELETE", f"/v1/members/{who}/following/{whom}", None),
                ("POST", f"/v1/feed/{post}/comments", said),
                ("POST", "/v1/feed", said),
                ("PATCH", f"/v1/feed/{post}", {"content": "#c"}),
                ("PATCH", f"/v1/members/{who}", {"display_name": "Other"}),
            ]
        )

    doing = [anything() for _ in range(150)]
    for n, member in enumerate(members[:5]):
        doing.insert(25 * (n + 1), ("DELETE", f"/v1/members/{member}", None))
        doing.insert(28 * (n + 1), ("DELETE", f"/v1/feed/{posts[5 + n]}", None))
    replies = await asyncio.gather(
        *(api.request(method, path, json=body) for method, path, body in doing)
    )
    # Whoever names a member or a post that is gone is told so; nobody is told of a failure.
    assert {reply.status_code for reply in replies} <= {200, 201, 204, 404, 422}
    assert await api.count("members") == 5


async def test_views_are_counted_in_batches(api: Installation) -> None:
    """Posts that are gone are named; what is counted is counted once under one key."""
    author = await join(api)
    one, two = await say(api, author), await say(api, author)
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        told = await good(api.post("/v1/feed/views", {one: 3, two: 10, NOBODY: 1}, headers=headers))
        assert told == {"counted": 2, "unknown": [NOBODY]}
    assert (await counts(api, one), await counts(api, two)) == ((0, 0, 0, 3), (0, 0, 0, 10))


async def test_views_are_counted_at_once(api: Installation) -> None:
    """Of the same posts, in whatever order they are named."""
    author = await join(api)
    posts = [await say(api, author, str(n)) for n in range(5)]
    chance = random.Random(8)
    bodies = [dict.fromkeys(chance.sample(posts, 5), 2) for _ in range(40)]
    await all_good(*(api.post("/v1/feed/views", body) for body in bodies))
    assert [await counts(api, post) for post in posts] == [(0, 0, 0, 80)] * 5


@pytest.mark.parametrize(
    "body", [{}, {NOBODY: 0}, {NOBODY: -1}, {NOBODY: 1_000_001}, {NOBODY: "1"}, {"x": 1}, []]
)
async def test_bad_views(api: Installation, body: object) -> None:
    """N059: nothing is counted of what is no count."""
    post = await say(api, await join(api))
    sent = {**body, post: 1} if isinstance(body, dict) and body else body
    reply = await api.post("/v1/feed/views", sent)
    assert reply.status_code == 422, reply.text
    assert problems(reply)
    assert await counts(api, post) == (0, 0, 0, 0)


async def test_who_is_not_there_counts_nothing(api: Installation) -> None:
    """404 for an unknown member or post, whatever the other is."""
    member = await join(api)
    post = await say(api, member)
    for path in (f"{post}/likes/{NOBODY}", f"{NOBODY}/likes/{member}", f"{post}/shares/{NOBODY}"):
        await put(api, f"feed/{path}", 404)
    for path in (f"{post}/likes/{NOBODY}", f"{NOBODY}/likes/{member}"):
        await remove(api, f"feed/{path}", 404)
    assert await counts(api, post) == (0, 0, 0, 0)


async def test_when_somebody_was_last_active(api: Installation) -> None:
    """N009: what a member does is noted; within five minutes not again."""
    member = await join(api)
    post = await say(api, member)
    first = (await read(api, f"members/{member}"))["last_active_at"]
    assert first is not None
    await put(api, f"feed/{post}/likes/{member}")
    assert (await read(api, f"members/{member}"))["last_active_at"] == first
    await api.sql("UPDATE members SET last_active_at = now() - interval '5 minutes'")
    await put(api, f"feed/{post}/shares/{member}")
    assert (await read(api, f"members/{member}"))["last_active_at"] > first
