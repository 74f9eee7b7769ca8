"""Issues that jobs write: of a newsletter that is due, or for one address."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.newsletters import (
    actions,
    generating,
    issue_actions,
    issue_queries,
    queries,
    sending,
    sending_queries,
)
from service.newsletters.generating import Written
from service.newsletters.jobs import FOR_GOOD
from service.newsletters.models import Issue, IssueState, Newsletter
from service.providers.mail.addresses import check, key
from service.runtime import Runtime

LOST = "Its job was lost: let it be written again"


async def write(runtime: Runtime, issue_id: UUID, *, last: bool) -> None:
    """Write an issue that waits for it; then it is a draft to be approved, or is sent.

    Args:
        runtime: of the process.
        issue_id: an issue that is `writing`; any other is left as it is.
        last: whether no run follows an error: then the issue has failed, and says why.

    Raises what `generating.write` raises.
    """
    async with runtime.unit_of_work() as uow:
        issue = await issue_queries.any_issue(uow.session, issue_id)
        if issue is None or issue.state != IssueState.WRITING:
            return
        newsletter = await _newsletter(uow.session, issue.newsletter_id)
    written = await _written(runtime, issue, newsletter, last=last)
    async with runtime.unit_of_work() as uow:
        issue = await issue_queries.any_issue(uow.session, issue_id, lock=True)
        if issue is None or issue.state != IssueState.WRITING:
            return  # it was cancelled meanwhile
        _fill(issue, written)
        if not newsletter.needs_approval:
            await issue_actions.begin(uow, issue)
            return
        issue.state = IssueState.DRAFT
        await uow.session.flush()
        text = f"“{issue.subject}” waits for an approval."
        title = f"An issue of {newsletter.name} is written"
        await sending.report(uow, issue.owner_id, issue.id, title, text)


async def send_one(  # noqa: PLR0913
    runtime: Runtime,
    newsletter_id: UUID,
    address: str,
    job_id: str,
    tell: sending.Tell,
    *,
    last: bool,
) -> tuple[UUID, timedelta | None]:
    """Write an issue of a newsletter and send it to one address, once.

    Args:
        runtime: of the process.
        newsletter_id: of which newsletter.
        address: who gets it, subscribed or not.
        job_id: whose issue it is: a later run goes on with it.
        tell: shows progress.
        last: whether no run follows an error.

    Returns the issue's id, and when to go on; None: it is over.

    Raises:
        NotFound: there is no such newsletter.
        InvalidInput: it is no address.
    """
    try:
        address = check(address)
    except ValueError as error:
        raise InvalidInput([Problem("address", str(error))]) from None
    period = f"job:{job_id}"
    async with runtime.unit_of_work() as uow:
        newsletter = await queries.any_newsletter(uow.session, newsletter_id, lock=True)
        if newsletter is None:
            raise NotFound("There is no such newsletter")
        issue = await issue_queries.issue_of_period(uow.session, newsletter_id, period)
        if issue is None:
            values = {"state": IssueState.WRITING, "period": period, "job_id": job_id}
            issue = await issue_actions.add(uow.session, newsletter, **values)
    if issue.state == IssueState.WRITING:
        written = await _written(runtime, issue, newsletter, last=last)
        async with runtime.unit_of_work() as uow:
            again = await issue_queries.any_issue(uow.session, issue.id, lock=True)
            if again is not None and again.state == IssueState.WRITING:
                _fill(again, written)
                again.state = IssueState.SENDING
                base_url = runtime.settings.base_url
                await sending.freeze(uow.session, again, newsletter, base_url)
                await sending_queries.add_delivery(
                    uow.session, again.id, address, key(address), now()
                )
                await uow.session.flush()
    return issue.id, await sending.run(runtime, issue.id, job_id, tell, last=last)


async def check_due(runtime: Runtime) -> dict[str, int]:
    """Begin the issues that are due; see `actions.check_due`."""
    async with runtime.unit_of_work() as uow:
        return await actions.check_due(uow, now())


async def sweep(runtime: Runtime) -> int:
    """Give every issue a job that should have one; return how many had none.

    One that was being written has failed: whatever ended its worker three times may again.
    """
    async with runtime.unit_of_work() as uow:
        found = await sending_queries.without_job(uow.session, now())
        for issue_id in found:
            issue = await issue_queries.any_issue(uow.session, issue_id)
            assert issue is not None, "it is locked"
            if issue.state == IssueState.WRITING:
                issue.state, issue.error = IssueState.FAILED, LOST
            else:
                await issue_actions.begin(uow, issue)
        await uow.session.flush()
    return len(found)


async def _written(
    runtime: Runtime, issue: Issue, newsletter: Newsletter, *, last: bool
) -> Written:
    """Write an issue's text; what cannot be written, now or ever, has failed."""
    try:
        return await generating.write(
            runtime, newsletter.topic, newsletter.style, newsletter.sources
        )
    except Exception as error:  # whatever it was: an issue never seems to be written for ever
        if last or isinstance(error, FOR_GOOD):
            await _fail(runtime, issue.id, sending.in_words(error))
        raise


async def _newsletter(session: AsyncSession, newsletter_id: UUID) -> Newsletter:
    found = await queries.any_newsletter(session, newsletter_id)
    assert found is not None, "an issue has a newsletter"
    return found


def _fill(issue: Issue, written: Written) -> None:
    issue.subject, issue.content = written.subject, written.content
    issue.made_by, issue.error = written.made_by, None


async def _fail(runtime: Runtime, issue_id: UUID, reason: str) -> None:
    async with runtime.unit_of_work() as uow:
        issue = await issue_queries.any_issue(uow.session, issue_id, lock=True)
        if issue is None or issue.state != IssueState.WRITING:
            return
        issue.state, issue.error = IssueState.FAILED, reason
        await uow.session.flush()
        await sending.report(uow, issue.owner_id, issue.id, "An issue was not written", reason)
