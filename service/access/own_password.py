"""Somebody changes their own password: what they did elsewhere as themselves ends."""

from service.access import passwords, queries, session_actions, session_queries
from service.access.audit import note
from service.access.caller import Caller
from service.access.login import Login
from service.access.session_actions import Visit
from service.access.throttle import Throttle
from service.errors import Conflict, InvalidInput, Problem
from service.runtime import Runtime

MEANWHILE = "This password was changed meanwhile: log in again"


async def change(  # noqa: PLR0913, PLR0917 - the parts of a form
    runtime: Runtime, throttle: Throttle, caller: Caller, present: str, new: str, visit: Visit
) -> Login:
    """Give the caller another password and a new session; all that there were end.

    Args:
        runtime: of the installation.
        throttle: counts wrong tries, together with those of logins.
        caller: whose password.
        present: the password of now: a session alone is not enough to take an account over.
        new: the password from now on.
        visit: where the request comes from.

    Raises:
        Conflict: it was changed, or the user disabled, meanwhile.
        InvalidInput: the present one is wrong, or the new one is too short, too long or the same.
        TooManyRequests: the present one was wrong too often.
    """
    await throttle.begin(caller.name, visit.address)
    async with runtime.unit_of_work() as uow:
        user = await queries.user_by_id(uow.session, caller.user_id)
    stored = user.password if user else None
    if not await passwords.verified(stored, present):
        async with runtime.unit_of_work() as uow:
            await note(uow.session, caller.actor, "users.refuse_password", f"user:{caller.name}")
        raise InvalidInput([Problem("present", "is not your password")])
    await throttle.succeeded(caller.name, visit.address)
    if new == present:
        raise InvalidInput([Problem("password", "is the one that you have")])
    hashed = await passwords.hashed(new)
    async with runtime.unit_of_work() as uow:
        locked = await queries.locked_user(uow.session, caller.user_id)
        if locked is None or locked.disabled_at is not None or locked.password != stored:
            raise Conflict(MEANWHILE)
        locked.password = hashed
        await session_queries.end_sessions(uow.session, locked.id)
        lifetime = runtime.settings.session_lifetime
        row, cookie = await session_actions.begin(uow.session, locked, visit, lifetime)
        await note(uow.session, caller.actor, "users.password", f"user:{caller.name}")
        await note(uow.session, caller.actor, "sessions.begin", f"session:{row.id}")
    return Login(session_actions.caller_of(locked), row, cookie)
