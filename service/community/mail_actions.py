"""Use cases of the community's mails."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.audit import note
from service.community import letters, mail_queries
from service.db.session import UnitOfWork
from service.emails import actions as emails
from service.emails.actions import NewMail
from service.errors import NotFound
from service.kit.clock import now


async def welcome(uow: UnitOfWork, member_id: UUID, sender: str) -> bool:
    """Mail a member that they are welcome; return False if that was done, or they are inactive.

    Args:
        uow: whose transaction it is.
        member_id: who.
        sender: whose name is above the mail.

    Raises:
        NotFound: there is no such member.
    """
    member = await mail_queries.hold(uow.session, member_id)
    if member is None:
        raise NotFound("There is no such member")
    if member.welcomed_at is not None or not member.is_active:
        return False
    written = letters.welcome(sender, member.display_name, member.username)
    await emails.send(
        uow,
        NewMail(
            kind="welcome",
            key=f"welcome:{member.id}",
            to=member.email,
            name=member.display_name,
            subject=letters.welcome_subject(member.display_name),
            html=written.html,
            text=written.text,
            owner_id=member.owner_id,
        ),
    )
    member.welcomed_at = now()
    return True


async def leave_digests(session: AsyncSession, member_id: UUID) -> None:
    """Send a member no more digests, as they asked by the link of one."""
    if await mail_queries.leave_digests(session, member_id):
        member = f"member:{member_id}"
        await note(session, member, "members.leave_digests", member)
