"""Accounts: where posts go, whether they get there, and the end of an account."""

from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Response

from service.access.caller import Caller, Scope
from service.accounts import queries, routes
from service.accounts.models import Account, AccountState
from service.dashboard.pages import authorizing, connecting
from service.dashboard.publishing import account_words as words
from service.dashboard.publishing import figures as reception
from service.dashboard.view import PostsReader, SettingsWriter, View
from service.errors import AlmanacError, Conflict, NotFound
from service.kit.clock import now
from service.platforms.limits import Limits
from service.posts import account_queries
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
router.include_router(connecting.router)
router.include_router(authorizing.router)
POSTS = 10
"""Of each kind on an account's page."""


@router.get("/accounts")
async def show_all(
    view: PostsReader,
    page: Paging,
    uow: Uow,
    platform: Annotated[str, Query(max_length=40)] = "",
    state: str = "",
) -> Response:
    """Show accounts: first what needs a person, then by platform."""
    wanted = next((each for each in AccountState if each == state), None)
    found = await routes.list_accounts(
        view.caller, page, uow, platform=platform or None, state=wanted
    )
    ids = [account.id for account in found.items]
    titles = {name: each.title for name, each in view.runtime.platforms.items()}
    moment = now()
    figures = await account_queries.figures(uow.session, ids, moment)
    refused = [a for a in found.items if a.state == AccountState.NEEDS_RECONNECT]
    return await view.page(
        "accounts.html",
        accounts=sorted(found.items, key=lambda a: (a not in refused, titles[a.platform])),
        refused=len(refused),
        held=sum(figures[account.id].held for account in refused),
        most=account_queries.MOST_COUNTED,
        limits={a.id: words.in_short(msgspec.convert(a.limits, Limits)) for a in found.items},
        figures=figures,
        refusals=await account_queries.refusals(uow.session, ids),
        titles=titles,
        platform=platform,
        state=wanted or "",
        cursor=found.next_cursor,
        first=not page.before,
        may_change=may_change(view.caller),
        may_compose=view.caller.may(Scope.POSTS_WRITE),
        words=words,
        moment=moment,
    )


def may_change(caller: Caller) -> bool:
    """Whether a caller may connect and remove accounts."""
    return caller.may(Scope.SETTINGS_WRITE)


@router.get("/accounts/{account_id}")
async def show_one(account_id: UUID, view: PostsReader, uow: Uow) -> Response:
    """Show one account: its state, its limits, what went out and what comes."""
    account = await _found(view, uow, account_id)
    moment = now()
    figures = await account_queries.figures(uow.session, [account_id], moment)
    since = moment - account_queries.LATELY
    published = await account_queries.count_published(uow.session, account_id, since)
    refusals = await account_queries.refusals(uow.session, [account_id])
    return await view.page(
        "account.html",
        account=account,
        platform=connecting.found(view, account.platform, local=account.local),
        limits=list(words.limits(msgspec.convert(account.limits, Limits))),
        profile=words.profile(account),
        looks=words.STATES[account.state],
        words=words,
        moment=moment,
        figures=figures[account_id],
        audience=await reception.of_account(uow.session, view, account),
        most=account_queries.MOST_COUNTED,
        published=published,
        refusal=refusals.get(account_id),
        posts=await account_queries.posts_of(uow.session, account_id, POSTS),
        may_change=may_change(view.caller),
        may_compose=view.caller.may(Scope.POSTS_WRITE),
    )


async def _found(view: View, uow: Uow, account_id: UUID) -> Account:
    account = await queries.account(uow.session, view.caller, account_id)
    if account is None:
        raise NotFound("There is no such account")
    return account


@router.get("/accounts/{account_id}/remove")
async def ask_removal(account_id: UUID, view: SettingsWriter, uow: Uow) -> Response:
    """Say what removing an account does, and ask."""
    account = await _found(view, uow, account_id)
    if account.state == AccountState.DISCONNECTED:
        return view.refused("/accounts", Conflict("This account has been removed already"))
    return await view.page(
        "account_remove.html",
        account=account,
        platform=connecting.found(view, account.platform, local=account.local),
        leaving=await account_queries.leaving(uow.session, account_id),
        may_cancel=view.caller.may(Scope.POSTS_WRITE),
    )


@router.post("/accounts/{account_id}/remove")
async def remove(account_id: UUID, view: SettingsWriter) -> Response:
    """Remove an account."""
    asking = f"/accounts/{account_id}/remove"
    if view.form.get("confirmed") != "yes":
        return view.go(asking, "Read what follows first", done=False)
    cancel = view.form.get("cancel") == "yes"
    try:
        async with view.runtime.unit_of_work() as uow:
            account = await _found(view, uow, account_id)
            await routes.remove_account(
                account_id, view.caller, view.runtime, uow, cancel_posts=cancel
            )
    except NotFound:
        raise
    except AlmanacError as error:
        return view.refused(asking, error)
    return view.go("/accounts", f"{account.handle} is removed; its credentials are deleted")
