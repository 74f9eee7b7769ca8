"""What a job that acts for a user asks when it runs: whether the user still may."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access import queries
from service.access.caller import Scope
from service.errors import Forbidden


async def may_act(session: AsyncSession, actor: str | None, owner_id: UUID) -> None:
    """Make sure that a job may still do what it was asked to.

    Args:
        session: reads the users as they are now.
        actor: who asked; None, `schedule:…` and `cli:…` are the installation itself.
        owner_id: whose row the job is about.

    Raises:
        Forbidden: the owner or the actor is gone or disabled, or the row is not the actor's and
            the actor is no admin any more. Running the job again would not help.
    """
    owner = await queries.user_by_id(session, owner_id)
    if owner is None or owner.disabled_at is not None:
        raise Forbidden(f"The job acts for user {owner.name if owner else owner_id}, who may not")
    if actor is None or ":" in actor or actor == owner.name:
        return
    user = await queries.user_by_name(session, actor)
    if user is None or user.disabled_at is not None:
        raise Forbidden(f"The job was asked for by user {actor}, who may do nothing any more")
    if not await queries.holds_scope(session, user.id, Scope.ADMIN):
        raise Forbidden(f"The job was asked for by user {actor}, to whom its row does not belong")
