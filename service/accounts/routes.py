"""HTTP of accounts and platforms."""

from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from service.access.audit import note
from service.accounts import actions, queries, schemas
from service.accounts.models import Account
from service.errors import InvalidInput, NotFound, Problem
from service.kit.outbound import OutboundRefused
from service.platforms.contract import PlatformError
from service.platforms.registry import ALIASES
from service.posts import actions as posts
from service.web import (
    ERRORS,
    OnceOnly,
    Opened,
    Paging,
    PostsReader,
    SettingsWriter,
    Uow,
)

router = APIRouter(prefix="/v1", tags=["accounts"], responses=ERRORS)


async def connection(
    body: schemas.AccountIn, runtime: Opened, _: SettingsWriter
) -> actions.Connection:
    """Check the credentials with the platform, before a database connection is taken.

    Raises:
        InvalidInput: the platform is unknown, a credential is missing, or the platform refuses.
    """
    platform = runtime.platforms.get(ALIASES.get(body.platform, body.platform))
    if platform is None:
        known = ", ".join(runtime.platforms)
        raise InvalidInput([Problem("platform", f"'{body.platform}' is unknown; known: {known}")])
    credentials = {name: value.get_secret_value() for name, value in body.credentials.items()}
    own, given = runtime.settings.base_url, body.base_url or platform.default_base_url
    try:
        profile = await platform.connect(own if platform.local else given, credentials)
    except OutboundRefused as error:
        raise InvalidInput([Problem("base_url", error.message)]) from error
    except PlatformError as error:
        raise InvalidInput([Problem("credentials", error.message)]) from error
    return actions.Connection(platform.name, platform.local, profile, credentials)


@router.post("/accounts", status_code=201, response_model=schemas.AccountOut)
async def connect_account(
    connected: Annotated[actions.Connection, Depends(connection)],
    caller: SettingsWriter,
    runtime: Opened,
    uow: Uow,
    once: OnceOnly,
) -> JSONResponse:
    """Connect an account; connecting the same one again renews its credentials."""
    account = await actions.connect(uow.session, caller, runtime.keyring, connected)
    await posts.release_held(uow, account.id)
    about = {"platform": account.platform, "handle": account.handle}
    await note(uow.session, caller.actor, "accounts.connect", f"account:{account.id}", **about)
    return await once.reply(schemas.AccountOut.model_validate(account))


@router.get("/accounts")
async def list_accounts(caller: PostsReader, page: Paging, uow: Uow) -> schemas.AccountList:
    """List connected accounts, newest first."""
    rows = await queries.list_accounts(uow.session, caller, page)
    return schemas.AccountList(items=_shown(rows.items), next_cursor=rows.next_cursor)


def _shown(accounts: list[Account]) -> list[schemas.AccountOut]:
    return [schemas.AccountOut.model_validate(account) for account in accounts]


@router.get("/accounts/{account_id}")
async def show_account(account_id: UUID, caller: PostsReader, uow: Uow) -> schemas.AccountOut:
    """Show one account."""
    account = await queries.account(uow.session, caller, account_id)
    if account is None:
        raise NotFound("There is no such account")
    return schemas.AccountOut.model_validate(account)


@router.get("/platforms")
async def list_platforms(runtime: Opened, _: PostsReader) -> schemas.PlatformList:
    """List all platforms with their limits as data."""
    return schemas.PlatformList(
        items=[
            schemas.PlatformOut(
                name=platform.name,
                title=platform.title,
                live=platform.live,
                limits=msgspec.to_builtins(platform.limits),
                credentials=msgspec.to_builtins(dict(platform.credential_fields)),
            )
            for platform in runtime.platforms.values()
        ]
    )
