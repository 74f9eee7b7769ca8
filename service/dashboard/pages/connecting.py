"""Connecting an account: which platform, then what that platform wants."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from service.accounts import actions, queries, routes, schemas
from service.accounts.models import Account
from service.dashboard import filled
from service.dashboard.publishing import account_words as words
from service.dashboard.view import SettingsWriter, View
from service.errors import AlmanacError, Conflict, InvalidInput, NotFound
from service.platforms.contract import Platform
from service.platforms.registry import ALIASES
from service.web import Uow

router = APIRouter(include_in_schema=False)
GIVEN = "credentials."
"""Begins the names of fields that hold credentials, as it begins those of problems."""


@router.get("/accounts/new")
async def ask(view: SettingsWriter, platform: str = "") -> Response:
    """Ask for the platform, then for what it wants."""
    if not platform:
        platforms = view.runtime.platforms.values()
        return await view.page("account_platforms.html", platforms=platforms, words=words)
    return await _form(view, _platform(view, platform), {})


@router.post("/accounts/new")
async def connect(view: SettingsWriter) -> Response:
    """Connect an account, once its platform has accepted what was given."""
    platform = _platform(view, str(view.form.get("platform", "")))
    typed = _typed(view, platform)
    values = {
        "platform": platform.name,
        "base_url": typed["base_url"] or None,
        "credentials": _credentials(typed),
    }
    try:
        body = filled.body(schemas.AccountIn, values)
        connected = await routes.connection(body, view.runtime, view.caller)
        async with view.runtime.unit_of_work() as uow:
            account = await routes.connect(connected, view.caller, view.runtime, uow)
    except (InvalidInput, Conflict) as error:
        return await _form(view, platform, typed, error)
    return view.go(f"/accounts/{account.id}", f"{account.handle} is connected")


@router.get("/accounts/{account_id}/reconnect")
async def ask_again(account_id: UUID, view: SettingsWriter, uow: Uow) -> Response:
    """Ask for new credentials of an account."""
    account, platform = await _account(view, uow, account_id)
    shown = actions.shown_again(view.runtime.keyring, account, platform.credential_fields)
    typed = {f"{GIVEN}{name}": value for name, value in shown.items()}
    return await _form(view, platform, typed, account=account)


@router.post("/accounts/{account_id}/reconnect")
async def reconnect(account_id: UUID, view: SettingsWriter) -> Response:
    """Give an account new credentials; what waited for them goes out."""
    async with view.runtime.unit_of_work() as uow:
        account, platform = await _account(view, uow, account_id)
    typed = _typed(view, platform)
    try:
        body = filled.body(schemas.CredentialsIn, {"credentials": _credentials(typed)})
        renewed = await routes.renewal(account_id, body, view.runtime, view.caller)
        async with view.runtime.unit_of_work() as uow:
            await routes.reconnect_account(account_id, renewed, view.caller, view.runtime, uow)
    except InvalidInput as error:
        return await _form(view, platform, typed, error, account)
    return view.go(f"/accounts/{account_id}", f"{account.handle} is connected again")


def _platform(view: View, name: str) -> Platform:
    platform = view.runtime.platforms.get(ALIASES.get(name, name))
    if platform is None:
        raise NotFound("There is no such platform")
    return platform


async def _account(view: View, uow: Uow, account_id: UUID) -> tuple[Account, Platform]:
    account = await queries.account(uow.session, view.caller, account_id)
    if account is None:
        raise NotFound("There is no such account")
    return account, view.runtime.platforms[account.platform]


def _typed(view: View, platform: Platform) -> dict[str, str]:
    names = ["base_url", *(f"{GIVEN}{name}" for name in platform.credential_fields)]
    return {name: str(view.form.get(name, "")).strip() for name in names}


def _credentials(typed: Mapping[str, str]) -> dict[str, str]:
    given = {name.removeprefix(GIVEN): value for name, value in typed.items() if value}
    given.pop("base_url", None)
    return given


async def _form(
    view: View,
    platform: Platform,
    typed: Mapping[str, str],
    error: AlmanacError | None = None,
    account: Account | None = None,
) -> Response:
    problems = getattr(error, "problems", ())
    values: dict[str, Any] = {
        "platform": platform,
        "typed": typed,
        "account": account,
        "asks_server": account is None and words.names_server(platform),
        "problems": words.placed(problems, platform.credential_fields),
        "error": error.message if error and not problems else None,
        "limits": list(words.limits(platform.limits)),
        "words": words,
    }
    return await view.page("account_form.html", error.status if error else 200, **values)
