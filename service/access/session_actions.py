"""Use cases of sessions: who is logged in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.access import rules, session_queries
from service.access.caller import Caller, Scope
from service.access.models import Session, User
from service.errors import NotFound, Unauthenticated
from service.kit.clock import now
from service.kit.text import storable

MOST_SESSIONS = 20
"""Of one user: the oldest end first."""
AGENT_SHOWN = 300
"""Characters of a browser's name for itself."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a login comes from, and the cookie of the session that it replaces."""

    address: str | None
    user_agent: str | None
    cookie: str | None


async def begin(
    session: AsyncSession, user: User, visit: Visit, lifetime: timedelta
) -> tuple[Session, str]:
    """Log a user in; return the session and the value of its cookie, always a new one."""
    if visit.cookie is not None:
        await session_queries.end_by_digest(session, rules.digest(visit.cookie))
    await session_queries.end_sessions(session, user.id, keep=MOST_SESSIONS - 1)
    cookie, moment = rules.new_cookie(), now()
    user.last_login_at = moment
    agent = visit.user_agent
    row = Session(
        user_id=user.id,
        digest=rules.digest(cookie),
        created_at=moment,
        seen_at=moment,
        expires_at=moment + lifetime,
        address=visit.address,
        user_agent=None if agent is None else storable(agent[:AGENT_SHOWN]),
    )
    session.add(row)
    await session.flush()
    return row, cookie


async def resume(session: AsyncSession, cookie: str, idle: timedelta) -> tuple[Caller, Session]:
    """Return who is logged in with this cookie.

    Raises:
        Unauthenticated: nobody is; the session has ended or its user is disabled.
    """
    caller, row = await look(session, cookie, idle)
    await session_queries.touch_session(session, row.id)
    return caller, row


async def look(session: AsyncSession, cookie: str, idle: timedelta) -> tuple[Caller, Session]:
    """Return who is logged in with this cookie, which does not count as being there.

    Raises:
        Unauthenticated: as `resume`.
    """
    found = await session_queries.session_by_digest(session, rules.digest(cookie))
    if found is None:
        raise Unauthenticated("This session has ended: log in again")
    row, user = found
    moment = now()
    if row.expires_at <= moment or row.seen_at + idle <= moment or user.disabled_at is not None:
        raise Unauthenticated("This session has ended: log in again")
    return caller_of(user), row


def caller_of(user: User) -> Caller:
    """Return a user as the caller of requests with a session."""
    return Caller(user.id, user.name, frozenset(Scope(name) for name in user.scopes))


async def list_own(session: AsyncSession, caller: Caller, idle: timedelta) -> Sequence[Session]:
    """Return the caller's sessions, at most `MOST_SESSIONS`, the latest first."""
    return await session_queries.list_sessions(session, caller.user_id, now() - idle)


async def end(session: AsyncSession, caller: Caller, session_id: UUID) -> None:
    """Log one of the caller's sessions out.

    Raises:
        NotFound: the caller has no such session.
    """
    if not await session_queries.end_sessions(session, caller.user_id, only=session_id):
        raise NotFound("There is no such session")


async def clean(session: AsyncSession, idle: timedelta, inactive: timedelta) -> dict[str, int]:
    """End sessions that nobody uses; return how many, by why.

    API keys stay: whoever works by a key alone has no session to lose.

    Args:
        session: of the transaction.
        idle: after how long unused a session has ended.
        inactive: after how long without a login all sessions of a user end.
    """
    moment = now()
    return {
        "expired": await session_queries.end_expired(session, moment),
        "idle": await session_queries.end_idle(session, moment - idle),
        "of_inactive_users": await session_queries.end_of_inactive(session, moment - inactive),
    }


async def end_all(session: AsyncSession, caller: Caller) -> int:
    """Log the caller out everywhere; return how many sessions that were."""
    return await session_queries.end_sessions(session, caller.user_id)


async def end_others(session: AsyncSession, caller: Caller, kept: UUID) -> int:
    """Log the caller out everywhere but in one session; return how many others there were."""
    return await session_queries.end_sessions(session, caller.user_id, but=kept)
