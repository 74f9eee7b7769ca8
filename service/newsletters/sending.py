"""One issue's way to its readers: begin, send in slices, end.

No database connection is held while the mail server is awaited.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import UnitOfWork
from service.emails.queries import Pace
from service.errors import AlmanacError, ConfigurationError, InvalidInput, NotFound
from service.kit.clock import now
from service.newsletters import actions, issue_queries, layout, queries, sending_queries
from service.newsletters.envelope import Envelope
from service.newsletters.handing_over import Run
from service.newsletters.models import Issue, IssueState, Newsletter
from service.newsletters.tokens import Links
from service.notifications import actions as notifications
from service.providers.mail.failures import MailRefused
from service.providers.mail.opening import open_mail
from service.runtime import Runtime

log = logging.getLogger(__name__)
Tell = Callable[[int, int], None]
"""Is told how many mails are done, and of how many."""
SHORTEST = timedelta(seconds=1)
"""Between two looks at an issue whose last mails another worker has in its hands."""


async def run(
    runtime: Runtime, issue_id: UUID, job_id: str, tell: Tell, *, last: bool
) -> timedelta | None:
    """Send what is due of an issue; return when to go on, None when there is nothing to do.

    Args:
        runtime: of the process.
        issue_id: what is sent.
        job_id: the job; claims of its earlier runs are over.
        tell: shows progress.
        last: whether no run follows an error: then the issue pauses, and says why.

    Raises:
        NotFound: there is no such issue.
        InvalidInput: it cannot be rendered; the issue has paused.
        MailRefused: the mail server takes none of it, ever; the issue has paused.
        MailDelayed: the mail server takes nothing at present.
        ConfigurationError: there is no way to send; the issue has paused.
    """
    try:
        async with runtime.unit_of_work() as uow:
            due = await _begin(uow.session, issue_id, runtime.settings.base_url)
        return await _send(runtime, issue_id, job_id, tell) if due else None
    except (MailRefused, ConfigurationError, InvalidInput) as error:
        await pause_for(runtime, issue_id, error.message)
        raise
    except Exception as error:  # whatever it was: an issue never seems to be on its way for ever
        if last:
            await pause_for(runtime, issue_id, in_words(error))
        raise


async def _begin(session: AsyncSession, issue_id: UUID, base_url: str) -> bool:
    """Make an issue ready to be sent, once; return whether it is to be sent now."""
    issue = await issue_queries.any_issue(session, issue_id, lock=True)
    if issue is None:
        raise NotFound("There is no such issue")
    if issue.state == IssueState.SCHEDULED:
        if issue.scheduled_at is None or issue.scheduled_at > now():
            return False  # it was moved: a later job sends it
        issue.state = IssueState.SENDING
    if issue.state != IssueState.SENDING:
        return False
    if issue.started_at is None:
        newsletter = await queries.any_newsletter(session, issue.newsletter_id)
        assert newsletter is not None, "an issue has a newsletter"
        await freeze(session, issue, newsletter, base_url)
        await sending_queries.add_deliveries(
            session, issue.id, newsletter.id, newsletter.tags, now()
        )
    await session.flush()
    return True


async def freeze(
    session: AsyncSession, issue: Issue, newsletter: Newsletter, base_url: str
) -> None:
    """Render an issue; from here on what it says does not change."""
    rendered = layout.render_issue(issue, newsletter, base_url)
    issue.html, issue.text, issue.started_at = rendered.html, rendered.text, now()
    await sending_queries.add_links(session, issue.id, rendered.links)


async def _send(runtime: Runtime, issue_id: UUID, job_id: str, tell: Tell) -> timedelta | None:
    settings, database = runtime.settings, runtime.database
    await database.execute(sending_queries.ABANDON, {"issue": issue_id, "job": job_id})
    async with runtime.unit_of_work() as uow:
        frozen = await sending_queries.frozen(uow.session, issue_id)
    provider = open_mail(settings, runtime.outbound)
    handing_over = Run(
        runtime,
        provider,
        Envelope.of(frozen, settings.mail_from, Links(runtime.keyring, settings.base_url)),
        job_id,
        Pace(settings.mail_per_second, settings.mail_per_day),
        tell=tell,
    )
    later = await handing_over.send()
    if later is not None:
        return later
    return await _end(runtime, issue_id)


async def _end(runtime: Runtime, issue_id: UUID) -> timedelta | None:
    """End an issue of which nothing is open; else return when to go on."""
    async with runtime.unit_of_work() as uow:
        result = await uow.session.execute(sending_queries.FINISH, {"issue": issue_id})
        ended = result.one_or_none()
        if ended is not None:
            own = ended.period is not None and not ended.period.startswith("job:")
            await actions.was_sent(uow.session, ended.newsletter_id, ended.sent_at, own=own)
            log.info("an issue was sent", extra={"issue": str(issue_id)})
            return None
        issue = await issue_queries.any_issue(uow.session, issue_id)
        if issue is None or issue.state != IssueState.SENDING:
            return None
        left = (await uow.session.execute(sending_queries.NEXT_RUN, {"issue": issue_id})).one()
    return SHORTEST if left.delay is None else max(left.delay, SHORTEST)


def in_words(error: Exception) -> str:
    """Return an error as its issue tells of it."""
    return error.message if isinstance(error, AlmanacError) else type(error).__name__


async def pause_for(runtime: Runtime, issue_id: UUID, reason: str) -> None:
    """Pause an issue that cannot be sent, and tell its owner."""
    async with runtime.unit_of_work() as uow:
        paused = await sending_queries.pause_for(uow.session, issue_id, reason)
        if paused is not None:
            await report(uow, paused.owner_id, issue_id, "An issue has paused", reason)


async def report(uow: UnitOfWork, owner_id: UUID, issue_id: UUID, title: str, reason: str) -> None:
    """Tell an owner what became of an issue."""
    incident = notifications.Incident(
        kind="newsletters.issue",
        key=f"newsletters.issue:{issue_id}",
        title=title,
        text=f"{reason} (/issues/{issue_id})",
        owner_id=owner_id,
    )
    await notifications.report(uow, incident, mail=False)
