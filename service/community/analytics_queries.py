"""What happened on each day of UTC."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.community import figure_rules as rules
from service.community.models import DailyAnalytics

_IN_DAY = "created_at >= :begin AND created_at < :next"
_KEEP = text(f"""
    INSERT INTO daily_analytics (
        date, new_members, active_members, posts, comments, likes, shares, follows, top_posts,
        generated_at
    )
    SELECT CAST(:day AS date),
        (SELECT count(*) FROM members WHERE joined_at >= :begin AND joined_at < :next),
        (SELECT count(member_id) FROM (
            SELECT author_id AS member_id FROM feed_posts WHERE {_IN_DAY}
            UNION SELECT author_id FROM comments WHERE {_IN_DAY}
            UNION SELECT member_id FROM reactions WHERE {_IN_DAY}
            UNION SELECT follower_id FROM follows WHERE {_IN_DAY}
        ) active),
        (SELECT count(*) FROM feed_posts WHERE {_IN_DAY}),
        (SELECT count(*) FROM comments WHERE {_IN_DAY}),
        reacted.likes, reacted.shares,
        (SELECT count(*) FROM follows WHERE {_IN_DAY}),
        (SELECT coalesce(jsonb_agg(post), '[]') FROM (
            SELECT id, author_id, likes_count AS likes, comments_count AS comments,
                shares_count AS shares, views_count AS views
            FROM feed_posts
            WHERE {_IN_DAY} AND visibility = 'public' AND archived_at IS NULL
            ORDER BY likes_count DESC, comments_count DESC, created_at DESC, id DESC LIMIT :most
        ) post),
        CAST(:now AS timestamptz)
    FROM (
        SELECT count(*) FILTER (WHERE kind = 'like') AS likes,
            count(*) FILTER (WHERE kind = 'share') AS shares
        FROM reactions WHERE {_IN_DAY}
    ) reacted
    ON CONFLICT (date) DO UPDATE SET
        new_members = excluded.new_members, active_members = excluded.active_members,
        posts = excluded.posts, comments = excluded.comments, likes = excluded.likes,
        shares = excluded.shares, follows = excluded.follows, top_posts = excluded.top_posts,
        generated_at = excluded.generated_at
    RETURNING new_members, active_members, posts, comments, likes, shares, follows
""")  # noqa: S608 - put together from constants
"""All figures are of one instant. Active is who posted, commented, reacted or followed that day:
what can be counted again years later."""


async def keep_day(session: AsyncSession, day: date, now: datetime) -> dict[str, int]:
    """Count what happened on a day, in the place of what was counted before; return it."""
    begin, end = rules.day_bounds(day)
    values = {"day": day, "begin": begin, "next": end, "most": rules.TOP_POSTS, "now": now}
    return dict((await session.execute(_KEEP, values)).one()._mapping)


async def days(session: AsyncSession, first: date, last: date) -> Sequence[DailyAnalytics]:
    """Return the days from `first` to `last` that were counted, the newest first."""
    statement = select(DailyAnalytics).where(DailyAnalytics.date.between(first, last))
    return (await session.scalars(statement.order_by(DailyAnalytics.date.desc()))).all()


async def day(session: AsyncSession, wanted: date) -> DailyAnalytics | None:
    """Return what was counted of a day."""
    return await session.get(DailyAnalytics, wanted)
