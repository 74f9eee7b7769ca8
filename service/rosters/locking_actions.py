"""Use cases of the lock of rosters: who may change one, and until when.

Whoever changes a roster or its items holds its row first, so that a lock and a change come one
after the other; the database's triggers refuse what comes past these functions.
"""

from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access import audit
from service.access.caller import Caller, Scope
from service.errors import Conflict, NotFound
from service.kit.clock import now
from service.rosters import queries, rules
from service.rosters.models import Roster
from service.rosters.rules import RosterStatus

SYSTEM = "schedule:rosters.lock"
"""Who locks the rosters of days that are over, when nobody does it by hand."""


async def held(session: AsyncSession, caller: Caller, roster_id: UUID) -> Roster:
    """Return a roster that stays as it is until this transaction ends, or raise NotFound."""
    found = await queries.roster_for_change(session, caller, roster_id)
    if found is None:
        raise NotFound("There is no such roster")
    return found


async def opened(session: AsyncSession, caller: Caller, roster_id: UUID) -> Roster:
    """Return a roster that stays open until this transaction ends.

    Raises:
        NotFound: the caller has no such roster.
        Conflict: it is locked; says since when and by whom.
    """
    found = await held(session, caller, roster_id)
    if found.locked_at is not None and found.locked_by is not None:
        raise Conflict(rules.locked(found.locked_at, found.locked_by))
    return found


async def lock(session: AsyncSession, caller: Caller, roster_id: UUID) -> Roster:
    """Let nobody change a roster any more; one that is locked stays as it is.

    Raises:
        NotFound: the caller has no such roster.
    """
    found = await held(session, caller, roster_id)
    if found.status == RosterStatus.OPEN:
        found.status, found.locked_at, found.locked_by = RosterStatus.LOCKED, now(), caller.actor
        await session.flush()
        await note(session, caller, "lock", roster_id, day=found.day, project=found.project)
    return found


async def unlock(session: AsyncSession, caller: Caller, roster_id: UUID, reason: str) -> Roster:
    """Open a locked roster again; one of a day that is over is locked by the next run again.

    Raises:
        Forbidden: the caller may not change settings.
        NotFound: the caller has no such roster.
        Conflict: it is not locked.
    """
    caller.require(Scope.SETTINGS_WRITE)
    found = await held(session, caller, roster_id)
    if found.status == RosterStatus.OPEN:
        raise Conflict("This roster is not locked")
    found.status, found.locked_at, found.locked_by = RosterStatus.OPEN, None, None
    await session.flush()
    detail = {"day": found.day, "project": found.project, "reason": reason}
    await note(session, caller, "unlock", roster_id, **detail)
    return found


async def lock_past(session: AsyncSession, today: date, by: str = SYSTEM) -> int:
    """Lock every open roster of the days before this one, whoever owns it.

    Each lock leaves an entry of the audit log in the same transaction.

    Args:
        session: of that transaction.
        today: where the people of the rosters are.
        by: who does it.

    Returns:
        How many were open.
    """
    done = await queries.lock_before(session, today, now(), by)
    who = {"who": "system"} if by == SYSTEM else {}
    for found in sorted(done):  # by id; the session sends them all at once
        detail = {**who, "day": found.day, "project": found.project}
        await audit.note(session, by, "rosters.lock", f"roster:{found.id}", **detail)
    return len(done)


async def note(
    session: AsyncSession, caller: Caller, verb: str, roster_id: UUID, **detail: object
) -> None:
    """Write down what a caller does to a roster."""
    await audit.note(session, caller.actor, f"rosters.{verb}", f"roster:{roster_id}", **detail)
