"""The weekly digest: mailed to every active member once a week, in batches of bounded size."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.community import figure_rules as rules
from service.community import leaving, letters, mail_queries
from service.community.letters import Digest
from service.community.mail_queries import Shown
from service.community.models import CommunityPass, Member
from service.community.pass_queries import Looked
from service.community.passing import Counted, Plan, Tell, work_through
from service.db.session import UnitOfWork
from service.emails import actions as emails
from service.emails.actions import NewMail
from service.kit.clock import now
from service.runtime import Runtime

LOOK = 5_000
"""Members that are looked at together."""
MAILS = 250
"""Mails that one transaction writes."""


async def send_digests(runtime: Runtime, tell: Tell) -> Counted:
    """Mail the week's top posts to every member who is active and wants them.

    A member's mail has a key of their id and the week (ISO, UTC), so that nobody gets two, however
    often this runs. In a week without public posts nobody gets any.

    Args:
        runtime: of the process.
        tell: told which part is done.

    Returns:
        Members looked at, and mails that are new.
    """
    since = now() - rules.ACTIVE_WITHIN
    async with runtime.unit_of_work() as uow:
        top = await mail_queries.top_posts(uow.session, since, rules.TOP_POSTS)
    if not top:
        return Counted(0, 0)
    edition = _Edition(runtime, top, since)
    plan = Plan("community.send_digests", Member, edition.readers, edition.send, MAILS)
    return await work_through(runtime, plan, tell)


class _Edition:
    """The digest of one week."""

    def __init__(self, runtime: Runtime, top: list[Shown], since: datetime) -> None:
        self._runtime = runtime
        self._since = since
        self._but = [post.id for post in top]
        sender = letters.sender_name(runtime.settings.mail_from)
        self._letter = Digest(sender, top)

    async def readers(self, session: AsyncSession, this: CommunityPass) -> list[Looked]:
        """Return the next members who get one."""
        return await mail_queries.readers(session, this.after_id, LOOK, self._since)

    async def send(self, uow: UnitOfWork, this: CommunityPass, ids: Sequence[UUID]) -> int:
        """Have these members mailed; return how many mails are new."""
        followed = await mail_queries.followed_posts(
            uow.session, ids, self._since, self._but, rules.FOLLOWED_POSTS
        )
        members = await mail_queries.members(uow.session, ids)
        week = rules.week_of(this.started_at)
        mails = [self._mail(member, week, followed.get(member.id, [])) for member in members]
        return await emails.send_many(uow, mails)

    def _mail(self, member: Member, week: str, followed: list[Shown]) -> NewMail:
        link = self._leave(member.id)
        written = self._letter.to(member.display_name, followed, link)
        return NewMail(
            kind="digest",
            key=f"digest:{week}:{member.id}",
            to=member.email,
            name=member.display_name,
            subject=letters.digest_subject(member.display_name),
            html=written.html,
            text=written.text,
            headers={
                "List-Unsubscribe": f"<{link}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
            owner_id=member.owner_id,
        )

    def _leave(self, member_id: UUID) -> str:
        token = leaving.token(self._runtime.keyring, member_id)
        return f"{self._runtime.settings.base_url}/digest/leave/{token}"
