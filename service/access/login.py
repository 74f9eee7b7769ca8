"""A login: a name and a password for a session, and no more tries than allowed."""

from dataclasses import dataclass

from service.access import passwords, queries, session_actions
from service.access.audit import ADDRESS, note
from service.access.caller import Caller
from service.access.models import Session, User
from service.access.session_actions import Visit
from service.access.throttle import Throttle
from service.errors import Unauthenticated
from service.kit.context import set_to
from service.runtime import Runtime

NOBODY = "(nobody)"
"""The actor of a login that failed: no user has this name."""
UNKNOWN = "user:(unknown)"
"""Its subject where the name is no user's: people type passwords there by mistake."""


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody has logged in."""

    caller: Caller
    session: Session
    cookie: str


async def log_in(
    runtime: Runtime, throttle: Throttle, name: str, password: str, visit: Visit
) -> Login:
    """Begin a session; no connection is held while the password is hashed.

    Raises:
        TooManyRequests: the name or the address has failed too often.
        Unauthenticated: name or password is wrong, without telling which.
    """
    with set_to(ADDRESS, visit.address):
        await throttle.begin(name, visit.address)
        async with runtime.unit_of_work() as uow:
            user = await queries.user_by_name(uow.session, name)
        stored = user.password if user else None
        right = await passwords.verified(stored, password)
        login = None
        if user is not None and stored is not None and right:
            rehashed = await passwords.hashed(password) if passwords.outdated(stored) else stored
            login = await _begin(runtime, user, rehashed, visit)
        if login is None:
            subject = f"user:{user.name}" if user else UNKNOWN
            async with runtime.unit_of_work() as uow:
                await note(uow.session, NOBODY, "sessions.refuse", subject)
            raise Unauthenticated("Name or password is wrong")
    await throttle.succeeded(name, visit.address)
    return login


async def _begin(runtime: Runtime, user: User, password: str, visit: Visit) -> Login | None:
    """Begin the session, unless the user was changed while the password was hashed."""
    async with runtime.unit_of_work() as uow:
        locked = await queries.locked_user(uow.session, user.id)
        if locked is None or locked.disabled_at is not None or locked.password != user.password:
            return None
        locked.password = password
        lifetime = runtime.settings.session_lifetime
        row, cookie = await session_actions.begin(uow.session, locked, visit, lifetime)
        await note(uow.session, locked.name, "sessions.begin", f"session:{row.id}")
    return Login(session_actions.caller_of(locked), row, cookie)
