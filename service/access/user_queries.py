"""SQL of users as an admin sees them: each with how many keys and logins there are."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.models import ApiKey, Session, User
from service.kit.pagination import Page, Rows, encode_cursor

UserSeen: TypeAlias = Row[User, int, int, datetime | None]
"""A user, the keys that work, the sessions that have not ended, and when one was used last."""


def _works() -> ColumnElement[bool]:
    ends = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now())
    return ApiKey.revoked_at.is_(None) & ends


def _seen(unused_since: datetime) -> Select[User, int, int, datetime | None]:
    of_user = Session.user_id == User.id
    lives = of_user & (Session.expires_at > func.now()) & (Session.seen_at > unused_since)
    working = (ApiKey.user_id == User.id) & _works()
    return select(
        User,
        select(func.count()).select_from(ApiKey).where(working).scalar_subquery(),
        select(func.count()).select_from(Session).where(lives).scalar_subquery(),
        select(func.max(Session.seen_at)).where(of_user).scalar_subquery(),
    )


async def seen(session: AsyncSession, user_id: UUID, unused_since: datetime) -> UserSeen | None:
    """Return a user."""
    statement = _seen(unused_since).where(User.id == user_id)
    return (await session.execute(statement)).one_or_none()


async def list_users(
    session: AsyncSession, page: Page, unused_since: datetime, *, part: str = ""
) -> Rows[UserSeen]:
    """Return a page of users, newest first.

    Args:
        session: of the transaction.
        page: which.
        unused_since: sessions that were not used since have ended.
        part: of the name; empty for all.
    """
    statement = _seen(unused_since).order_by(User.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(User.id < page.before)
    if part:
        statement = statement.where(User.name.icontains(part, autoescape=True))
    rows = list((await session.execute(statement)).all())
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1][0].id) if len(rows) > page.limit else None)


async def keys_of(session: AsyncSession, user_id: UUID, limit: int) -> list[ApiKey]:
    """Return the newest keys of a user that work."""
    statement = select(ApiKey).where(ApiKey.user_id == user_id, _works())
    return list(await session.scalars(statement.order_by(ApiKey.id.desc()).limit(limit)))
