"""Use cases of notifications."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import InvalidInput, NotFound
from service.kit.clock import now
from service.kit.text import storable
from service.notifications import own_queries, own_rules, queries
from service.notifications.jobs import mail_call, mail_user_call
from service.notifications.models import MailState, Notice
from service.notifications.own_queries import News as News  # what others tell
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


async def notify(uow: UnitOfWork, user_id: UUID, news: News) -> UUID | None:
    """Tell one user something: on the dashboard, and by a mail if they want one.

    Args:
        uow: what the news belongs to.
        user_id: who is told.
        news: what; under a key that the user was told of before, nothing happens.

    Returns the notification's id, None if its key was told before.

    Raises:
        InvalidInput: the news cannot be told so.
        NotFound: there is no such user, or it is disabled.
    """
    to = await own_queries.recipients(uow.session, user_id)
    if not to:
        raise NotFound(f"There is no user {user_id}, or it is disabled")
    told = await _tell(uow, news, to)
    return told[0] if told else None


async def notify_everybody(uow: UnitOfWork, news: News) -> int:
    """Tell all users something; return to how many it is new. Raises InvalidInput as `notify`."""
    return len(await _tell(uow, news, await own_queries.recipients(uow.session)))


async def _tell(uow: UnitOfWork, news: News, to: Sequence[own_queries.Recipient]) -> Sequence[UUID]:
    news = replace(
        news, title=storable(news.title), text=storable(news.text), kind=storable(news.kind)
    )
    if wrong := list(own_rules.problems(news.title, news.text, news.link, news.key)):
        raise InvalidInput(wrong)
    told = await own_queries.add(uow.session, news, to)
    uow.enqueue(*(mail_user_call(each) for each, state in told if state == MailState.WANTED))
    return [each for each, _ in told]


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
