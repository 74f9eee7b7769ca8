"""HTTP of API keys and of the audit log."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from service.access import actions, queries, rules, schemas, session_queries
from service.access.audit import note
from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import InvalidInput, Problem
from service.kit.ids import first_at
from service.web import ERRORS, Admin, OnceOnly, Paging, SettingsWriter, Uow

router = APIRouter(prefix="/v1", tags=["access"], responses=ERRORS)
Text = Annotated[str | None, Query(min_length=1, max_length=300, pattern=r"^[^\x00]*$")]
Instant = Annotated[AwareDatetime | None, Query()]


def show_key(found: queries.KeyOfUser) -> schemas.KeyOut:
    """Return a key as people see it."""
    row, user = found
    fields = {name: getattr(row, name) for name in schemas.KeyOut.model_fields if name != "user"}
    return schemas.KeyOut(**fields, user=user.name)


@router.get("/keys")
async def list_keys(caller: SettingsWriter, page: Paging, uow: Uow) -> schemas.KeyList:
    """List the caller's keys, for an admin everybody's, newest first."""
    rows = await queries.list_keys(uow.session, caller, page)
    return schemas.KeyList(
        items=[show_key(found) for found in rows.items], next_cursor=rows.next_cursor
    )


@router.post("/keys", status_code=201, response_model=schemas.KeyMade)
async def create_key(
    body: schemas.KeyIn, caller: SettingsWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Make a key; the reply is the only place that shows it."""
    return await once.reply(await make_key(body, caller, uow), shown_once="key")


async def make_key(body: schemas.KeyIn, caller: Caller, uow: UnitOfWork) -> schemas.KeyMade:
    """Make a key for whom the caller may, with what the caller may."""
    session = uow.session
    rules.check_grant(caller, body.scopes)
    user = await actions.owner_of_new_key(session, caller, body.user)
    row, key = await actions.issue(session, user.id, body.name, body.scopes, body.expires_at)
    await note(
        *(session, caller.actor, "keys.create", f"key:{row.id}"),
        user=user.name,
        scopes=row.scopes,
        expires_at=row.expires_at,
    )
    found = await queries.key(session, caller, row.id)
    assert found is not None, "it was made just now"
    return schemas.KeyMade(**show_key(found).model_dump(), key=key)


@router.delete("/keys/{key_id}")
async def revoke_key(key_id: UUID, caller: SettingsWriter, uow: Uow) -> schemas.KeyOut:
    """Let a key work no more, from now on."""
    found = await actions.revoke_key(uow.session, caller, key_id)
    await note(uow.session, caller.actor, "keys.revoke", f"key:{key_id}", user=found[1].name)
    return show_key(found)


@router.get("/audit")
async def list_entries(  # noqa: PLR0913, PLR0917 - one parameter is one of the query
    _: Admin,
    page: Paging,
    uow: Uow,
    actor: Text = None,
    action: Text = None,
    subject: Text = None,
    since: Instant = None,
    until: Instant = None,
) -> schemas.EntryList:
    """List who did what, the latest first: from `since`, up to but not at `until`."""
    if since and until and since >= until:
        raise InvalidInput([Problem("until", "is not after since")])
    wanted = session_queries.Wanted(
        *(actor, action, subject),
        since=first_at(since) if since else session_queries.FIRST,
        until=first_at(until) if until else session_queries.LAST,
    )
    rows = await session_queries.list_entries(uow.session, wanted, page)
    items = [schemas.EntryOut.model_validate(entry) for entry in rows.items]
    return schemas.EntryList(items=items, next_cursor=rows.next_cursor)
