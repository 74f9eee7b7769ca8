"""Trending hashtags: which, in which order, and never none for a reader."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import strategies as st

from service.community import counting
from tests.community_figures.helpers import DAY, HOUR, NOON, Community, examples

pytestmark = pytest.mark.asyncio


async def trending(community: Community) -> list[tuple[str, int, int]]:
    """Return name, rank and uses of what trends."""
    rows = await community.api.sql(
        "SELECT name, trending_rank, trending_uses FROM hashtags WHERE is_trending "
        "ORDER BY trending_rank"
    )
    return [tuple(row) for row in rows]


async def update(community: Community) -> dict[str, int]:
    return await counting.update_trending(community.api.runtime)


async def test_the_ten_most_used_of_seven_days(community: Community) -> None:
    """N005: twelve hashtags, one of them used 8 days ago only; a second run finds the same."""
    for number in range(1, 12):
        await community.hashtag(f"tag{number:02}", [HOUR] * number)
    await community.hashtag("old", [8 * DAY] * 40)
    assert await update(community) == {"trending": 10, "changed": 10}
    expected = [(f"tag{12 - rank:02}", rank, 12 - rank) for rank in range(1, 11)]
    assert await trending(community) == expected
    assert await update(community) == {"trending": 10, "changed": 0}
    assert await trending(community) == expected


async def test_ties_are_decided_by_all_uses_then_by_name(community: Community) -> None:
    """N005: the order is stated, and the same on every machine."""
    await community.hashtag("zebra", [HOUR, HOUR], total=9)
    await community.hashtag("élan", [HOUR, HOUR])
    await community.hashtag("b", [HOUR, HOUR])
    await community.hashtag("a_b", [HOUR, HOUR])
    await community.hashtag("most", [HOUR] * 3, total=3)
    await update(community)
    assert [name for name, _, _ in await trending(community)] == [
        *("most", "zebra", "a_b", "b", "élan")
    ]


async def test_the_seventh_day_is_the_last(community: Community) -> None:
    """N005: a use counts until it is seven days old."""
    second = timedelta(seconds=1)
    await community.hashtag("in", [7 * DAY - 60 * second])
    await community.hashtag("out", [7 * DAY + second])
    await update(community)
    assert await trending(community) == [("in", 1, 1)]


async def test_what_no_longer_trends_is_cleared(community: Community) -> None:
    """N005: old flags go in the same statement; when it last trended is kept."""
    gone = await community.hashtag("gone", [HOUR])
    await update(community)
    (first,) = await community.api.sql("SELECT trending_at FROM hashtags")
    await community.api.sql("UPDATE feed_post_hashtags SET created_at = :at", at=NOON - 9 * DAY)
    await community.hashtag("new", [HOUR])
    assert await update(community) == {"trending": 1, "changed": 2}
    assert await trending(community) == [("new", 1, 1)]
    (row,) = await community.api.sql("SELECT * FROM hashtags WHERE id = :id", id=gone)
    assert (row.is_trending, row.trending_rank, row.trending_uses) == (False, None, None)
    assert row.trending_at == first.trending_at


async def test_a_reader_never_sees_none_trending(community: Community) -> None:
    """N005: while all of them change, over and over, every reader sees ten."""
    for number in range(10):
        await community.hashtag(f"even{number}", [HOUR])
        await community.hashtag(f"odd{number}", [HOUR, 8 * DAY])
    await update(community)
    over, seen = asyncio.Event(), []

    async def read() -> None:
        while not over.is_set():
            reply = await community.api.get("/v1/hashtags?trending=true")
            seen.append(len(reply.json()["items"]))
            seen.append(len(await trending(community)))

    readers = [asyncio.create_task(read()) for _ in range(2)]
    for turn in range(8):
        fresh, stale = ("even", "odd") if turn % 2 else ("odd", "even")
        await community.api.sql(
            "UPDATE feed_post_hashtags u SET created_at = CAST(:noon AS timestamptz) - "
            "CASE WHEN h.name LIKE :fresh || '%' THEN interval '1 hour' ELSE interval '8 days' END "
            "FROM hashtags h WHERE h.id = u.hashtag_id",
            noon=NOON,
            fresh=fresh,
        )
        await update(community)
        assert {name.rstrip("0123456789") for name, _, _ in await trending(community)} == {fresh}
        assert stale != fresh
    over.set()
    await asyncio.gather(*readers)
    assert len(seen) > 8
    assert set(seen) == {10}


async def test_the_sql_has_the_order(community: Community) -> None:
    """N005: for any uses, totals and names SQL ranks as Python's sort does."""
    names = st.text("aAzZéßø_09Ω字", min_size=1, max_size=4)
    tags = st.dictionaries(names, st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=14)
    for (drawn,) in examples(tags, count=25):
        await _fill(community, drawn)
        await update(community)
        order = sorted(
            (name for name, (recent, _) in drawn.items() if recent),
            key=lambda name: (-drawn[name][0], -sum(drawn[name]), name),
        )
        assert [name for name, _, _ in await trending(community)] == order[:10]


async def _fill(community: Community, tags: dict[str, tuple[int, int]]) -> None:
    await community.api.sql("DELETE FROM feed_posts")
    await community.api.sql("DELETE FROM hashtags")
    for name, (recent, old) in tags.items():
        await community.api.sql(
            "WITH tag AS (INSERT INTO hashtags (id, name, uses_count) "
            "VALUES (gen_random_uuid(), :name, CAST(:recent AS int) + CAST(:old AS int)) "
            "RETURNING id), posts AS (INSERT INTO feed_posts (id, owner_id, content, created_at) "
            "SELECT gen_random_uuid(), :owner, '', CAST(:noon AS timestamptz) "
            "- CASE WHEN n > :recent THEN interval '8 days' ELSE interval '1 day' END "
            "FROM generate_series(1, CAST(:recent AS int) + CAST(:old AS int)) n "
            "RETURNING id, created_at) "
            "INSERT INTO feed_post_hashtags SELECT posts.id, tag.id, created_at FROM posts, tag",
            name=name,
            recent=recent,
            old=old,
            owner=community.owner,
            noon=NOON,
        )
