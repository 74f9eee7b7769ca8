"""One user: what they may do, their password, where they are logged in; disable and enable."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.access import passwords, queries, session_queries, user_actions, user_queries
from service.access.audit import note
from service.access.models import User
from service.dashboard import filled
from service.dashboard.access import scopes
from service.dashboard.access.browsers import browser
from service.dashboard.view import Admin, View
from service.errors import Conflict, InvalidInput, NotFound
from service.kit.clock import now

router = APIRouter(include_in_schema=False)
KEYS_SHOWN = 20
UNKNOWN = "There is no such user"
OWN_PASSWORD = "Change your own password on your profile, where the present one is asked for"  # noqa: S105 - a sentence


@router.get("/users/{user_id}")
async def show(view: Admin, user_id: UUID) -> Response:
    """Show a user."""
    return await _show(view, user_id)


async def _show(
    view: View,
    user_id: UUID,
    problems: Mapping[str, str] | None = None,
    chosen: Collection[str] | None = None,
) -> Response:
    since = now() - view.runtime.settings.session_idle
    async with view.runtime.unit_of_work() as uow:
        user = await _found(uow.session, user_id)
        sessions = await session_queries.list_sessions(uow.session, user.id, since)
        keys = await user_queries.keys_of(uow.session, user.id, KEYS_SHOWN + 1)
    values: dict[str, Any] = {
        "user": user,
        "sessions": [(each, browser(each.user_agent)) for each in sessions],
        "keys": keys[:KEYS_SHOWN],
        "more_keys": len(keys) > KEYS_SHOWN,
        "own": user.id == view.caller.user_id,
        "scopes": scopes.IN_WORDS.items(),
        "chosen": user.scopes if chosen is None else chosen,
        "problems": problems or {},
    }
    return await view.page("user.html", 422 if problems else 200, **values)


async def _found(session: AsyncSession, user_id: UUID) -> User:
    user = await queries.user_by_id(session, user_id)
    if user is None:
        raise NotFound(UNKNOWN)
    return user


@router.post("/users/{user_id}/scopes")
async def set_scopes(view: Admin, user_id: UUID) -> Response:
    """Change what a user may do."""
    chosen = [str(scope) for scope in view.form.getlist("scopes")]
    try:
        async with view.runtime.unit_of_work() as uow:
            user = await _found(uow.session, user_id)
            before = user.scopes
            await user_actions.set_scopes(uow.session, view.caller, user.name, chosen)
            about = {"before": before, "after": user.scopes}
            subject = f"user:{user.name}"
            await note(uow.session, view.caller.actor, "users.scopes", subject, **about)
    except InvalidInput:
        return await _show(view, user_id, {"scopes": "Choose at least one"}, chosen)
    except Conflict as error:
        return await _show(view, user_id, {"scopes": error.message}, chosen)
    return view.go(f"/users/{user_id}", f"{user.name} may do this from the next request on")


def password_of(view: View) -> tuple[str, bool]:
    """Return the password that a form has, and whether it had to be made for want of one."""
    typed = str(view.form.get("password", ""))
    return (typed, False) if typed else (passwords.generated(), True)


@router.post("/users/{user_id}/password")
async def set_password(view: Admin, user_id: UUID) -> Response:
    """Give somebody else another password; one that nobody chose is shown, this once."""
    if user_id == view.caller.user_id:
        return view.refused("/profile", Conflict(OWN_PASSWORD))
    password, generated = password_of(view)
    try:
        stored = await passwords.hashed(password)
    except InvalidInput as error:
        return await _show(view, user_id, filled.problems(error))

    async def change(session: AsyncSession, name: str) -> None:
        await user_actions.set_password(session, name, stored)

    user = await _do(view, user_id, "users.password", change)
    if generated:
        return await view.page("user_password.html", user=user, password=password)
    done = f"{user.name} has a new password and is logged out everywhere"
    return view.go(f"/users/{user_id}", done)


@router.post("/users/{user_id}/disable")
async def disable(view: Admin, user_id: UUID) -> Response:
    """Let a user do nothing any more, once that is confirmed."""
    if view.form.get("confirmed") != "yes":
        return await _ask(view, user_id, "disable")

    async def act(session: AsyncSession, name: str) -> None:
        await user_actions.disable_other(session, view.caller, name)

    try:
        user = await _do(view, user_id, "users.disable", act)
    except Conflict as error:
        return view.refused(f"/users/{user_id}", error)
    return view.go(f"/users/{user_id}", f"{user.name} is disabled, and logged out everywhere")


@router.post("/users/{user_id}/enable")
async def enable(view: Admin, user_id: UUID) -> Response:
    """Let a disabled user in again."""
    user = await _do(view, user_id, "users.enable", user_actions.enable)
    return view.go(f"/users/{user_id}", f"{user.name} can log in again, and the keys work")


@router.post("/users/{user_id}/logout")
async def log_out(view: Admin, user_id: UUID) -> Response:
    """End all sessions of a user, once that is confirmed."""
    if view.form.get("confirmed") != "yes":
        return await _ask(view, user_id, "logout")
    user = await _do(view, user_id, "sessions.end", user_actions.log_out)
    return view.go(f"/users/{user_id}", f"{user.name} is logged out everywhere")


QUESTIONS = {
    "disable": (
        "Disable {name}?",
        "Disable",
        "{name} is logged out everywhere ({sessions}), and no key of {name} works ({keys}). "
        "Posts and schedules of {name} rest: a post that comes due is held.",
        "Nothing is deleted, and you can enable {name} again at any time.",
    ),
    "logout": (
        "Log {name} out everywhere?",
        "Log out",
        "{name} has to log in again everywhere ({sessions}). API keys go on working.",
    ),
}
"""What is asked before something is done to a user: question, button, what will happen."""


async def _ask(view: View, user_id: UUID, verb: str) -> Response:
    since = now() - view.runtime.settings.session_idle
    async with view.runtime.unit_of_work() as uow:
        found = await user_queries.seen(uow.session, user_id, since)
    if found is None:
        raise NotFound(UNKNOWN)
    user, keys, sessions, _ = found
    known = {
        "name": user.name,
        "keys": "1 API key" if keys == 1 else f"{keys:,} API keys",
        "sessions": "1 login" if sessions == 1 else f"{sessions} logins",
    }
    question, button, *sentences = (text.format_map(known) for text in QUESTIONS[verb])
    return await view.page(
        "access_confirm.html",
        question=question,
        sentences=sentences,
        button=button,
        action=f"/users/{user.id}/{verb}",
        back=f"/users/{user.id}",
    )


async def _do(
    view: View,
    user_id: UUID,
    action: str,
    act: Callable[[AsyncSession, str], Awaitable[object]],
) -> User:
    """Do something to a user, and write it down in the same transaction."""
    async with view.runtime.unit_of_work() as uow:
        user = await _found(uow.session, user_id)
        await act(uow.session, user.name)
        await note(uow.session, view.caller.actor, action, f"user:{user.name}")
    return user
