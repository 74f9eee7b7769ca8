"""Every SQL statement of alerts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.kit.pagination import Page, Rows, encode_cursor
from service.monitoring.models import Alert as Alert  # what the queries return


async def open_alerts(session: AsyncSession) -> Sequence[Alert]:
    """Return the alerts that are open, locked until the transaction ends."""
    found = select(Alert).where(Alert.resolved_at.is_(None)).with_for_update()
    return (await session.scalars(found)).all()


async def add(session: AsyncSession, values: dict[str, Any]) -> Alert | None:
    """Insert an alert; None if one of its rule and subject is open."""
    statement = insert(Alert).values(**values).on_conflict_do_nothing().returning(Alert)
    return await session.scalar(statement)


async def list_alerts(session: AsyncSession, page: Page, *, is_open: bool | None) -> Rows[Alert]:
    """Return a page of alerts, newest first; all of them, or those that are open or not."""
    statement = select(Alert).order_by(Alert.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(Alert.id < page.before)
    if is_open is not None:
        statement = statement.where(Alert.resolved_at.is_(None) == is_open)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def forget(session: AsyncSession, before: datetime) -> int:
    """Delete alerts that were resolved before; return how many."""
    result = await session.execute(delete(Alert).where(Alert.resolved_at < before))
    assert isinstance(result, CursorResult)
    return result.rowcount
