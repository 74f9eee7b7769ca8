"""Use cases of members. None commits, none awaits the network."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.community import jobs, member_queries, removal_queries, rules
from service.community.models import Member
from service.community.schemas import MemberChange, MemberIn
from service.db.session import UnitOfWork
from service.errors import Conflict, InvalidInput, NotFound, Problem
from service.kit.clock import now
from service.kit.ids import uuid7

NAMES = {"email", "username", "display_name"}
TAKEN = {
    "email": "is another member's mail address",
    "username": "is another member's username",
}


async def create(uow: UnitOfWork, caller: Caller, body: MemberIn) -> Member:
    """Add a member; a welcome mail follows.

    Raises:
        InvalidInput: a value is bad, or another member's.
    """
    names = body.model_dump(include=NAMES, exclude_none=True)
    values = await _checked(uow.session, names)
    values.setdefault("display_name", body.username.strip())
    moment = now()
    made = Member(
        id=uuid7(),
        owner_id=caller.user_id,
        digest_opt_out=body.digest_opt_out,
        joined_at=moment,
        created_at=moment,
        **values,
    )
    uow.session.add(made)
    await uow.session.flush()
    await uow.session.refresh(made)
    uow.enqueue(jobs.welcome_call(made.id))
    return made


async def change(session: AsyncSession, member_id: UUID, body: MemberChange) -> Member:
    """Change what is named of a member.

    Raises:
        NotFound: there is no such member.
        InvalidInput: a value is bad, or another member's.
    """
    found = await member_queries.member_for_change(session, member_id)
    if found is None:
        raise no_member()
    names = body.model_dump(include=NAMES, exclude_unset=True)
    flags = body.model_dump(exclude=NAMES, exclude_unset=True)
    values = await _checked(session, names, but=member_id)
    for name, value in (flags | values).items():
        setattr(found, name, value)
    await session.flush()
    await session.refresh(found)
    return found


async def _checked(
    session: AsyncSession, given: dict[str, str], but: UUID | None = None
) -> dict[str, Any]:
    """Return names as they are kept; raise InvalidInput with all that is wrong with them."""
    values, problems = rules.member_names(given)
    email, username = values.get("email"), values.get("username")
    taken = await member_queries.taken(session, email, username, but)
    problems += [Problem(name, TAKEN[name], "taken") for name in sorted(taken)]
    if problems:
        raise InvalidInput(problems)
    return values


async def delete(session: AsyncSession, member_id: UUID, *, keep: bool) -> None:
    """Delete a member, and with `keep` leave their comments and public posts without an author.

    Raises:
        NotFound: there is no such member.
    """
    if not await removal_queries.delete_member(session, member_id, keep=keep):
        raise no_member()


async def follow(session: AsyncSession, follower: UUID, followed: UUID) -> bool:
    """Let a member follow another; return whether that is new.

    Raises:
        NotFound: one of them does not exist.
        InvalidInput: they are the same.
        Conflict: one of them is deactivated.
    """
    if follower == followed:
        raise InvalidInput([Problem("followed_id", "is the member; nobody follows themselves")])
    members = await _both(session, follower, followed)
    if not all(members.values()):
        raise Conflict("One of these members is deactivated")
    moment = now()
    is_new = await member_queries.follow(session, follower, followed, moment)
    if is_new:
        await member_queries.note_active(session, follower, moment)
    return is_new


async def unfollow(session: AsyncSession, follower: UUID, followed: UUID) -> bool:
    """Let a member no longer follow another; return whether they did.

    Raises:
        NotFound: one of them does not exist.
    """
    await _both(session, follower, followed)
    return await member_queries.unfollow(session, follower, followed)


async def _both(session: AsyncSession, *ids: UUID) -> dict[UUID, bool]:
    await member_queries.share_who_follows(session)
    members = {row.id: row.is_active for row in await member_queries.lock_members(session, ids)}
    if len(members) < len(set(ids)):
        raise no_member()
    return members


async def begin_acting(session: AsyncSession, member_id: UUID, field: str | None = None) -> None:
    """Begin what a member does: hold the member, and note that they are active.

    Args:
        session: of the transaction.
        member_id: who.
        field: of the request that names them; None: its path does.

    Raises:
        NotFound, InvalidInput: there is no such member; which one depends on `field`.
        Conflict: the member is deactivated.
    """
    held = await member_queries.hold(session, member_id)
    if held is None:
        raise InvalidInput([Problem(field, "is no member's id")]) if field else no_member()
    if not held.is_active:
        raise Conflict("This member is deactivated")
    moment = now()
    if rules.is_stale(held.last_active_at, moment):
        await member_queries.note_active(session, member_id, moment)


async def need_members(session: AsyncSession, **named: UUID | None) -> None:
    """Raise InvalidInput unless these parameters, as far as they are given, name members."""
    problems = [
        Problem(field, "is no member's id")
        for field, each in named.items()
        if each is not None and await member_queries.member(session, each) is None
    ]
    if problems:
        raise InvalidInput(problems)


def no_member() -> NotFound:
    """Return the refusal of an id that is no member's."""
    return NotFound("There is no such member")
