"""Connecting an account by logging in at its platform: the way there, back, and the choice."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from service.accounts import authorizing
from service.accounts.authorization_actions import Goal
from service.dashboard.pages import connecting
from service.dashboard.view import SettingsWriter, View
from service.errors import AlmanacError, Conflict, InvalidInput, NotFound

router = APIRouter(include_in_schema=False)
AGAIN = "/accounts/new"
LONGEST = 4096
"""Characters of what a platform sends back; more is cut off, and then refused."""


@router.post("/accounts/authorize")
async def begin(view: SettingsWriter) -> Response:
    """Show the way to the platform's login.

    It is a page and no redirect: browsers let no form of ours lead to another site.
    """
    account_id = _account_id(view)
    typed = {"server": str(view.form.get("server", "")).strip()}
    goal = Goal(str(view.form.get("platform", "")), typed["server"], account_id)
    try:
        begun = await authorizing.begin(view.runtime, view.caller, goal)
    except InvalidInput as error:
        return await _refused(view, goal, typed, error)
    return await view.page("account_leave.html", platform=begun.platform, url=begun.url)


def _account_id(view: View) -> UUID | None:
    given = str(view.form.get("account_id", ""))
    try:
        return UUID(given) if given else None
    except ValueError:
        raise NotFound("There is no such account") from None


async def _refused(view: View, goal: Goal, typed: dict[str, str], error: InvalidInput) -> Response:
    if goal.account_id is None:
        return await connecting.form(view, connecting.found(view, goal.platform), typed, error)
    async with view.runtime.unit_of_work() as uow:
        account, platform = await connecting.account_of(view, uow, goal.account_id)
    return await connecting.form(view, platform, typed, error, account)


@router.get("/accounts/callback")
async def come_back(
    view: SettingsWriter,
    state: Annotated[str, Query()] = "",
    code: Annotated[str, Query()] = "",
    error: Annotated[str, Query()] = "",
    error_description: Annotated[str, Query()] = "",
) -> Response:
    """Connect the account that the platform sends a person back with, or let them choose."""
    try:
        if error or not code:
            given = error or "no code came back"
            return await _declined(view, state, given, error_description)
        finished = await authorizing.finish(view.runtime, view.caller, state, code[:LONGEST])
    except InvalidInput as refused:
        return view.go(AGAIN, refused.problems[0].message, done=False)
    except Conflict as refused:
        return view.refused(AGAIN, refused)
    if finished.choices:
        return RedirectResponse(f"/accounts/choose?state={state}", 303)
    account = finished.accounts[0]
    return view.go(f"/accounts/{account.id}", f"{account.handle} is connected")


async def _declined(view: View, state: str, error: str, description: str) -> Response:
    goal, reason = await authorizing.decline(view.runtime, view.caller, state, error, description)
    back = f"/accounts/{goal.account_id}" if goal.account_id else AGAIN
    return view.go(back, reason, done=False)


@router.get("/accounts/choose")
async def ask(view: SettingsWriter, state: str = "") -> Response:
    """Ask which of the accounts that a login opened are to be connected."""
    return await _choices(view, state)


@router.post("/accounts/choose")
async def choose(view: SettingsWriter) -> Response:
    """Connect the chosen accounts."""
    state = str(view.form.get("state", ""))
    wanted = [str(each) for each in view.form.getlist("choices")]
    try:
        accounts = await authorizing.choose(view.runtime, view.caller, state, wanted)
    except InvalidInput as error:
        return await _choices(view, state, error)
    except Conflict as error:
        return view.refused(AGAIN, error)
    names = ", ".join(account.handle for account in accounts)
    verb = "is" if len(accounts) == 1 else "are"
    return view.go("/accounts", f"{names} {verb} connected")


async def _choices(view: View, state: str, error: AlmanacError | None = None) -> Response:
    try:
        platform, found = await authorizing.choices(view.runtime, view.caller, state)
    except Conflict as over:
        return view.refused(AGAIN, over)
    values: dict[str, Any] = {"platform": platform, "choices": found, "state": state}
    wrong = "Choose at least one account." if error else None
    status = error.status if error else 200
    return await view.page("account_choose.html", status, **values, error=wrong)
