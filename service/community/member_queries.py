"""Every SQL statement of members and of who follows whom."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.community.models import Follow, Member
from service.kit.pagination import Page, Rows, encode_cursor

WHO_FOLLOWS = 0x636F6D6D
"""An advisory lock: shared while somebody begins or ceases to follow, alone to delete members."""


async def member(session: AsyncSession, member_id: UUID) -> Member | None:
    """Return a member."""
    return await session.get(Member, member_id)


async def member_for_change(session: AsyncSession, member_id: UUID) -> Member | None:
    """Return a member, locked until the transaction ends."""
    locked = select(Member).where(Member.id == member_id).with_for_update(key_share=True)
    return await session.scalar(locked)


async def members_by_id(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, Member]:
    """Return those of these members that there are."""
    found = await session.scalars(select(Member).where(Member.id.in_(ids)))
    return {each.id: each for each in found}


async def list_members(
    session: AsyncSession, page: Page, beginning: str | None, *, active: bool | None
) -> Rows[Member]:
    """Return a page of the members who are wanted, the newest first; see `members_wanted`."""
    statement = members_wanted(page, beginning, active=active)
    return _page(list(await session.scalars(statement)), page)


def members_wanted(page: Page, beginning: str | None, *, active: bool | None) -> Select[Member]:
    """Select the members of a page, and one more if there is.

    Args:
        page: which one.
        beginning: of a username, a mail address or a name, folded; None: of all.
        active: only such; None: all.
    """
    statement = select(Member).order_by(Member.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(Member.id < page.before)
    if active is not None:
        statement = statement.where(Member.is_active.is_(active))
    if beginning:
        columns = (Member.username, Member.email, Member.folded_name)
        begins = (each.startswith(beginning, autoescape=True) for each in columns)
        statement = statement.where(or_(*begins))
    return statement


def _page(rows: list[Member], page: Page) -> Rows[Member]:
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def taken(
    session: AsyncSession, email: str | None, username: str | None, but: UUID | None = None
) -> set[str]:
    """Return which of `email` and `username` are another member's."""
    other = select(Member.email, Member.username).where(
        or_(Member.email == email, Member.username == username)
    )
    if but is not None:
        other = other.where(Member.id != but)
    found: set[str] = set()
    for each in await session.execute(other):
        found |= {"email"} if each.email == email else set()
        found |= {"username"} if each.username == username else set()
    return found


async def add_members(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Add members whose mail address and username nobody has; return the ids of those added."""
    if not rows:
        return set()
    added = insert(Member).on_conflict_do_nothing().returning(Member.id)
    return set(await session.scalars(added, list(rows)))


async def known_emails(session: AsyncSession, emails: Collection[str]) -> set[str]:
    """Return which of these are mail addresses of members."""
    if not emails:
        return set()
    return set(await session.scalars(select(Member.email).where(Member.email.in_(emails))))


async def hold(session: AsyncSession, member_id: UUID) -> Row[bool, datetime | None] | None:
    """Return whether a member is active and since when; nobody deletes them meanwhile.

    What a member does begins with this, so that it locks members first.
    """
    held = select(Member.is_active, Member.last_active_at).where(Member.id == member_id)
    found = await session.execute(held.with_for_update(read=True, key_share=True))
    return found.one_or_none()


async def note_active(session: AsyncSession, member_id: UUID, now: datetime) -> None:
    """Note when a member did something."""
    earlier = or_(Member.last_active_at.is_(None), Member.last_active_at < now)
    noted = update(Member).where(Member.id == member_id, earlier).values(last_active_at=now)
    await session.execute(noted.execution_options(synchronize_session=False))


async def count_post(session: AsyncSession, member_id: UUID) -> None:
    """Count one more post of a member."""
    more = update(Member).where(Member.id == member_id).values(posts_count=Member.posts_count + 1)
    await session.execute(more.execution_options(synchronize_session=False))


async def share_who_follows(session: AsyncSession) -> None:
    """Let nobody delete members until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock_shared(WHO_FOLLOWS)))


async def lock_members(session: AsyncSession, ids: Collection[UUID]) -> Sequence[Row[UUID, bool]]:
    """Lock members in the order of their ids; return each one's id, and whether it is active."""
    locked = select(Member.id, Member.is_active).where(Member.id.in_(ids)).order_by(Member.id)
    return (await session.execute(locked.with_for_update(key_share=True))).all()


async def follow(session: AsyncSession, follower: UUID, followed: UUID, now: datetime) -> bool:
    """Let a member follow another, both locked; return whether that is new."""
    added = insert(Follow).values(follower_id=follower, followed_id=followed, created_at=now)
    statement = added.on_conflict_do_nothing().returning(Follow.follower_id)
    is_new = await session.scalar(statement) is not None
    if is_new:
        await _count_follow(session, follower, followed, 1)
    return is_new


async def unfollow(session: AsyncSession, follower: UUID, followed: UUID) -> bool:
    """Let a member no longer follow another, both locked; return whether they did."""
    gone = delete(Follow).where(Follow.follower_id == follower, Follow.followed_id == followed)
    did = await session.scalar(gone.returning(Follow.follower_id)) is not None
    if did:
        await _count_follow(session, follower, followed, -1)
    return did


async def _count_follow(session: AsyncSession, follower: UUID, followed: UUID, step: int) -> None:
    await session.execute(
        update(Member)
        .where(Member.id.in_([follower, followed]))
        .values(
            following_count=Member.following_count + case((Member.id == follower, step), else_=0),
            followers_count=Member.followers_count + case((Member.id == followed, step), else_=0),
        )
        .execution_options(synchronize_session=False)
    )


async def follows(session: AsyncSession, follower: UUID, followed: UUID) -> bool:
    """Whether a member follows another."""
    return await session.get(Follow, (follower, followed)) is not None


async def followers(session: AsyncSession, member_id: UUID, page: Page) -> Rows[Member]:
    """Return a page of those who follow a member, who joined last first."""
    on = and_(Follow.follower_id == Member.id, Follow.followed_id == member_id)
    return await _neighbours(session, on, Follow.follower_id, page)


async def following(session: AsyncSession, member_id: UUID, page: Page) -> Rows[Member]:
    """Return a page of those whom a member follows, who joined last first."""
    on = and_(Follow.followed_id == Member.id, Follow.follower_id == member_id)
    return await _neighbours(session, on, Follow.followed_id, page)


async def _neighbours(session: AsyncSession, on: Any, key: Any, page: Page) -> Rows[Member]:
    statement = select(Member).join(Follow, on).order_by(key.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(key < page.before)
    return _page(list(await session.scalars(statement)), page)
