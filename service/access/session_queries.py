"""Every SQL statement of sessions and of the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, Row, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.models import AuditEntry, Session, User
from service.kit.pagination import Page, Rows, encode_cursor

SessionOfUser: TypeAlias = Row[Session, User]
SEEN_STEP = timedelta(minutes=1)
FIRST, LAST = UUID(int=0), UUID(int=(1 << 128) - 1)


async def session_by_digest(session: AsyncSession, digest: bytes) -> SessionOfUser | None:
    """Return the session with this digest and its user, whatever their state."""
    statement = select(Session, User).join(User, User.id == Session.user_id)
    return (await session.execute(statement.where(Session.digest == digest))).one_or_none()


async def touch_session(session: AsyncSession, session_id: UUID) -> None:
    """Note that a session is used, at most once a minute."""
    stale = Session.seen_at < func.now() - SEEN_STEP
    await session.execute(
        update(Session).where(Session.id == session_id, stale).values(seen_at=func.now())
    )


async def list_sessions(
    session: AsyncSession, user_id: UUID, unused_since: datetime
) -> Sequence[Session]:
    """Return the sessions of a user that have not ended, the latest first."""
    found = await session.scalars(
        select(Session)
        .where(
            Session.user_id == user_id,
            Session.expires_at > func.now(),
            Session.seen_at > unused_since,
        )
        .order_by(Session.id.desc())
    )
    return found.all()


async def end_sessions(
    session: AsyncSession,
    user_id: UUID,
    only: UUID | None = None,
    keep: int = 0,
    but: UUID | None = None,
) -> int:
    """Delete a user's sessions; return how many.

    Args:
        session: of the transaction.
        user_id: whose.
        only: the id of the one to delete; by default all are.
        keep: how many of the latest to leave.
        but: the id of one to leave.
    """
    latest = select(Session.id).where(Session.user_id == user_id).order_by(Session.id.desc())
    statement = delete(Session).where(
        Session.user_id == user_id, Session.id.not_in(latest.limit(keep))
    )
    if only is not None:
        statement = statement.where(Session.id == only)
    if but is not None:
        statement = statement.where(Session.id != but)
    result = await session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount


async def end_by_digest(session: AsyncSession, digest: bytes) -> None:
    """Delete the session with this digest, if there is one."""
    await session.execute(delete(Session).where(Session.digest == digest))


async def end_expired(session: AsyncSession, moment: datetime) -> int:
    """Delete sessions whose end has come; return how many."""
    return await _end(session, Session.expires_at <= moment)


async def end_idle(session: AsyncSession, unused_since: datetime) -> int:
    """Delete sessions that were not used since; return how many."""
    return await _end(session, Session.seen_at <= unused_since)


async def end_of_inactive(session: AsyncSession, since: datetime) -> int:
    """Delete all sessions of users who have not logged in since; return how many.

    Who never logged in counts from when they were made.
    """
    last = func.coalesce(User.last_login_at, User.created_at)
    users = select(User.id).where(last <= since)
    return await _end(session, Session.user_id.in_(users))


async def _end(session: AsyncSession, which: ColumnElement[bool]) -> int:
    result = await session.execute(delete(Session).where(which))
    assert isinstance(result, CursorResult)
    return result.rowcount


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries of the audit log: None is any; the times as bounds of ids."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: UUID = FIRST
    until: UUID = LAST


async def list_entries(session: AsyncSession, wanted: Wanted, page: Page) -> Rows[AuditEntry]:
    """Return a page of the audit log, newest first."""
    given = [
        (column, value)
        for column, value in (
            (AuditEntry.subject, wanted.subject),
            (AuditEntry.actor, wanted.actor),
            (AuditEntry.action, wanted.action),
        )
        if value is not None
    ]
    statement = select(AuditEntry).where(*(column == value for column, value in given[1:]))
    first, end = wanted.since, min(wanted.until, page.before or LAST)
    if given:
        # As pairs, so that the index of this column is read from where the page begins: by an
        # equality PostgreSQL would rather read everything by id, also where nothing matches.
        column, value = given[0]
        pair = tuple_(column, AuditEntry.id)
        statement = statement.where(pair >= (value, first), pair < (value, end))
        statement = statement.order_by(column.desc())
    else:
        statement = statement.where(AuditEntry.id >= first, AuditEntry.id < end)
    statement = statement.order_by(AuditEntry.id.desc()).limit(page.limit + 1)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)
