"""Use cases of issues, up to the moment they are sent. None commits, none awaits the network."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import Conflict, InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.kit.ids import uuid7
from service.kit.instants import parse_zone
from service.newsletters import issue_queries, jobs, queries, rules
from service.newsletters.models import UNSENT, Issue, IssueState, Newsletter, NewsletterState
from service.newsletters.schemas import IssueChange, IssueIn, ScheduleIn
from service.providers.mail.headers import header_problem

AGAIN = "Nobody knows whether these mails arrived before: who has one already gets it a second time"


async def create(
    session: AsyncSession, caller: Caller, newsletter_id: UUID, body: IssueIn
) -> Issue:
    """Write a draft.

    Raises:
        NotFound: the caller has no such newsletter.
        Conflict: the newsletter was cancelled.
        InvalidInput: a line has breaks in it.
    """
    newsletter = await queries.newsletter_for_change(session, caller, newsletter_id)
    if newsletter is None:
        raise NotFound("There is no such newsletter")
    if newsletter.status == NewsletterState.CANCELLED:
        raise Conflict("The newsletter was cancelled")
    _check_lines(body.subject, body.preheader)
    return await add(session, newsletter, state=IssueState.DRAFT, **body.model_dump())


async def add(session: AsyncSession, newsletter: Newsletter, **values: object) -> Issue:
    """Write an issue with the next number; the newsletter must be locked."""
    made = {
        "id": uuid7(),
        "owner_id": newsletter.owner_id,
        "newsletter_id": newsletter.id,
        "created_at": now(),
        "period": None,
        **values,
    }
    issue_id = await issue_queries.add_issue(session, made)
    assert issue_id is not None, "its period was looked up under the newsletter's lock"
    issue = await issue_queries.any_issue(session, issue_id, lock=True)
    assert issue is not None, "it was written a moment ago"
    return issue


async def change(session: AsyncSession, caller: Caller, issue_id: UUID, body: IssueChange) -> Issue:
    """Change what an issue says; where approval is needed, that is taken back.

    Raises:
        NotFound: the caller has no such issue.
        Conflict: it is on its way, or over.
        InvalidInput: a line has breaks in it.
    """
    issue, newsletter = await _with_newsletter(session, caller, issue_id)
    if issue.state not in (*UNSENT, IssueState.FAILED):
        raise Conflict(f"The issue is {issue.state}: it can be changed no more")
    _check_lines(body.subject, body.preheader)
    for name, value in body.model_dump(exclude_unset=True).items():
        setattr(issue, name, value if value is not None else "")
    if issue.state == IssueState.FAILED or newsletter.needs_approval:
        _draft(issue)
    await session.flush()
    return issue


async def approve(session: AsyncSession, caller: Caller, issue_id: UUID) -> Issue:
    """Approve a draft: it may be sent from here on.

    Raises:
        NotFound: the caller has no such issue.
        Conflict: it is no draft.
        InvalidInput: it lacks something.
    """
    issue, _ = await _with_newsletter(session, caller, issue_id)
    if issue.state != IssueState.DRAFT:
        raise Conflict(f"The issue is {issue.state}: only a draft is approved")
    _check_ready(issue)
    issue.state = IssueState.APPROVED
    issue.approved_at, issue.approved_by = now(), caller.actor
    await session.flush()
    return issue


async def schedule(uow: UnitOfWork, caller: Caller, issue_id: UUID, body: ScheduleIn) -> Issue:
    """Have an issue sent at a time, in the place of an earlier one.

    Raises:
        NotFound: the caller has no such issue.
        Conflict: it needs an approval first, or is on its way, or over.
        InvalidInput: the time or the zone is bad, or the issue lacks something.
    """
    issue, newsletter = await _with_newsletter(uow.session, caller, issue_id)
    _check_may_go(issue, newsletter)
    zone = parse_zone(body.zone or newsletter.zone)
    if isinstance(zone, Problem):
        raise InvalidInput([zone, *problems(issue)])
    at = rules.scheduled(body.at, zone, now())
    if isinstance(at, Problem):
        raise InvalidInput([at, *problems(issue)])
    _check_ready(issue)
    issue.state, issue.scheduled_at, issue.error = IssueState.SCHEDULED, at, None
    (issue.job_id,) = uow.enqueue(jobs.send_issue(issue_id=issue.id).deferred(until=at))
    await uow.session.flush()
    return issue


async def send(uow: UnitOfWork, caller: Caller, issue_id: UUID) -> Issue:
    """Send an issue now.

    Raises:
        NotFound: the caller has no such issue.
        Conflict: it needs an approval first, or is on its way, or over.
        InvalidInput: it lacks something.
    """
    issue, newsletter = await _with_newsletter(uow.session, caller, issue_id)
    _check_may_go(issue, newsletter)
    _check_ready(issue)
    await begin(uow, issue)
    return issue


async def begin(uow: UnitOfWork, issue: Issue) -> None:
    """Let a job send an issue, from the beginning or from where it stopped."""
    issue.state, issue.error = IssueState.SENDING, None
    (issue.job_id,) = uow.enqueue(jobs.send_issue(issue_id=issue.id))
    await uow.session.flush()


async def begin_writing(uow: UnitOfWork, newsletter: Newsletter, *, period: str | None) -> Issue:
    """Let a job write an issue; the newsletter must be locked, and the period be free."""
    issue = await add(uow.session, newsletter, state=IssueState.WRITING, period=period)
    (issue.job_id,) = uow.enqueue(jobs.write_issue(issue_id=issue.id))
    await uow.session.flush()
    return issue


async def write(uow: UnitOfWork, caller: Caller, issue_id: UUID) -> Issue:
    """Let a job write a draft anew, or what could not be written. Raises NotFound, Conflict."""
    issue, _ = await _with_newsletter(uow.session, caller, issue_id)
    if issue.state not in (IssueState.DRAFT, IssueState.FAILED):
        raise Conflict(f"The issue is {issue.state}: only a draft is written anew")
    issue.state, issue.error = IssueState.WRITING, None
    (issue.job_id,) = uow.enqueue(jobs.write_issue(issue_id=issue.id))
    await uow.session.flush()
    return issue


async def pause(session: AsyncSession, caller: Caller, issue_id: UUID) -> Issue:
    """Stop sending within a second; what is out stays out. Raises NotFound, Conflict."""
    issue, _ = await _with_newsletter(session, caller, issue_id)
    if issue.state != IssueState.SENDING:
        raise Conflict(f"The issue is {issue.state}: only one that is being sent can pause")
    issue.state = IssueState.PAUSED
    await session.flush()
    return issue


async def resume(uow: UnitOfWork, caller: Caller, issue_id: UUID) -> Issue:
    """Send on from where it stopped. Raises NotFound, Conflict."""
    issue, _ = await _with_newsletter(uow.session, caller, issue_id)
    if issue.state != IssueState.PAUSED:
        raise Conflict(f"The issue is {issue.state}: it does not pause")
    await begin(uow, issue)
    return issue


async def cancel(session: AsyncSession, caller: Caller, issue_id: UUID) -> Issue:
    """End an issue; who has it has it, nobody else gets it. Raises NotFound, Conflict."""
    issue, _ = await _with_newsletter(session, caller, issue_id)
    if issue.state in (IssueState.SENT, IssueState.CANCELLED):
        raise Conflict(f"The issue is {issue.state} already")
    issue.state = IssueState.CANCELLED
    await session.flush()
    await issue_queries.cancel_deliveries(session, issue.id)
    return issue


async def resend_unconfirmed(uow: UnitOfWork, caller: Caller, issue_id: UUID) -> int:
    """Send once more to those of whom nobody knows whether they have it; return how many.

    Raises NotFound; Conflict where there are none, or the issue is not sent or paused.
    """
    issue, _ = await _with_newsletter(uow.session, caller, issue_id)
    if issue.state not in (IssueState.SENT, IssueState.PAUSED):
        raise Conflict(f"The issue is {issue.state}: wait until it was sent, or pause it")
    count = await issue_queries.send_unconfirmed_again(uow.session, issue.id)
    if not count:
        raise Conflict("No mail of the issue is unconfirmed")
    await begin(uow, issue)
    return count


async def _with_newsletter(
    session: AsyncSession, caller: Caller, issue_id: UUID
) -> tuple[Issue, Newsletter]:
    issue = await issue_queries.issue_for_change(session, caller, issue_id)
    if issue is None:
        raise NotFound("There is no such issue")
    newsletter = await queries.any_newsletter(session, issue.newsletter_id)
    assert newsletter is not None, "an issue has a newsletter"
    return issue, newsletter


def _draft(issue: Issue) -> None:
    issue.state, issue.error, issue.scheduled_at = IssueState.DRAFT, None, None
    issue.approved_at = issue.approved_by = None


def _check_may_go(issue: Issue, newsletter: Newsletter) -> None:
    if newsletter.status == NewsletterState.CANCELLED:
        raise Conflict("The newsletter was cancelled")
    if issue.state not in UNSENT:
        raise Conflict(f"The issue is {issue.state}: it cannot be sent from there")
    if newsletter.needs_approval and issue.state == IssueState.DRAFT:
        raise Conflict("Issues of this newsletter need an approval: approve it first")


def _check_ready(issue: Issue) -> None:
    if found := problems(issue):
        raise InvalidInput(found)


def problems(issue: Issue) -> list[Problem]:
    """Return what an issue lacks to be sent."""
    found = []
    if not issue.subject.strip():
        found.append(Problem("subject", "is missing"))
    if not issue.content.strip():
        found.append(Problem("content", "is missing: the mail would be empty"))
    return found


def _check_lines(subject: str | None, preheader: str | None) -> None:
    found = [
        Problem(name, problem)
        for name, value in (("subject", subject), ("preheader", preheader))
        if value and (problem := header_problem(value))
    ]
    if found:
        raise InvalidInput(found)
