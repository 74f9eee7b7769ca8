"""Every SQL statement of notifications."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, delete, func, or_, select, text, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.kit.ids import uuid7
from service.kit.pagination import Page, Rows, encode_cursor
from service.notifications.models import Notice
from service.notifications.rules import QUIET, Incident

MOST_IN_DIGEST = 1000


def _concerns(caller: Caller) -> ColumnElement[bool]:
    return or_(Notice.owner_id == caller.user_id, Notice.owner_id.is_(None))


def _visible(caller: Caller) -> ColumnElement[bool]:
    return true() if caller.is_admin else _concerns(caller)


async def close_quiet(session: AsyncSession, key: str) -> None:
    """End the incident of this key if it has not happened for a while."""
    stale = Notice.last_at < func.now() - QUIET
    await session.execute(
        update(Notice).where(Notice.key == key, Notice.open, stale).values(open=False)
    )


async def close(session: AsyncSession, key: str) -> None:
    """End the incident of this key."""
    over = {"open": False, "resolved_at": func.now()}
    await session.execute(update(Notice).where(Notice.key == key, Notice.open).values(**over))


async def count(session: AsyncSession, incident: Incident) -> UUID | None:
    """Count an incident; return the notice's id if it is a new one."""
    new = insert(Notice).values(
        id=uuid7(),
        owner_id=incident.owner_id,
        kind=incident.kind,
        key=incident.key,
        title=incident.title,
        text=incident.text,
        last_at=func.now(),
    )
    statement = new.on_conflict_do_update(
        index_elements=[Notice.key],
        index_where=text("open"),
        set_={"count": Notice.count + 1, "text": incident.text, "last_at": func.now()},
    )
    found = (await session.execute(statement.returning(Notice.id, Notice.count))).one()
    return found[0] if found[1] == 1 else None


async def list_notices(
    session: AsyncSession, caller: Caller, page: Page, *, unread: bool
) -> Rows[Notice]:
    """Return a page of notices, newest first."""
    statement = select(Notice).where(_visible(caller)).order_by(Notice.id.desc())
    if page.before:
        statement = statement.where(Notice.id < page.before)
    if unread:
        statement = statement.where(Notice.read_at.is_(None))
    rows = list(await session.scalars(statement.limit(page.limit + 1)))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def notice_for_change(
    session: AsyncSession, caller: Caller, notice_id: UUID
) -> Notice | None:
    """Return a notice, locked until the transaction ends, if the caller may see it."""
    found = select(Notice).where(Notice.id == notice_id, _visible(caller))
    return await session.scalar(found.with_for_update())


async def mark_all_read(session: AsyncSession, caller: Caller) -> int:
    """Mark all notices as read that concern the caller; return how many were not."""
    unread = update(Notice).where(_concerns(caller), Notice.read_at.is_(None))
    result = await session.execute(unread.values(read_at=func.now()))
    assert isinstance(result, CursorResult)
    return result.rowcount


async def unmailed(session: AsyncSession, notice_id: UUID | None = None) -> Sequence[Notice]:
    """Return notices that no mail told of, the oldest first; of all of them or of one."""
    statement = select(Notice).where(Notice.mailed_at.is_(None))
    if notice_id is not None:
        statement = statement.where(Notice.id == notice_id)
    return (await session.scalars(statement.order_by(Notice.id).limit(MOST_IN_DIGEST))).all()


async def mark_mailed(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Note that a mail told of these."""
    await session.execute(update(Notice).where(Notice.id.in_(ids)).values(mailed_at=func.now()))


async def forget(session: AsyncSession, before: datetime) -> int:
    """Delete notices that did not happen since; return how many."""
    result = await session.execute(delete(Notice).where(Notice.last_at < before))
    assert isinstance(result, CursorResult)
    return result.rowcount
