"""How PostgreSQL reads the feed of a large community: by indexes, never all of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import ClauseElement, text

from service.community.feed_cursors import Order, Place
from service.community.feed_queries import feed_ids
from service.community.member_queries import members_wanted
from service.kit.ids import uuid7
from service.kit.pagination import Page
from tests.support import Installation

pytestmark = pytest.mark.asyncio

COMMUNITY = (
    """
    INSERT INTO members (id, owner_id, email, username, display_name, following_count)
    SELECT md5('m' || n)::uuid, :owner, n || '@example.com', 'member' || n, 'Member ' || n,
        CASE WHEN n = 1 THEN 20 ELSE 0 END
    FROM generate_series(1, :members) n
    """,
    """
    INSERT INTO follows (follower_id, followed_id)
    SELECT md5('m1')::uuid, md5('m' || n)::uuid FROM generate_series(2, 21) n
    """,
    """
    UPDATE members SET followers_count = 1
    WHERE id IN (SELECT followed_id FROM follows)
    """,
    """
    INSERT INTO feed_posts
        (id, owner_id, author_id, content, visibility, engagement_score, created_at)
    SELECT md5('p' || n)::uuid, :owner, md5('m' || n % :members + 1)::uuid, 'Post ' || n,
        (ARRAY['public', 'followers', 'private'])[n % 3 + 1], n % 977 / 10.0,
        timestamptz '2026-01-01' + n * interval '1 minute'
    FROM generate_series(1, :posts) n
    """,
    """
    UPDATE members SET posts_count = posts
    FROM (SELECT author_id, count(*) AS posts FROM feed_posts GROUP BY 1) WHERE id = author_id
    """,
    "ANALYZE members, follows, feed_posts",
)


async def _fill(api: Installation, *, members: int = 1000, posts: int = 100_000) -> UUID:
    """Make a community; return one who follows 20 others."""
    (user,) = await api.sql("SELECT id FROM users")
    values = {"owner": user.id, "members": members, "posts": posts}
    async with api.runtime.unit_of_work() as uow:
        for statement in COMMUNITY:
            named = {name: value for name, value in values.items() if f":{name}" in statement}
            await uow.session.execute(text(statement), named)
    (member,) = await api.sql("SELECT id FROM members WHERE username = 'member1'")
    return UUID(str(member.id))


async def _plan(
    api: Installation, statement: ClauseElement, mode: str = "force_generic_plan"
) -> list[dict[str, Any]]:
    """Return every step of a plan: of that which serves all parameters and is kept, or of one."""
    async with api.runtime.unit_of_work() as uow:
        connection = await uow.session.connection()
        compiled: Any = statement.compile(dialect=connection.dialect)
        values = ", ".join(f"'{compiled.params[name]}'" for name in compiled.positiontup)
        await connection.exec_driver_sql(f"SET LOCAL plan_cache_mode = {mode}")
        await connection.exec_driver_sql(f"PREPARE looked_at AS {compiled}")
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE looked_at ({values})"
        plan = (await connection.exec_driver_sql(explain)).scalar_one()
        await connection.exec_driver_sql("DEALLOCATE looked_at")
    (root,) = json.loads(plan) if isinstance(plan, str) else plan
    return list(_steps(root["Plan"]))


def _steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for inner in step.get("Plans", []):
        yield from _steps(inner)


async def test_the_feed_is_read_by_indexes(api: Installation) -> None:
    """N008: 100,000 posts; no page of any order, for anybody, reads more than a few of them."""
    viewer = await _fill(api)
    middle = {
        Order.TOP: Place(Decimal("50.0"), uuid7()),
        Order.NEW: Place(datetime(2026, 2, 1, tzinfo=UTC), uuid7()),
    }
    for order in Order:
        for who in (None, viewer):
            for after in (None, middle[order]):
                steps = await _plan(api, feed_ids(order, who, after, 51))
                reads = [step for step in steps if step.get("Relation Name") == "feed_posts"]
                assert reads
                assert {step["Node Type"] for step in reads} <= {"Index Scan", "Index Only Scan"}
                rows = sum(step["Actual Rows"] * step["Actual Loops"] for step in reads)
                assert rows <= 51 * (4 if who is None else 24)
                assert sum(step.get("Rows Removed by Filter", 0) for step in reads) == 0


async def test_members_are_found_by_indexes(api: Installation) -> None:
    """By how one of three texts begins: each has an index, and all are asked."""
    await _fill(api, members=20_000, posts=1000)
    statement = members_wanted(Page(50), "member1999", active=True)
    steps = await _plan(api, statement, mode="force_custom_plan")
    indexes = {step["Index Name"] for step in steps if "Index Name" in step}
    assert indexes == {f"ix_members_{each}_prefix" for each in ("username", "email", "folded_name")}
    assert "Seq Scan" not in {step["Node Type"] for step in steps}
