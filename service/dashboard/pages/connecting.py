"""Connecting an account: which platform, then what that platform wants."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.accounts import actions, queries, routes, schemas
from service.accounts import platforms as offered
from service.accounts.models import Account
from service.dashboard import filled
from service.dashboard.publishing import account_words as words
from service.dashboard.view import SettingsWriter, View
from service.errors import AlmanacError, Conflict, InvalidInput, NotFound
from service.platforms.contract import Platform
from service.web import Uow

router = APIRouter(include_in_schema=False)
GIVEN = "credentials."
"""Begins the names of fields that hold credentials, as it begins those of problems."""

GENERAL = frozenset({"platform", "code", "choices"})
"""What is wrong with these has no field of its own."""


@router.get("/accounts/new")
async def ask(
    view: SettingsWriter, platform: str = "", *, sandbox: Annotated[bool, Query()] = False
) -> Response:
    """Ask for the platform, then for what it wants."""
    if not platform:
        platforms = view.runtime.platforms.values()
        return await view.page("account_platforms.html", platforms=platforms, words=words)
    return await form(view, found(view, platform, local=sandbox), {})


@router.post("/accounts/new")
async def connect(view: SettingsWriter) -> Response:
    """Connect an account, once its platform has accepted what was given."""
    sandbox = view.form.get("sandbox") == "yes"
    platform = found(view, str(view.form.get("platform", "")), local=sandbox)
    typed = _typed(view, platform)
    values = {
        "platform": platform.name,
        "base_url": typed["base_url"] or None,
        "credentials": _credentials(typed),
        "sandbox": sandbox,
    }
    try:
        body = filled.body(schemas.AccountIn, values)
        connected = await routes.connection(body, view.runtime, view.caller)
        async with view.runtime.unit_of_work() as uow:
            account = await routes.connect(connected, view.caller, view.runtime, uow)
    except (InvalidInput, Conflict) as error:
        return await form(view, platform, typed, error)
    return view.go(f"/accounts/{account.id}", f"{account.handle} is connected")


@router.get("/accounts/{account_id}/reconnect")
async def ask_again(account_id: UUID, view: SettingsWriter, uow: Uow) -> Response:
    """Ask for new credentials of an account."""
    account, platform = await account_of(view, uow, account_id)
    shown = actions.shown_again(view.runtime.keyring, account, platform.credential_fields)
    typed = {f"{GIVEN}{name}": value for name, value in shown.items()}
    return await form(view, platform, typed, account=account)


@router.post("/accounts/{account_id}/reconnect")
async def reconnect(account_id: UUID, view: SettingsWriter) -> Response:
    """Give an account new credentials; what waited for them goes out."""
    async with view.runtime.unit_of_work() as uow:
        account, platform = await account_of(view, uow, account_id)
    typed = _typed(view, platform)
    try:
        body = filled.body(schemas.CredentialsIn, {"credentials": _credentials(typed)})
        renewed = await routes.renewal(account_id, body, view.runtime, view.caller)
        async with view.runtime.unit_of_work() as uow:
            await routes.reconnect_account(account_id, renewed, view.caller, view.runtime, uow)
    except InvalidInput as error:
        return await form(view, platform, typed, error, account)
    return view.go(f"/accounts/{account_id}", f"{account.handle} is connected again")


def found(view: View, name: str, *, local: bool = False) -> Platform:
    """Return a platform; `local` for an account that only looks like one of it. Raises NotFound."""
    try:
        return offered.known(view.runtime, name, local=local)
    except InvalidInput:
        raise NotFound("There is no such platform") from None


async def account_of(view: View, uow: Uow, account_id: UUID) -> tuple[Account, Platform]:
    """Return an account that the caller may see, and its platform. Raises NotFound."""
    account = await queries.account(uow.session, view.caller, account_id)
    if account is None:
        raise NotFound("There is no such account")
    return account, found(view, account.platform, local=account.local)


def _typed(view: View, platform: Platform) -> dict[str, str]:
    names = ["base_url", *(f"{GIVEN}{name}" for name in platform.credential_fields)]
    return {name: str(view.form.get(name, "")).strip() for name in names}


def _credentials(typed: Mapping[str, str]) -> dict[str, str]:
    given = {name.removeprefix(GIVEN): value for name, value in typed.items() if value}
    given.pop("base_url", None)
    return given


async def form(
    view: View,
    platform: Platform,
    typed: Mapping[str, str],
    error: AlmanacError | None = None,
    account: Account | None = None,
) -> Response:
    """Return the page that connects an account, with what is wrong at its field."""
    problems = getattr(error, "problems", ())
    general = [problem.message for problem in problems if problem.field in GENERAL]
    values: dict[str, Any] = {
        "platform": platform,
        "typed": typed,
        "account": account,
        "asks_server": account is None and words.names_server(platform),
        "problems": words.placed(problems, platform.credential_fields),
        "error": general[0] if general else error.message if error and not problems else None,
        "hindrance": _hindrance(view, platform),
        "limits": list(words.limits(platform.limits)),
        "words": words,
    }
    return await view.page("account_form.html", error.status if error else 200, **values)


def _hindrance(view: View, platform: Platform) -> str | None:
    """Say why no account of this platform can be connected here at all."""
    try:
        offered.refuse_unreachable(view.runtime.settings, platform)
    except InvalidInput as error:
        return error.problems[0].message
    return None
