"""Jobs of mails."""

from uuid import UUID

from service.errors import AlmanacError, ConfigurationError
from service.providers.mail.failures import MailRefused
from service.queue import JobCall, Queue, RetryPolicy, job

TRIES = 6
TIMEOUT = 120
"""Seconds; the longest conversation with a mail server is shorter."""


class MailUnconfirmed(AlmanacError):
    """Nobody knows whether the mail went out: it is not sent again by itself."""

    status = 502
    slug = "mail-unconfirmed"


@job(
    "emails.send",
    queue=Queue.EMAILS,
    coroutine="workers.emails.send",
    timeout=TIMEOUT,
    retry=RetryPolicy(
        TRIES,
        delay=30,
        jitter=0,
        permanent=(MailRefused, MailUnconfirmed, ConfigurationError),
    ),
)
async def send(email_id: UUID) -> str | None:
    """Send one mail; five retries, after 30, 60, 120, 240 and 480 s.

    Suppression and pace are looked at when it is sent. What the address or the provider refuses for
    good is not tried again, nor is what may have gone out. Returns the state of the mail, None for
    one that is gone.
    """
    raise NotImplementedError


def send_call(email_id: UUID, version: int = 1) -> JobCall:
    """Return the one job of a mail's version."""
    return send(email_id=email_id).deferred(job_id=f"email:{email_id}:{version}")
