"""Jobs of notifications.

Those of incidents are the maintenance queue's: a notice must go out also when no other worker
lives. Those of single users have a queue of their own.
"""

from uuid import UUID

from service.errors import InvalidInput, NotFound
from service.providers.mail.failures import MailRefused
from service.queue import Concurrency, JobCall, Queue, RetryPolicy, job

PATIENT = RetryPolicy(tries=8, delay=30, factor=4, cap=7200, permanent=(MailRefused,))


@job(
    "notifications.mail",
    queue=Queue.MAINTENANCE,
    coroutine="workers.notices.mail",
    timeout=60,
    keep_result=0,
    retry=PATIENT,
    inline=True,  # that Redis is away is mailed while it is
)
async def mail(notice_id: UUID) -> None:
    """Send one incident to `ALMANAC_ALERT_MAIL`, unless a mail told of it before."""


@job(
    "notifications.digest",
    queue=Queue.MAINTENANCE,
    coroutine="workers.notices.digest",
    timeout=60,
    retry=PATIENT,
)
async def digest() -> int:
    """Send the incidents of the day in one mail, where `ALMANAC_ALERT_FREQUENCY` is `daily`.

    Returns of how many incidents it tells.
    """
    raise NotImplementedError


@job(
    "notifications.notify",
    queue=Queue.NOTIFICATIONS,
    coroutine="workers.notifying.notify",
    timeout=60,
    retry=RetryPolicy(tries=4, delay=10, permanent=(NotFound, InvalidInput)),
)
async def notify(user_id: UUID, message: str) -> UUID | None:
    """Tell one user a message, which they find under Notifications; by a mail too if they want one.

    Its first line is the title. Returns the notification's id, None if the job ran before. A user
    who does not exist, or is disabled, fails it at once.
    """
    raise NotImplementedError


@job(
    "notifications.mail_user",
    queue=Queue.NOTIFICATIONS,
    coroutine="workers.notifying.mail_user",
    timeout=60,
    keep_result=0,
    history="failures",
)
async def mail_user(notification_id: UUID) -> None:
    """Write the mail about a notification to a user who wants mails at once."""


@job(
    "notifications.digest_users",
    queue=Queue.NOTIFICATIONS,
    coroutine="workers.notifying.digest_users",
    timeout=600,
    concurrency=Concurrency(1, busy="skip"),
)
async def digest_users() -> int:
    """Write to each user who wants one mail a day what they have not read since the last.

    Returns how many mails.
    """
    raise NotImplementedError


@job(
    "notifications.cleanup",
    queue=Queue.NOTIFICATIONS,
    coroutine="workers.notifying.cleanup",
    timeout=600,
    retry=RetryPolicy(tries=3, delay=600, factor=1, jitter=0),
)
async def cleanup() -> int:
    """Delete notifications that users read `ALMANAC_NOTIFICATIONS_RETENTION` ago, 30 days.

    What nobody has read stays. Returns how many.
    """
    raise NotImplementedError


def mail_call(notice_id: UUID) -> JobCall:
    """Return the one job that mails a notice."""
    return mail(notice_id=notice_id).deferred(job_id=f"notice:{notice_id}")


def mail_user_call(notification_id: UUID) -> JobCall:
    """Return the one job that writes the mail of a user's notification."""
    call = mail_user(notification_id=notification_id)
    return call.deferred(job_id=f"user_notification:{notification_id}")
