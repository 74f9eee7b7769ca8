"""Use cases of users: who may log in, and with what."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from service.access import queries, rules, session_queries
from service.access.caller import Caller
from service.access.models import User
from service.errors import Conflict, NotFound
from service.kit.clock import now


async def create_user(
    session: AsyncSession, name: str, scopes: Iterable[str], password: str
) -> User:
    """Make a user who can log in.

    Args:
        session: of the transaction.
        name: unique among users.
        scopes: what the user may do when logged in.
        password: hashed.

    Raises:
        Conflict: the name is taken.
        InvalidInput: it is no name, or a scope is unknown.
    """
    rules.check_name(name)
    granted = rules.parse_scopes(scopes)
    if await queries.user_by_name(session, name) is not None:
        raise Conflict(f"There is a user '{name}' already: 'almanac users password' changes it")
    user = User(name=name, scopes=sorted(granted), password=password)
    session.add(user)
    await session.flush()
    await session.refresh(user)
    return user


async def set_password(session: AsyncSession, name: str, password: str) -> User:
    """Give a user another password, hashed; who is logged in as this user is no longer.

    Raises:
        NotFound: there is no such user.
    """
    user = await _found(session, name)
    user.password = password
    await session_queries.end_sessions(session, user.id)
    await session.flush()
    return user


async def set_scopes(
    session: AsyncSession, caller: Caller, name: str, scopes: Iterable[str]
) -> User:
    """Change what a user may do when logged in, from the next request on; keys keep theirs.

    Raises:
        Conflict: the caller would take `admin` from themselves.
        InvalidInput: a scope is unknown, or there is none.
        NotFound: there is no such user.
    """
    granted = rules.parse_scopes(scopes)
    rules.refuse_lockout(caller, name, granted)
    user = await _found(session, name)
    user.scopes = sorted(granted)
    await session.flush()
    return user


async def log_out(session: AsyncSession, name: str) -> int:
    """End all sessions of a user; return how many there were.

    Raises:
        NotFound: there is no such user.
    """
    user = await _found(session, name)
    return await session_queries.end_sessions(session, user.id)


async def disable_other(session: AsyncSession, caller: Caller, name: str) -> User:
    """Disable a user who is not the caller, so that nobody locks themselves out.

    Raises:
        Conflict: it is the caller.
        NotFound: there is no such user.
    """
    if caller.name == name:
        raise Conflict("You cannot disable yourself; another admin can")
    return await disable(session, name)


async def disable(session: AsyncSession, name: str) -> User:
    """Let neither password nor keys of a user work any more, nor jobs that act for the user.

    Raises:
        NotFound: there is no such user.
    """
    user = await _found(session, name)
    user.disabled_at = user.disabled_at or now()
    await session_queries.end_sessions(session, user.id)
    await session.flush()
    return user


async def enable(session: AsyncSession, name: str) -> User:
    """Undo `disable`, except that everybody has to log in again.

    Raises:
        NotFound: there is no such user.
    """
    user = await _found(session, name)
    user.disabled_at = None
    await session.flush()
    return user


async def _found(session: AsyncSession, name: str) -> User:
    user = await queries.user_by_name(session, name)
    if user is None:
        raise NotFound(f"There is no user '{name}': 'almanac users list' shows all")
    return user
