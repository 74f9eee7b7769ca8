"""The counters of members: made right, also while others count."""

import asyncio
from uuid import UUID

import pytest

from service.community import counting
from tests.community_figures.helpers import Community, nobody_asks

pytestmark = pytest.mark.asyncio

FACTS = """
    SELECT m.id, ARRAY[
        (SELECT count(*) FROM follows WHERE followed_id = m.id),
        (SELECT count(*) FROM follows WHERE follower_id = m.id),
        (SELECT count(*) FROM feed_posts WHERE author_id = m.id)
    ] FROM members m
"""
COUNTERS = "SELECT id, ARRAY[followers_count, following_count, posts_count] FROM members"


async def table(community: Community, statement: str) -> dict[UUID, list[int]]:
    return {row[0]: list(row[1]) for row in await community.api.sql(statement)}


async def update(community: Community) -> tuple[int, int]:
    counted = await counting.update_statistics(community.api.runtime, nobody_asks)
    return counted.seen, counted.changed


async def test_corrupt_counters_become_what_there_is_to_count(community: Community) -> None:
    """N002: every counter equals COUNT(*) of follows and posts; what was right is not written."""
    ada, ben, cleo = [await community.member(name) for name in ("Ada", "Ben", "Cleo")]
    await community.follow(ada, ben, cleo)
    await community.follow(ben, cleo)
    for author in (ada, ada, cleo):
        await community.post(author)
    await community.post(cleo, visibility="private")
    await community.api.sql(
        "UPDATE members SET followers_count = 99, posts_count = -3 WHERE id <> :ben", ben=ben
    )
    assert await update(community) == (3, 3)
    right = {ada: [0, 2, 2], ben: [1, 1, 0], cleo: [2, 0, 2]}
    assert await table(community, COUNTERS) == right
    written = await community.column("members", "xmin::text")
    assert await update(community) == (3, 0)
    assert await community.column("members", "xmin::text") == written
    await community.api.sql("UPDATE members SET following_count = 7 WHERE id = :ben", ben=ben)
    assert await update(community) == (3, 1)
    assert await table(community, COUNTERS) == right


async def test_an_empty_community_has_nothing_to_count(community: Community) -> None:
    """N002, N005-N009: no row, no error."""
    runtime = community.api.runtime
    assert await update(community) == (0, 0)
    scored = await counting.update_scores(runtime, nobody_asks)
    assert (scored.seen, scored.changed) == (0, 0)
    assert await counting.update_trending(runtime) == {"trending": 0, "changed": 0}
    day = await counting.analyse_day(runtime, None)
    assert set(day.values()) == {0}


async def test_ten_thousand_members_in_one_run(community: Community) -> None:
    """N002: 10 000 users finish in one run, each counter right."""
    await grow(community, members=10_000)
    await community.api.sql("UPDATE members SET posts_count = 5, following_count = 1")
    assert await update(community) == (10_000, 10_000)
    assert await table(community, COUNTERS) == await table(community, FACTS)


async def test_who_counts_meanwhile_is_not_lost(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N002: follows and unfollows during the run end in counters that are exact."""
    monkeypatch.setattr(counting, "LOOK", 20)
    monkeypatch.setattr(counting, "CHANGE", 5)
    await grow(community, members=40)
    api = community.api
    members = sorted(await community.column("members", "username"))

    async def follow_and_leave(number: int) -> None:
        for done in range(9):
            follower, followed = members[number], members[(number + done) % 30 + 10]
            path = f"/v1/members/{follower}/following/{followed}"
            reply = await api.request("DELETE" if done % 3 == 2 else "PUT", path)
            assert reply.status_code < 300, reply.text

    tasks = [asyncio.create_task(follow_and_leave(number)) for number in range(3)]
    while not all(task.done() for task in tasks):
        wrong = "UPDATE members SET followers_count = followers_count + 3 WHERE id < :id"
        await api.sql(wrong, id=members[20])
        await update(community)
    await asyncio.gather(*tasks)
    await update(community)
    assert await table(community, COUNTERS) == await table(community, FACTS)


async def grow(community: Community, *, members: int) -> None:
    """Add so many members, each of whom follows two others, and a post of every third."""
    await community.api.sql(
        "INSERT INTO members (id, owner_id, email, username, display_name) "
        "SELECT gen_random_uuid(), :owner, i || '@example.com', 'm' || i, 'Member ' || i "
        "FROM generate_series(1, CAST(:members AS int)) i",
        owner=community.owner,
        members=members,
    )
    await community.api.sql("""
        WITH m AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM members)
        INSERT INTO follows (follower_id, followed_id)
        SELECT a.id, b.id FROM m a CROSS JOIN (VALUES (1), (7)) k(k) JOIN m b ON b.n = a.n + k.k
    """)
    await community.api.sql(
        "INSERT INTO feed_posts (id, owner_id, author_id, content) "
        "SELECT gen_random_uuid(), :owner, id, 'Hello' FROM members "
        "WHERE hashtext(username) % 3 = 0",
        owner=community.owner,
    )
