"""HTTP of accounts and platforms."""

from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse

from service.access.audit import note
from service.access.caller import Caller, Scope
from service.accounts import (
    actions,
    authorization_routes,
    authorizing,
    platforms,
    queries,
    schemas,
)
from service.accounts.models import Account, AccountState
from service.db.session import UnitOfWork
from service.errors import NotFound
from service.platforms.contract import Platform
from service.posts import actions as posts
from service.runtime import Runtime
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
router.include_router(authorization_routes.router)


async def connection(
    body: schemas.AccountIn, runtime: Opened, _: SettingsWriter
) -> actions.Connection:
    """Check the credentials with the platform, before a database connection is taken.

    Raises:
        InvalidInput: the platform is unknown, a credential is missing, or the platform refuses.
    """
    platform = platforms.known(runtime, body.platform, local=body.sandbox)
    return await _checked(runtime, platform, body.base_url, body.credentials)


async def renewal(
    account_id: UUID, body: schemas.CredentialsIn, runtime: Opened, caller: SettingsWriter
) -> actions.Connection:
    """Check new credentials with the account's platform, holding no database connection.

    Raises:
        NotFound: there is no such account, or it is somebody else's.
        InvalidInput: a credential is missing, or the platform refuses.
    """
    async with runtime.unit_of_work() as uow:
        account = await _found(uow, caller, account_id)
    platform = platforms.known(runtime, account.platform, local=account.local)
    return await _checked(runtime, platform, account.base_url, body.credentials)


async def _checked(
    runtime: Runtime,
    platform: Platform,
    base_url: str | None,
    given: dict[str, schemas.Credential],
) -> actions.Connection:
    platforms.refuse_unreachable(runtime.settings, platform)
    credentials = {field: value.get_secret_value() for field, value in given.items()}
    server = platforms.server(runtime.settings, platform, base_url)
    with platforms.refusals("credentials"):
        profile = await platform.connect(server, credentials)
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
    return await once.reply(await connect(connected, caller, runtime, uow))


async def connect(
    connected: actions.Connection, caller: Caller, runtime: Runtime, uow: UnitOfWork
) -> schemas.AccountOut:
    """Store an account that its platform has accepted, and send what waited for it."""
    account = await authorizing.connect(uow, runtime, caller, connected)
    return schemas.AccountOut.model_validate(account)


@router.post("/accounts/{account_id}/reconnect")
async def reconnect_account(
    account_id: UUID,
    renewed: Annotated[actions.Connection, Depends(renewal)],
    caller: SettingsWriter,
    runtime: Opened,
    uow: Uow,
) -> schemas.AccountOut:
    """Give an account new credentials; posts that waited for them are published."""
    account = await authorizing.reconnect(uow, runtime, caller, account_id, renewed)
    return schemas.AccountOut.model_validate(account)


@router.delete("/accounts/{account_id}", status_code=204)
async def remove_account(
    account_id: UUID,
    caller: SettingsWriter,
    runtime: Opened,
    uow: Uow,
    *,
    cancel_posts: Annotated[
        bool, Query(description="Cancel what is scheduled; needs the scope posts:write")
    ] = False,
) -> Response:
    """Forget an account's credentials. What was published stays; refused while posts are due."""
    if cancel_posts:
        caller.require(Scope.POSTS_WRITE)
    account = await actions.remove(uow.session, caller, runtime.keyring, account_id)
    cancelled = await posts.leave_account(uow.session, account_id, cancel=cancel_posts)
    about = {"platform": account.platform, "handle": account.handle, "cancelled": cancelled}
    subject = f"account:{account.id}"
    await note(uow.session, caller.actor, "accounts.remove", subject, **about)
    return Response(status_code=204)


@router.get("/accounts")
async def list_accounts(
    caller: PostsReader,
    page: Paging,
    uow: Uow,
    platform: Annotated[str | None, Query(max_length=40, description="Only those on it")] = None,
    state: Annotated[
        AccountState | None, Query(description="Only those in this state; removed ones else never")
    ] = None,
) -> schemas.AccountList:
    """List connected accounts, newest first."""
    rows = await queries.list_accounts(uow.session, caller, page, platform, state)
    return schemas.AccountList(items=_shown(rows.items), next_cursor=rows.next_cursor)


def _shown(accounts: list[Account]) -> list[schemas.AccountOut]:
    return [schemas.AccountOut.model_validate(account) for account in accounts]


@router.get("/accounts/{account_id}")
async def show_account(account_id: UUID, caller: PostsReader, uow: Uow) -> schemas.AccountOut:
    """Show one account."""
    return schemas.AccountOut.model_validate(await _found(uow, caller, account_id))


async def _found(uow: UnitOfWork, caller: Caller, account_id: UUID) -> Account:
    account = await queries.account(uow.session, caller, account_id)
    if account is None:
        raise NotFound("There is no such account")
    return account


@router.get("/platforms")
async def list_platforms(runtime: Opened, _: PostsReader) -> schemas.PlatformList:
    """List all platforms with their limits as data."""
    return schemas.PlatformList(items=[_described(each) for each in runtime.platforms.values()])


def _described(platform: Platform) -> schemas.PlatformOut:
    oauth = platform.oauth
    return schemas.PlatformOut(
        name=platform.name,
        title=platform.title,
        live=platform.live,
        limits=msgspec.to_builtins(platform.limits),
        options=msgspec.to_builtins(dict(platform.option_fields)),
        replies=platform.replies,
        fetches_media=platform.fetches_media,
        deletes=platform.deletes,
        measures=platform.measures,
        retries=platform.retries,
        retry_base_seconds=platform.retry_base.total_seconds(),
        default_base_url=platform.default_base_url or None,
        connect=schemas.ConnectOut(
            browser=oauth is not None and oauth.configured,
            server=platform.has_servers,
            fields=msgspec.to_builtins(dict(platform.credential_fields)),
        ),
        credentials=msgspec.to_builtins(dict(platform.credential_fields)),
    )
