"""Jobs of notifications.

They are the maintenance queue's: a notice must go out also when no other worker lives.
"""

from uuid import UUID

from service.providers.smtp import MailRefused
from service.queue import JobCall, Queue, RetryPolicy, job

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


def mail_call(notice_id: UUID) -> JobCall:
    """Return the one job that mails a notice."""
    return mail(notice_id=notice_id).deferred(job_id=f"notice:{notice_id}")
