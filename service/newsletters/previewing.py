"""An issue as one person sees it: a preview, or a test mail."""

from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.session import UnitOfWork
from service.emails import actions as emails
from service.errors import InvalidInput, Problem
from service.newsletters import issue_actions, queries
from service.newsletters.layout import Rendered, render_issue
from service.newsletters.models import Issue
from service.newsletters.schemas import Preview
from service.providers.mail.messages import personal

EXAMPLE = {"name": "Ada", "unsubscribe_url": "#"}
"""What stands for what is personal."""


async def preview(session: AsyncSession, issue: Issue, base_url: str) -> Preview:
    """Return an issue as it will be mailed; nothing in it is counted."""
    rendered = await _rendered(session, issue, base_url)
    return Preview(
        subject=personal(issue.subject, EXAMPLE),
        html=personal(rendered.html, EXAMPLE, in_html=True),
        text=personal(rendered.text, EXAMPLE),
        problems=[f"{each.field} {each.message}" for each in issue_actions.problems(issue)],
    )


async def send_test(uow: UnitOfWork, issue: Issue, address: str, base_url: str) -> UUID | None:
    """Have an issue mailed to one address; return the mail's id.

    Raises:
        InvalidInput: the address is bad, or the issue lacks something.
    """
    if problems := issue_actions.problems(issue):
        raise InvalidInput(problems)
    rendered = await _rendered(uow.session, issue, base_url)
    mail = emails.NewMail(
        kind="newsletters.test",
        key=f"newsletters.test:{issue.id}:{uuid4().hex}",
        to=address,
        subject=f"[Test] {personal(issue.subject, EXAMPLE)}",
        html=personal(rendered.html, EXAMPLE, in_html=True),
        text=personal(rendered.text, EXAMPLE),
        owner_id=issue.owner_id,
    )
    if problems := emails.problems_of(mail):
        raise InvalidInput(
            [Problem("address" if p.field == "to" else p.field, p.message) for p in problems]
        )
    return await emails.send(uow, mail)


async def _rendered(session: AsyncSession, issue: Issue, base_url: str) -> Rendered:
    newsletter = await queries.any_newsletter(session, issue.newsletter_id)
    assert newsletter is not None, "an issue has a newsletter"
    return render_issue(issue, newsletter, base_url, counted=False)
