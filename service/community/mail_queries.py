"""Who gets mails of the community, and what is in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.community.models import Member
from service.community.pass_queries import Looked, look, looking

_SEEN = "visibility = 'public' AND archived_at IS NULL AND p.created_at > :since"
_ORDER = "p.likes_count DESC, p.comments_count DESC, p.created_at DESC, p.id DESC"
_TOP = text(f"""
    SELECT p.id, a.display_name AS author, p.content, p.likes_count, p.comments_count
    FROM feed_posts p LEFT JOIN members a ON a.id = p.author_id
    WHERE {_SEEN} ORDER BY {_ORDER} LIMIT :most
""")  # noqa: S608 - put together from constants
_READERS = looking("""
    SELECT id, is_active AND NOT digest_opt_out AND coalesce(last_active_at > :since, false)
        AS found
    FROM members WHERE id > :after ORDER BY id LIMIT :look
""")
_FOLLOWED = text(f"""
    SELECT reader.id AS reader_id, post.*
    FROM unnest(CAST(:ids AS uuid[])) AS reader(id) CROSS JOIN LATERAL (
        SELECT p.id, a.display_name AS author, p.content, p.likes_count, p.comments_count
        FROM follows f JOIN feed_posts p ON p.author_id = f.followed_id
        JOIN members a ON a.id = p.author_id
        WHERE f.follower_id = reader.id AND {_SEEN} AND p.id <> ALL(CAST(:but AS uuid[]))
        ORDER BY {_ORDER} LIMIT :most
    ) post
""")  # noqa: S608 - put together from constants


@dataclass(frozen=True, slots=True)
class Shown:
    """A post as a digest shows it."""

    id: UUID
    author: str | None
    """None: somebody who is gone."""
    content: str
    likes: int
    comments: int


async def top_posts(session: AsyncSession, since: datetime, most: int) -> list[Shown]:
    """Return the public posts since an instant with the most likes, then comments."""
    rows = await session.execute(_TOP, {"since": since, "most": most})
    return [Shown(*row) for row in rows]


async def readers(session: AsyncSession, after: UUID, most: int, since: datetime) -> list[Looked]:
    """Look at the next members: which of them get a digest, active since and not opted out?"""
    return await look(session, _READERS, after=after, look=most, since=since)


async def members(session: AsyncSession, ids: Sequence[UUID]) -> Sequence[Member]:
    """Return these members, by their ids."""
    found = select(Member).where(Member.id.in_(ids)).order_by(Member.id)
    return (await session.scalars(found)).all()


async def followed_posts(
    session: AsyncSession, ids: Sequence[UUID], since: datetime, but: Sequence[UUID], most: int
) -> dict[UUID, list[Shown]]:
    """Return what was posted publicly by those whom each of these members follows.

    Args:
        session: of the transaction.
        ids: of the members.
        since: how old posts may be.
        but: posts that are not wanted.
        most: for each member.
    """
    values = {"ids": ids, "since": since, "but": but, "most": most}
    found: dict[UUID, list[Shown]] = {}
    for row in await session.execute(_FOLLOWED, values):
        reader_id, *shown = row
        found.setdefault(reader_id, []).append(Shown(*shown))
    return found


async def hold(session: AsyncSession, member_id: UUID) -> Member | None:
    """Return a member; nobody else changes it until the transaction ends."""
    found = select(Member).where(Member.id == member_id).with_for_update(key_share=True)
    return await session.scalar(found)


_LEAVE = (
    update(Member)
    .where(Member.id == bindparam("member"), ~Member.digest_opt_out)
    .values(digest_opt_out=True)
    .returning(Member.id)
)


async def leave_digests(session: AsyncSession, member_id: UUID) -> bool:
    """Send a member no more digests; return False if that was so before."""
    return (await session.execute(_LEAVE, {"member": member_id})).first() is not None
