"""Which hashtags trend."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.community import figure_rules as rules

_FLAG = text("""
    WITH used AS (
        SELECT hashtag_id, count(*) AS uses FROM feed_post_hashtags
        WHERE created_at > :since GROUP BY hashtag_id
    ), ranked AS MATERIALIZED (
        SELECT h.id, used.uses, row_number() OVER (
            ORDER BY used.uses DESC, h.uses_count DESC, h.name COLLATE "C"
        ) AS rank
        FROM used JOIN hashtags h ON h.id = used.hashtag_id
        ORDER BY rank LIMIT :most
    ), held AS MATERIALIZED (
        SELECT id, is_trending AS was FROM hashtags
        WHERE is_trending OR id IN (SELECT id FROM ranked)
        ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE hashtags h
    SET is_trending = ranked.id IS NOT NULL,
        trending_rank = ranked.rank,
        trending_uses = ranked.uses,
        trending_at = CASE WHEN ranked.id IS NULL THEN h.trending_at ELSE :now END
    FROM held LEFT JOIN ranked ON ranked.id = held.id
    WHERE h.id = held.id
    RETURNING h.is_trending AS trends, h.is_trending <> held.was AS changed
""")
"""One statement, and thus one instant for every reader; rows are locked by ascending id."""


@dataclass(frozen=True, slots=True)
class Flagged:
    """How many hashtags trend, and how many began or ceased to."""

    trending: int
    changed: int


async def flag(session: AsyncSession, now: datetime) -> Flagged:
    """Flag the hashtags that trend, and no others."""
    values = {"now": now, "since": now - rules.TRENDING_FOR, "most": rules.TRENDING_MOST}
    rows = (await session.execute(_FLAG, values)).all()
    return Flagged(sum(row.trends for row in rows), sum(row.changed for row in rows))
