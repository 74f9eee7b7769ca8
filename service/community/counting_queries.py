"""Counters of members, and the scores of posts.

Rows that are wrong are looked for without any lock, in one statement and thus at one instant. What
is found is locked by ascending id, and computed again by a later statement: whoever counts up or
down holds the same lock until their commit, so nothing of theirs is counted twice or lost.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.community import figure_rules as rules
from service.community.pass_queries import Looked, look, looking


def _counted(of: str, members: str = "m") -> str:
    """Return joins that count for members, by groups: a search for each of them is slower.

    Args:
        of: which members are meant; in place of {} comes the column that names them.
        members: name of their table in the statement.
    """
    sources = (
        ("followers", "follows", "followed_id"),
        ("following", "follows", "follower_id"),
        ("posts", "feed_posts", "author_id"),
    )
    return " ".join(
        f"LEFT JOIN (SELECT {column} AS id, count(*) AS rows FROM {table} "  # noqa: S608 - constants
        f"WHERE {of.format(column, column)} GROUP BY {column}) {name} ON {name}.id = {members}.id"
        for name, table, column in sources
    )


_COUNTERS = "(m.followers_count, m.following_count, m.posts_count)"
_RIGHT = "(coalesce(followers.rows, 0), coalesce(following.rows, 0), coalesce(posts.rows, 0))"
_WRONG_MEMBERS = looking(f"""
    WITH m AS MATERIALIZED (SELECT * FROM members WHERE id > :after ORDER BY id LIMIT :look)
    SELECT m.id, {_COUNTERS} <> {_RIGHT} AS found
    FROM m {_counted("{} > :after AND {} <= (SELECT id FROM m ORDER BY id DESC LIMIT 1)")}
""")  # noqa: S608 - put together from constants
_LOCK_MEMBERS = text("SELECT FROM members WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
_RIGHT_MEMBERS = text(f"""
    UPDATE members m SET (followers_count, following_count, posts_count) = {_RIGHT}
    FROM members same {_counted("{} = ANY(:ids)", "same")}
    WHERE m.id = same.id AND m.id = ANY(:ids) AND {_COUNTERS} <> {_RIGHT}
    RETURNING m.id
""")  # noqa: S608 - put together from constants

_POINTS = (
    f"{rules.LIKE}::bigint * likes_count + {rules.COMMENT}::bigint * comments_count"
    f" + {rules.SHARE}::bigint * shares_count + {rules.VIEW} * views_count"
)
_DAYS = "floor(extract(epoch FROM CAST(:now AS timestamptz) - created_at) / 86400)"
_SCORE = f"(({_POINTS}) * greatest({rules.LEAST_TENTHS}, least(10, 10 - {_DAYS})) / 10)"
"""In whole points times whole tenths, of type numeric: exact."""
_WRONG_SCORES = looking(f"""
    SELECT id, engagement_score <> {_SCORE} AS found
    FROM feed_posts WHERE id > :after AND archived_at IS NULL ORDER BY id LIMIT :look
""")  # noqa: S608 - put together from constants
_LOCK_POSTS = text("SELECT FROM feed_posts WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
_SCORE_POSTS = text(f"""
    UPDATE feed_posts SET engagement_score = {_SCORE}, score_updated_at = :now
    WHERE id = ANY(:ids) AND engagement_score <> {_SCORE}
    RETURNING id
""")  # noqa: S608 - put together from constants


async def wrong_members(session: AsyncSession, after: UUID, most: int) -> list[Looked]:
    """Look at the next members: which of them have other counters than there are rows?"""
    return await look(session, _WRONG_MEMBERS, after=after, look=most)


async def right_members(session: AsyncSession, ids: Sequence[UUID]) -> int:
    """Count for these members anew; return how many had other counters."""
    return await _locked(session, _LOCK_MEMBERS, _RIGHT_MEMBERS, {"ids": ids})


async def wrong_scores(
    session: AsyncSession, after: UUID, most: int, now: datetime
) -> list[Looked]:
    """Look at the next posts: which of them have another score than their counters give?"""
    return await look(session, _WRONG_SCORES, after=after, look=most, now=now)


async def score_posts(session: AsyncSession, ids: Sequence[UUID], now: datetime) -> int:
    """Compute the scores of these posts; return how many were others."""
    return await _locked(session, _LOCK_POSTS, _SCORE_POSTS, {"ids": ids, "now": now})


async def _locked(
    session: AsyncSession, lock: TextClause, change: TextClause, values: dict[str, object]
) -> int:
    await session.execute(lock, {"ids": values["ids"]})
    return len((await session.execute(change, values)).all())
