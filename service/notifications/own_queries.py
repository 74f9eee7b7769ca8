"""Every SQL statement of what single users are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CursorResult,
    Row,
    Select,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.access.models import User
from service.kit.ids import uuid7
from service.kit.pagination import Page, Rows, encode_cursor
from service.notifications.models import (
    MailState,
    MailWish,
    NotificationSettings,
    UserNotification,
)

STATES = {
    MailWish.OFF: MailState.NONE,
    MailWish.IMMEDIATELY: MailState.WANTED,
    MailWish.DIGEST: MailState.DIGEST,
}
_INSERT = text(
    "INSERT INTO user_notifications (id, user_id, kind, key, title, text, link, mail_state)"
    " SELECT told.id, told.user_id, :kind, :key, :title, :text, :link, told.mail_state"
    " FROM unnest(:ids, :users, :states) AS told(id, user_id, mail_state)"
    " ON CONFLICT (user_id, key) DO NOTHING RETURNING id, mail_state"
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("users", type_=ARRAY(Uuid)),
    bindparam("states", type_=ARRAY(Text)),
    *(bindparam(name, type_=Text) for name in ("kind", "key", "title", "text", "link")),
)
Recipient: TypeAlias = Row[UUID, str | None]
"""A user, and what mails they want; None: they never said."""


@dataclass(frozen=True, slots=True)
class News:
    """What users are told; see `UserNotification`."""

    title: str
    text: str = ""
    link: str | None = None
    kind: str = "message"
    key: str | None = None


async def recipients(session: AsyncSession, user_id: UUID | None = None) -> Sequence[Recipient]:
    """Return all users who can log in, or this one; they stay until the transaction ends."""
    statement = (
        select(User.id, NotificationSettings.mail)
        .outerjoin(NotificationSettings, NotificationSettings.user_id == User.id)
        .where(User.disabled_at.is_(None))
        .with_for_update(key_share=True, of=User)
    )
    if user_id is not None:
        statement = statement.where(User.id == user_id)
    return (await session.execute(statement)).all()


async def add(
    session: AsyncSession, news: News, to: Sequence[Recipient]
) -> Sequence[tuple[UUID, str]]:
    """Tell users something; return id and mail state of what is new to them."""
    values = {
        "ids": [uuid7() for _ in to],
        "users": [user_id for user_id, _ in to],
        "states": [STATES[MailWish(wish or MailWish.OFF)] for _, wish in to],
        **{name: getattr(news, name) for name in ("kind", "key", "title", "text", "link")},
    }
    return [(row.id, row.mail_state) for row in await session.execute(_INSERT, values)]


async def list_own(
    session: AsyncSession, caller: Caller, page: Page, *, unread: bool
) -> Rows[UserNotification]:
    """Return a page of what the caller was told, newest first."""
    statement = select(UserNotification).where(UserNotification.user_id == caller.user_id)
    if page.before:
        statement = statement.where(UserNotification.id < page.before)
    if unread:
        statement = statement.where(UserNotification.read_at.is_(None))
    statement = statement.order_by(UserNotification.id.desc()).limit(page.limit + 1)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def count_unread(session: AsyncSession, caller: Caller, most: int) -> int:
    """Return how many the caller has not read, counting up to `most`."""
    unread = select(UserNotification.id).where(
        UserNotification.user_id == caller.user_id, UserNotification.read_at.is_(None)
    )
    found = await session.scalar(select(func.count()).select_from(unread.limit(most).subquery()))
    return found or 0


async def own_for_change(
    session: AsyncSession, caller: Caller, notification_id: UUID
) -> UserNotification | None:
    """Return one of the caller's, locked until the transaction ends."""
    found = select(UserNotification).where(
        UserNotification.id == notification_id, UserNotification.user_id == caller.user_id
    )
    return await session.scalar(found.with_for_update())


async def mark_all_read(session: AsyncSession, caller: Caller) -> int:
    """Mark all of the caller's as read; return how many were not."""
    unread = update(UserNotification).where(
        UserNotification.user_id == caller.user_id, UserNotification.read_at.is_(None)
    )
    result = await session.execute(unread.values(read_at=func.now()))
    assert isinstance(result, CursorResult)
    return result.rowcount


async def settings_of(session: AsyncSession, user_id: UUID) -> NotificationSettings | None:
    """Return how a user wants to be told; None: they never said."""
    return await session.get(NotificationSettings, user_id)


async def put_settings(
    session: AsyncSession, user_id: UUID, email: str | None, mail: MailWish
) -> None:
    """Write down how a user wants to be told; what waits for a mail follows."""
    values = {"email": email, "mail": mail}
    statement = insert(NotificationSettings).values(user_id=user_id, **values)
    index = [NotificationSettings.user_id]
    await session.execute(statement.on_conflict_do_update(index_elements=index, set_=values))
    if mail == MailWish.OFF:
        waits = UserNotification.mail_state.in_([MailState.WANTED, MailState.DIGEST])
        await session.execute(
            update(UserNotification)
            .where(UserNotification.user_id == user_id, waits)
            .values(mail_state=MailState.NONE)
        )


async def waiting_for_mail(
    session: AsyncSession, notification_id: UUID
) -> Sequence[UserNotification]:
    """Return a notification whose mail is not written yet, locked; empty if there is none."""
    found = _for_mail(MailState.WANTED).where(UserNotification.id == notification_id)
    return (await session.scalars(found)).all()


async def waiting_for_digest(
    session: AsyncSession, user_id: UUID, limit: int
) -> Sequence[UserNotification]:
    """Return what waits for the digest of a user, the oldest first, locked."""
    found = _for_mail(MailState.DIGEST).where(UserNotification.user_id == user_id)
    return (await session.scalars(found.order_by(UserNotification.id).limit(limit))).all()


def _for_mail(state: MailState) -> Select[UserNotification]:
    # A second run waits for the lock, and finds by the state that the mail is written.
    return select(UserNotification).where(UserNotification.mail_state == state).with_for_update()


async def users_with_digest(
    session: AsyncSession, after: UUID | None, limit: int
) -> Sequence[UUID]:
    """Return users for whom something waits for the digest, by id, after the last one."""
    statement = select(UserNotification.user_id).distinct()
    statement = statement.where(UserNotification.mail_state == MailState.DIGEST)
    if after is not None:
        statement = statement.where(UserNotification.user_id > after)
    return (await session.scalars(statement.order_by(UserNotification.user_id).limit(limit))).all()


async def forget(session: AsyncSession, before: datetime, limit: int) -> int:
    """Delete up to so many that were read before; return how many."""
    old = select(UserNotification.id).where(UserNotification.read_at < before).limit(limit)
    gone = delete(UserNotification).where(UserNotification.id.in_(old))
    result = await session.execute(gone)
    assert isinstance(result, CursorResult)
    return result.rowcount
