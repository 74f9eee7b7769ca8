"""Work of jobs on what single users are told: messages, mails, cleanup.

A mail is written in the transaction that marks its notifications: killed anywhere, a job that runs
again writes no second one.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from service.db.session import UnitOfWork
from service.emails import actions as emails
from service.kit.clock import now
from service.notifications import actions, own_queries, own_rules
from service.notifications.models import MailState, MailWish, UserNotification
from service.runtime import Runtime

USERS, MOST, OLD = 100, 1000, 5000
"""Users whose digests are looked for at a time; notifications in one; deleted at a time."""
KIND = "notification"


async def notify(runtime: Runtime, user_id: UUID, message: str, job_id: str) -> UUID | None:
    """Tell a user a message, once however often the job runs. Raises as `actions.notify`."""
    title = own_rules.title_of(message)
    text = "" if message.strip() == title else message
    news = actions.News(title, text, key=f"job:{job_id}")
    async with runtime.unit_of_work() as uow:
        return await actions.notify(uow, user_id, news)


async def mail_user(runtime: Runtime, notification_id: UUID) -> None:
    """Write the mail of a notification, unless it was read or written before."""
    async with runtime.unit_of_work() as uow:
        if found := await own_queries.waiting_for_mail(uow.session, notification_id):
            text = own_rules.mail_text(found[0], runtime.settings.base_url)
            await _write(uow, found, found[0].title, text, str(notification_id))


async def digest_users(runtime: Runtime) -> int:
    """Write a mail to each user for whom something waits; return how many mails."""
    written, after = 0, None
    while True:
        async with runtime.unit_of_work() as uow:
            users = await own_queries.users_with_digest(uow.session, after, USERS)
        for user_id in users:
            async with runtime.unit_of_work() as uow:
                written += await _digest(uow, user_id, runtime.settings.base_url)
        if len(users) < USERS:
            return written
        after = users[-1]


async def _digest(uow: UnitOfWork, user_id: UUID, site: str) -> bool:
    found = await own_queries.waiting_for_digest(uow.session, user_id, MOST)
    if not found:  # another run was first
        return False
    unread = [each for each in found if each.read_at is None]
    subject = own_rules.digest_subject(unread) if unread else ""
    text = own_rules.digest_text(unread, site)
    return await _write(uow, found, subject, text, f"digest:{found[0].id}")


async def _write(
    uow: UnitOfWork, found: Sequence[UserNotification], subject: str, text: str, key: str
) -> bool:
    """Write one mail about what is unread of a user's notifications; return whether there is one.

    They are locked; afterwards none of them waits for a mail.
    """
    unread = [each for each in found if each.read_at is None]
    wish = await own_queries.settings_of(uow.session, found[0].user_id) if unread else None
    to = wish.email if wish is not None and wish.mail != MailWish.OFF else None
    for each in found:
        mailed = to is not None and each.read_at is None
        each.mail_state = MailState.MAILED if mailed else MailState.NONE
    await uow.session.flush()
    if to is None:
        return False
    mail = emails.NewMail(kind=KIND, key=f"{KIND}:{key}", to=to, subject=subject, text=text)
    # An address that can be none any more is the mail's trouble, and holds up no other user.
    await emails.send_many(uow, [mail])
    return True


async def cleanup(runtime: Runtime, retention: timedelta) -> int:
    """Delete notifications that were read so long ago; return how many. Unread ones stay."""
    before, gone = now() - retention, 0
    while True:
        async with runtime.unit_of_work() as uow:
            count = await own_queries.forget(uow.session, before, OLD)
        gone += count
        if count < OLD:
            return gone
