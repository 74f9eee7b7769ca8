"""`almanac keys`: API keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from service.access import actions, queries
from service.access.audit import note
from service.access.key_routes import show_key
from service.access.schemas import KeyList, KeyOut
from service.commands.acting import on_runtime
from service.commands.history import period
from service.commands.terminal import Json, moment, out, print_json, print_rows
from service.errors import Conflict, NotFound
from service.kit.clock import now
from service.kit.pagination import MAX_LIMIT, Page, decode_cursor
from service.operator import OPERATOR, issue_key
from service.runtime import Runtime

app = typer.Typer()


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for")],
    *,
    scope: Annotated[list[str], typer.Option(help="May be given several times")],
    user: Annotated[str, typer.Option(help="Who owns what the key makes")] = "admin",
    expires: Annotated[
        str | None, typer.Option(metavar="PERIOD", help="Such as 90d; by default never")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an API key; it is shown once."""
    end = now() + period(expires) if expires else None
    key = on_runtime(lambda runtime: issue_key(runtime, name, scope, user, end))
    if as_json:
        print_json({"key": key})
    else:
        out.print(f"{key}\n[dim]Keep it now: it is not shown again.[/]", soft_wrap=True)


@app.command("list")
def list_keys(*, as_json: Json = False) -> None:
    """List every API key: whose it is, what it may do, when it was used and when it ends (UTC)."""
    found = on_runtime(_every_key)
    if as_json:
        print_json(KeyList(items=found, next_cursor=None).model_dump(mode="json"))
        return
    print_rows(("begins", "user", "name", "scopes", "used", "ends"), map(_cells, found))


@app.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Its id, or how it begins")],
    *,
    as_json: Json = False,
) -> None:
    """Let an API key work no more."""
    found = on_runtime(lambda runtime: _revoke(runtime, key))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        out.print(f"Key '{found.name}' of {found.user} is revoked", highlight=False)


def _cells(key: KeyOut) -> tuple[object, ...]:
    end = "revoked" if key.revoked_at else _day(key.expires_at) or "never"
    used = _day(key.last_used_at) or "never"
    return key.prefix, key.user, key.name, " ".join(key.scopes), used, end


def _day(value: datetime | None) -> str:
    return moment(value)[:10]


async def _every_key(runtime: Runtime) -> list[KeyOut]:
    found: list[KeyOut] = []
    async with runtime.unit_of_work() as uow:
        page: Page | None = Page(MAX_LIMIT)
        while page is not None:
            rows = await queries.list_keys(uow.session, OPERATOR, page)
            found += [show_key(row) for row in rows.items]
            cursor = rows.next_cursor
            page = Page(MAX_LIMIT, decode_cursor(cursor)) if cursor else None
    return found


async def _revoke(runtime: Runtime, key: str) -> KeyOut:
    async with runtime.unit_of_work() as uow:
        try:
            ids = [UUID(key)]
        except ValueError:
            ids = list(await queries.keys_by_prefix(uow.session, key))
        if not ids:
            raise NotFound(f"No key begins with '{key}': 'almanac keys list' shows all")
        if len(ids) > 1:
            raise Conflict(f"Several keys begin with '{key}': name the id of one")
        found = await actions.revoke_key(uow.session, OPERATOR, ids[0])
        about = {"user": found[1].name}
        await note(uow.session, OPERATOR.actor, "keys.revoke", f"key:{ids[0]}", **about)
    return show_key(found)
