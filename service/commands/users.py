"""`almanac users`: who may log in."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from service.access import passwords, queries, user_actions
from service.access.audit import note
from service.access.models import User
from service.commands.acting import on_runtime
from service.commands.terminal import Json, moment, out, print_json, print_rows
from service.operator import OPERATOR
from service.runtime import Runtime

app = typer.Typer()
Name = Annotated[str, typer.Argument(help="The user's name")]


@app.command("create")
def create_user(
    name: Name, scope: Annotated[list[str], typer.Option(help="May be given several times")]
) -> None:
    """Make a user; the password is asked for, or read from the first line of the input."""
    password = _password()

    async def create(runtime: Runtime) -> None:
        stored = await passwords.hashed(password)
        async with runtime.unit_of_work() as uow:
            await user_actions.create_user(uow.session, name, scope, stored)
            await note(
                uow.session, OPERATOR.actor, "users.create", f"user:{name}", scopes=sorted(scope)
            )

    on_runtime(create)
    out.print(f"User {name} can log in", highlight=False)


@app.command("list")
def list_users(*, as_json: Json = False) -> None:
    """List every user: what they may do when logged in."""

    async def read(runtime: Runtime) -> list[dict[str, object]]:
        async with runtime.unit_of_work() as uow:
            return [_shown(user) for user in await queries.list_users(uow.session)]

    found = on_runtime(read)
    if as_json:
        print_json({"items": found, "next_cursor": None})
        return
    columns = ("name", "scopes", "password", "made", "disabled")
    print_rows(columns, [_cells(user) for user in found])


@app.command("password")
def change_password(name: Name) -> None:
    """Give a user another password, and log the user out everywhere."""
    password = _password()

    async def change(runtime: Runtime) -> None:
        stored = await passwords.hashed(password)
        await _do(runtime, "password", name, lambda s: user_actions.set_password(s, name, stored))

    on_runtime(change)
    out.print(f"User {name} has a new password", highlight=False)


@app.command("disable")
def disable_user(name: Name) -> None:
    """Let neither password nor keys of a user work any more, nor jobs that act for the user."""
    on_runtime(lambda r: _do(r, "disable", name, lambda s: user_actions.disable(s, name)))
    out.print(f"User {name} is disabled; undo it with: almanac users enable {name}")


@app.command("enable")
def enable_user(name: Name) -> None:
    """Let a disabled user in again."""
    on_runtime(lambda r: _do(r, "enable", name, lambda s: user_actions.enable(s, name)))
    out.print(f"User {name} is enabled", highlight=False)


async def _do(
    runtime: Runtime, verb: str, name: str, act: Callable[[AsyncSession], Awaitable[User]]
) -> None:
    async with runtime.unit_of_work() as uow:
        await act(uow.session)
        await note(uow.session, OPERATOR.actor, f"users.{verb}", f"user:{name}")


def _password() -> str:
    """Ask on a terminal, unseen and twice; elsewhere read a line. Never an argument: `ps` shows."""
    if sys.stdin.isatty():
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return password
    return sys.stdin.readline().rstrip("\r\n")


def _shown(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "scopes": user.scopes,
        "has_password": user.password is not None,
        "created_at": user.created_at.isoformat(),
        "disabled_at": user.disabled_at.isoformat() if user.disabled_at else None,
    }


def _cells(user: dict[str, object]) -> tuple[object, ...]:
    scopes, made, disabled = user["scopes"], user["created_at"], user["disabled_at"]
    assert isinstance(scopes, list)
    return (
        user["name"],
        " ".join(scopes),
        "yes" if user["has_password"] else "no",
        moment(str(made)),
        moment(str(disabled)) if disabled else None,
    )
