"""API keys: what programs log in with; a new one is shown by the reply that makes it, only."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Response

from service.access import key_routes, queries, schemas
from service.dashboard import filled, formats
from service.dashboard.access import scopes
from service.dashboard.rendering import ZONE
from service.dashboard.view import SettingsWriter, View
from service.errors import NotFound
from service.kit.clock import now
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
DAYS = 90
"""For which a new key works, unless somebody chooses another end."""


def state_of(found: queries.KeyOfUser) -> str:
    """Return whether a key works, in a word or two."""
    key, user = found
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now():
        return "expired"
    return "works" if user.disabled_at is None else "user disabled"


@router.get("/keys")
async def show_all(view: SettingsWriter, page: Paging, uow: Uow) -> Response:
    """Show one's own keys, to an admin everybody's."""
    rows = await queries.list_keys(uow.session, view.caller, page)
    keys = [(key_routes.show_key(found), state_of(found)) for found in rows.items]
    return await view.page("keys.html", keys=keys, cursor=rows.next_cursor, first=not page.before)


@router.get("/keys/new")
async def show_form(view: SettingsWriter, user: str = "") -> Response:
    """Ask what a new key is for."""
    ends = filled.day_after(DAYS, _zone(view))
    typed = {"name": "", "user": user or view.caller.name, "expires_at": ends}
    return await _form(view, typed, [])


@router.post("/keys")
async def make(view: SettingsWriter) -> Response:
    """Make a key and show it, this once."""
    typed = {name: str(view.form.get(name, "")).strip() for name in ("name", "user", "expires_at")}
    chosen = [str(scope) for scope in view.form.getlist("scopes")]
    problems, ends, made = filled.Problems(), None, None
    with problems.gathered():
        ends = filled.end_of_day("expires_at", typed["expires_at"], _zone(view))
    with problems.gathered():
        values = {"name": typed["name"], "user": typed["user"] or None, "expires_at": ends}
        body = filled.body(schemas.KeyIn, {**values, "scopes": scopes.known(chosen)})
        if not problems:
            async with view.runtime.unit_of_work() as uow:
                made = await key_routes.make_key(body, view.caller, uow)
    if made is None:
        return await _form(view, typed, chosen, problems)
    # No redirect: the key would have to wait for the next page in a cookie or in our memory.
    address = view.runtime.settings.base_url
    return await view.page("keys_made.html", 201, key=made, address=address)


async def _form(
    view: View,
    typed: Mapping[str, str],
    chosen: list[str],
    problems: Mapping[str, str] | None = None,
) -> Response:
    values: dict[str, Any] = {
        "typed": typed,
        "chosen": chosen,
        "problems": problems or {},
        "scopes": scopes.grantable(view.caller),
        "earliest": filled.day_after(0, _zone(view)),
    }
    return await view.page("keys_new.html", 422 if problems else 200, **values)


@router.get("/keys/{key_id}/revoke")
async def ask(view: SettingsWriter, key_id: UUID, uow: Uow) -> Response:
    """Ask whether a key shall work no more."""
    found = await queries.key(uow.session, view.caller, key_id)
    if found is None:
        raise NotFound("There is no such key")
    return await view.page("keys_revoke.html", key=key_routes.show_key(found))


@router.post("/keys/{key_id}/revoke")
async def revoke(view: SettingsWriter, key_id: UUID, uow: Uow) -> Response:
    """Let a key work no more, once that is confirmed."""
    if view.form.get("confirmed") != "yes":
        return await ask(view, key_id, uow)
    key = await key_routes.revoke_key(key_id, view.caller, uow)
    return view.go("/keys", f"The key '{key.name}' ({key.prefix}…) works no more")


def _zone(view: View) -> ZoneInfo:
    return formats.zone_of(view.request.cookies.get(ZONE))
