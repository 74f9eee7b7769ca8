"""Jobs of newsletters."""

from typing import Any
from uuid import UUID

from service.errors import ConfigurationError, InvalidInput, NotFound
from service.newsletters.generating_failures import NothingToWriteFrom
from service.providers import language_model_failures as model
from service.providers.mail.failures import MailRefused
from service.providers.sources.failures import SourceRefused
from service.queue import Queue, RetryPolicy, job

FOR_GOOD = (
    *(model.QuotaExceeded, model.KeyRefused, model.Refused, model.BadAnswer),
    *(SourceRefused, NothingToWriteFrom, InvalidInput),
)
"""Errors of writing that waiting does not help."""
SENDING = RetryPolicy(
    tries=4,
    delay=120,
    factor=1,
    jitter=0,
    permanent=(MailRefused, ConfigurationError, NotFound, *FOR_GOOD),
)
SEND_TIMEOUT = 900
"""Seconds; a run begins nothing after 600 and goes on as the next."""


@job(
    "newsletters.generate",
    queue=Queue.EMAILS,
    coroutine="workers.writing.generate",
    timeout=300,
    retry=RetryPolicy(tries=4, delay=60, jitter=0, permanent=FOR_GOOD),
)
async def generate(
    topic: str, style: str = "concise", sources: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Write a newsletter about a topic: by the language model, or as a summary of its sources.

    Returns `subject` and `content` (Markdown), `made_by` and what became of each source. What
    cannot be helped by waiting, such as a key that is refused, is not tried again.
    """
    raise NotImplementedError


@job(
    "newsletters.write_issue",
    queue=Queue.EMAILS,
    coroutine="workers.newsletters.write_issue",
    timeout=300,
    retry=RetryPolicy(tries=4, delay=60, jitter=0, permanent=(*FOR_GOOD, NotFound)),
)
async def write_issue(issue_id: UUID) -> None:
    """Write an issue, then leave it to be approved, or let it be sent, as its newsletter says.

    What cannot be written, for good or after the last try, is `failed` with the reason.
    """


@job(
    "newsletters.send_issue",
    queue=Queue.EMAILS,
    coroutine="workers.newsletters.send_issue",
    timeout=SEND_TIMEOUT,
    retry=SENDING,
)
async def send_issue(issue_id: UUID) -> None:
    """Send an issue to every reader of its newsletter, once.

    The rows decide: each mail is claimed and stamped before it goes, whatever crashes. A mail that
    a server refuses for now is tried again by its own row (3 times, after 1, 5 and 30 minutes); a
    failure of the mail server itself is this job's (3 retries, 120 s), and pauses the issue at
    last.
    """


@job(
    "newsletters.send_one",
    queue=Queue.EMAILS,
    coroutine="workers.newsletters.send_one",
    sensitive=True,  # an address
    timeout=SEND_TIMEOUT,
    retry=SENDING,
)
async def send_one(newsletter_id: UUID, address: str) -> UUID:
    """Write an issue of a newsletter and send it to one address; return the issue's id.

    The issue belongs to this job: a retry goes on with it, and mails nothing twice.
    """
    raise NotImplementedError


@job(
    "newsletters.check_due",
    queue=Queue.EMAILS,
    coroutine="workers.newsletters.check_due",
    timeout=300,
)
async def check_due() -> dict[str, int]:
    """Begin an issue of every newsletter that is due; each period of a newsletter has one.

    Returns `written` (a job writes it), `sent` (an approved one goes out) and `nothing` (there was
    none to send).
    """
    raise NotImplementedError


@job(
    "newsletters.sweep",
    queue=Queue.EMAILS,
    coroutine="workers.newsletters.sweep",
    timeout=50,
)
async def sweep() -> int:
    """Find issues that should be written or sent by now and that no job does; return how many.

    Such as one whose worker died three times: the engine leaves its job alone, a new one goes on.
    """
    raise NotImplementedError
