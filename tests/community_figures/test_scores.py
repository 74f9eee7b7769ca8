"""Engagement scores: the formula, what is written and what is not."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from sqlalchemy import text

from service.community import counting, counting_queries
from service.community.pass_queries import START, Looked
from tests.community_figures.helpers import DAY, HOUR, NOON, Community, examples, nobody_asks

pytestmark = pytest.mark.asyncio


def score(counters: tuple[int, int, int, int], age: timedelta) -> Decimal:
    """The formula of N008, in exact decimals."""
    likes, comments, shares, views = counters
    decay = max(Decimal("0.1"), 1 - Decimal("0.1") * max(0, age // DAY))
    return (3 * likes + 5 * comments + 7 * shares + views) * decay


async def scores(community: Community) -> dict[UUID, Any]:
    return await community.column("feed_posts", "engagement_score")


def counters(likes: int = 0, comments: int = 0, shares: int = 0, views: int = 0) -> dict[str, int]:
    return {
        "likes_count": likes,
        "comments_count": comments,
        "shares_count": shares,
        "views_count": views,
    }


async def test_the_scores_of_the_checklist(community: Community) -> None:
    """N008: 15.4 exactly; a post of 30 days keeps a tenth; a day is whole when it is over."""
    three = await community.post(None, 3 * DAY + HOUR, **counters(2, 1, 1, 4))
    thirty = await community.post(None, 30 * DAY, **counters(2, 1, 1, 4))
    fresh = await community.post(None, DAY - HOUR, **counters(2, 1, 1, 4))
    nine = await community.post(None, 9 * DAY, **counters(2, 1, 1, 4))
    counted = await counting.update_scores(community.api.runtime, nobody_asks)
    assert (counted.seen, counted.changed) == (4, 4)
    found = await scores(community)
    assert found == {
        three: Decimal("15.4"),
        thirty: Decimal("2.2"),
        fresh: Decimal("22.0"),
        nine: Decimal("2.2"),
    }
    assert {str(value) for value in found.values()} == {"15.4", "2.2", "22.0"}


async def test_only_what_differs_is_written(community: Community) -> None:
    """N008: a second run writes nothing; an old post is read, and written once it is liked."""
    old = await community.post(None, 40 * DAY, **counters(10))
    young = await community.post(None, 2 * DAY, **counters(10))
    archived = await community.post(None, 2 * DAY, archived_at=NOON, **counters(10))
    await counting.update_scores(community.api.runtime, nobody_asks)
    written = await community.column("feed_posts", "xmin::text")
    again = await counting.update_scores(community.api.runtime, nobody_asks)
    assert (again.seen, again.changed) == (2, 0)
    assert await community.column("feed_posts", "xmin::text") == written
    await community.api.sql("UPDATE feed_posts SET likes_count = 11 WHERE id = :id", id=old)
    assert (await counting.update_scores(community.api.runtime, nobody_asks)).changed == 1
    found = await scores(community)
    assert found == {old: Decimal("3.3"), young: Decimal("24.0"), archived: Decimal("0.0")}


async def test_the_feed_follows_the_score(community: Community) -> None:
    """N008: what is ordered by score shows the newer of two posts with the same counters first."""
    older = await community.post(None, 5 * DAY, **counters(4))
    newer = await community.post(None, 2 * DAY, **counters(4))
    loved = await community.post(None, 6 * DAY, **counters(9))
    await counting.update_scores(community.api.runtime, nobody_asks)
    reply = await community.api.get("/v1/feed?order=top")
    assert reply.status_code == 200, reply.text
    assert [UUID(post["id"]) for post in reply.json()["items"]] == [loved, newer, older]


async def test_the_sql_has_the_formula(community: Community) -> None:
    """N008: for any counters and any age SQL computes what Python's exact decimals do."""
    numbers = st.integers(0, 2**31 - 1)
    ages = st.timedeltas(timedelta(days=-1), timedelta(days=400))

    async def computed(row: tuple[int, int, int, int], age: timedelta) -> Decimal:
        async with community.api.runtime.unit_of_work() as uow:
            session = uow.session
            post = UUID(int=7)
            await session.execute(
                text(
                    "INSERT INTO feed_posts (id, owner_id, content, likes_count, comments_count, "
                    "shares_count, views_count, created_at, engagement_score) "
                    "VALUES (:id, :owner, '', :likes, :comments, :shares, :views, :at, -1)"
                ),
                {
                    **dict(zip(("likes", "comments", "shares", "views"), row, strict=True)),
                    "id": post,
                    "owner": community.owner,
                    "at": NOON - age,
                },
            )
            (looked,) = await counting_queries.wrong_scores(session, START, 10, NOON)
            assert looked == Looked(post, 1, found=True)
            assert await counting_queries.score_posts(session, [post], NOON) == 1
            gone = text("DELETE FROM feed_posts RETURNING engagement_score")
            return Decimal((await session.execute(gone)).scalar_one())

    for row, age in examples(st.tuples(numbers, numbers, numbers, numbers), ages):
        assert await computed(row, age) == score(row, age), (row, age)


async def test_likes_meanwhile_are_counted(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N008: while scores are written, over and over, no like is lost; the last run has them all."""
    monkeypatch.setattr(counting, "CHANGE", 3)
    posts = [await community.post(None) for _ in range(10)]

    async def like(member: UUID) -> None:
        for done in range(9):
            verb = "DELETE" if done % 3 == 2 else "PUT"
            path = f"/v1/feed/{posts[done * 7 % 10]}/likes/{member}"
            reply = await community.api.request(verb, path)
            assert reply.status_code == 200, reply.text

    members = [await community.member(name) for name in ("Ada", "Ben", "Cleo")]
    tasks = [asyncio.create_task(like(member)) for member in members]
    while not all(task.done() for task in tasks):
        await counting.update_scores(community.api.runtime, nobody_asks)
    await asyncio.gather(*tasks)
    await counting.update_scores(community.api.runtime, nobody_asks)
    rows = await community.api.sql("SELECT post_id, count(*) AS likes FROM reactions GROUP BY 1")
    liked = {row.post_id: row.likes for row in rows}
    right = {post: liked.get(post, 0) for post in posts}
    assert await community.column("feed_posts", "likes_count") == right
    assert await scores(community) == {
        post: score((likes, 0, 0, 0), DAY) for post, likes in right.items()
    }
