"""Use cases of notifications."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import NotFound
from service.kit.clock import now
from service.notifications import queries
from service.notifications.jobs import mail_call
from service.notifications.models import Notice
from service.notifications.rules import Incident as Incident  # what others report
from service.notifications.rules import job_failed as job_failed


async def report(uow: UnitOfWork, incident: Incident, *, mail: bool) -> None:
    """Tell people of an incident: a new one by a notice, one that lasts by its count.

    The notice stays locked until the transaction ends: report last.

    Args:
        uow: what the incident belongs to.
        incident: what happened.
        mail: whether a new one is mailed at once.
    """
    await queries.close_quiet(uow.session, incident.key)
    new = await queries.count(uow.session, incident)
    if new is not None and mail:
        uow.enqueue(mail_call(new))


async def mark_read(session: AsyncSession, caller: Caller, notice_id: UUID) -> Notice:
    """Mark a notice as read. Raises NotFound."""
    notice = await _for_change(session, caller, notice_id)
    notice.read_at = notice.read_at or now()
    await session.flush()
    return notice


async def resolve(session: AsyncSession, caller: Caller, notice_id: UUID) -> Notice:
    """End an incident: what happens again from here is a new one. Raises NotFound."""
    notice = await _for_change(session, caller, notice_id)
    notice.resolved_at = notice.resolved_at or now()
    notice.open = False
    await session.flush()
    return notice


async def close(session: AsyncSession, key: str) -> None:
    """End the incident of this key, if there is one: it is over."""
    await queries.close(session, key)


async def mark_all_read(session: AsyncSession, caller: Caller) -> int:
    """Mark everything as read; return how many notices were not."""
    return await queries.mark_all_read(session, caller)


async def forget(session: AsyncSession, age: timedelta) -> int:
    """Delete notices of incidents that ended so long ago; return how many."""
    return await queries.forget(session, now() - age)


async def _for_change(session: AsyncSession, caller: Caller, notice_id: UUID) -> Notice:
    notice = await queries.notice_for_change(session, caller, notice_id)
    if notice is None:
        raise NotFound("There is no such notification")
    return notice
