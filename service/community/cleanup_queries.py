"""Feed posts that are old and that nobody cared for.

Counters alone condemn no post: there must be no comment and no reaction either. What was found is
locked (members, then posts, by ascending ids) and looked at again before it goes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.community import figure_rules as rules
from service.community import removal_queries
from service.community.pass_queries import Looked, look, looking

_OLD = f"""(
    p.created_at < :before
    AND p.likes_count = 0 AND p.comments_count = 0 AND p.shares_count = 0
    AND p.views_count < {rules.FEW_VIEWS}
    AND (p.archived_at IS NULL OR :archived_too)
    AND NOT EXISTS (SELECT FROM comments WHERE post_id = p.id)
    AND NOT EXISTS (SELECT FROM reactions WHERE post_id = p.id)
)"""  # noqa: S608 - put together from constants
_COUNT = text(f"SELECT count(*) FROM feed_posts p WHERE {_OLD}")  # noqa: S608 - constants
_EXAMPLES = text(f"""
    SELECT p.id, p.content, p.created_at, p.views_count, p.archived_at
    FROM feed_posts p WHERE {_OLD} ORDER BY p.created_at, p.id LIMIT :most
""")  # noqa: S608 - put together from constants
_OLD_POSTS = looking(f"""
    SELECT p.id, {_OLD} AS found FROM feed_posts p WHERE id > :after ORDER BY id LIMIT :look
""")  # noqa: S608 - put together from constants
_LOCK_AUTHORS = text("""
    SELECT FROM members WHERE id IN (SELECT author_id FROM feed_posts WHERE id = ANY(:ids))
    ORDER BY id FOR NO KEY UPDATE
""")
_LOCK_POSTS = text("SELECT FROM feed_posts WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
_STILL_OLD = text(f"""
    SELECT p.id FROM feed_posts p WHERE p.id = ANY(:ids) AND {_OLD}
""")  # noqa: S608 - put together from constants
_ARCHIVE = text("UPDATE feed_posts SET archived_at = :now WHERE id = ANY(:ids)")


async def count_old(session: AsyncSession, now: datetime, *, archived_too: bool) -> int:
    """Return how many posts would go."""
    values = _values(now, archived_too=archived_too)
    return int((await session.execute(_COUNT, values)).scalar_one())


async def examples(session: AsyncSession, now: datetime, most: int) -> Sequence[Row[Any]]:
    """Return the oldest of the posts that would go: id, content, times and views."""
    values = {"most": most, **_values(now, archived_too=True)}
    return (await session.execute(_EXAMPLES, values)).all()


async def old_posts(
    session: AsyncSession, after: UUID, most: int, now: datetime, *, archived_too: bool
) -> list[Looked]:
    """Look at the next posts: which of them are to go?"""
    values = _values(now, archived_too=archived_too)
    return await look(session, _OLD_POSTS, after=after, look=most, **values)


async def archive(session: AsyncSession, ids: Sequence[UUID], now: datetime) -> int:
    """Archive those of these posts that are still to go; return how many."""
    await session.execute(_LOCK_POSTS, {"ids": ids})
    old = await _still_old(session, ids, now, archived_too=False)
    await session.execute(_ARCHIVE, {"ids": old, "now": now})
    return len(old)


async def delete(session: AsyncSession, ids: Sequence[UUID], now: datetime) -> int:
    """Delete those of these posts that are still to go, and count them off; return how many."""
    for lock in (_LOCK_AUTHORS, _LOCK_POSTS):
        await session.execute(lock, {"ids": ids})
    old = await _still_old(session, ids, now, archived_too=True)
    return await removal_queries.delete_posts(session, old)


async def _still_old(
    session: AsyncSession, ids: Sequence[UUID], now: datetime, *, archived_too: bool
) -> list[UUID]:
    values = {"ids": ids, **_values(now, archived_too=archived_too)}
    return [row.id for row in await session.execute(_STILL_OLD, values)]


def _values(now: datetime, *, archived_too: bool) -> dict[str, object]:
    return {"before": now - rules.OLD_AFTER, "archived_too": archived_too}
