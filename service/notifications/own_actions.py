"""What people do with what they were told, and how they want to be told."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.errors import InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.notifications import own_queries
from service.notifications.models import MailWish, NotificationSettings, UserNotification
from service.providers.mail import addresses


async def mark_read(
    session: AsyncSession, caller: Caller, notification_id: UUID
) -> UserNotification:
    """Mark one of the caller's notifications as read. Raises NotFound."""
    found = await own_queries.own_for_change(session, caller, notification_id)
    if found is None:
        raise NotFound("There is no such notification")
    found.read_at = found.read_at or now()
    await session.flush()
    return found


async def show_settings(session: AsyncSession, caller: Caller) -> NotificationSettings:
    """Return how the caller wants to be told."""
    found = await own_queries.settings_of(session, caller.user_id)
    return found or NotificationSettings(user_id=caller.user_id, email=None, mail=MailWish.OFF)


async def put_settings(
    session: AsyncSession, caller: Caller, email: str | None, mail: MailWish
) -> NotificationSettings:
    """Change how the caller wants to be told; return it.

    Raises:
        InvalidInput: the address can be none, or is missing where mails are wanted.
    """
    problem = "is needed for mails" if mail != MailWish.OFF else None
    if email is not None:
        try:
            email, problem = addresses.check(email), None
        except ValueError as error:
            problem = str(error)
    if problem:
        raise InvalidInput([Problem("email", problem)])
    await own_queries.put_settings(session, caller.user_id, email, mail)
    return NotificationSettings(user_id=caller.user_id, email=email, mail=mail)
