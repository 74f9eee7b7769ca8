"""Users: who may log in. For admins."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.access import passwords, rules, user_actions, user_queries
from service.access.audit import note
from service.dashboard import filled
from service.dashboard.access import scopes
from service.dashboard.pages import user
from service.dashboard.view import Admin, View
from service.errors import Conflict
from service.kit.clock import now
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
TAKEN = "There is a user of this name already"
Part = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]


@router.get("/users")
async def show_all(view: Admin, page: Paging, uow: Uow, find: Part = "") -> Response:
    """Show users, newest first."""
    since = now() - view.runtime.settings.session_idle
    found = await user_queries.list_users(uow.session, page, since, part=find.strip())
    return await view.page("users.html", users=found.items, cursor=found.next_cursor, find=find)


@router.get("/users/new")
async def show_form(view: Admin) -> Response:
    """Ask who a new user is."""
    return await _form(view, "", [])


@router.post("/users")
async def make(view: Admin) -> Response:
    """Make a user; a password that nobody chose is shown, this once."""
    name = str(view.form.get("name", "")).strip()
    chosen = [str(scope) for scope in view.form.getlist("scopes")]
    password, generated = user.password_of(view)
    if problems := _problems(name, chosen, password):
        return await _form(view, name, chosen, problems)
    stored = await passwords.hashed(password)
    try:
        async with view.runtime.unit_of_work() as uow:
            made = await user_actions.create_user(uow.session, name, chosen, stored)
            subject, granted = f"user:{name}", made.scopes
            await note(uow.session, view.caller.actor, "users.create", subject, scopes=granted)
    except Conflict:
        return await _form(view, name, chosen, {"name": TAKEN})
    if generated:
        return await view.page("user_password.html", 201, user=made, password=password)
    return view.go(f"/users/{made.id}", f"{name} can log in")


def _problems(name: str, chosen: Sequence[str], password: str) -> filled.Problems:
    """Return everything that is wrong, by the names that the form's fields have."""
    found = filled.Problems() if chosen else filled.Problems(scopes="Choose at least one")
    with found.gathered(as_field="name"):
        rules.check_name(name)
    with found.gathered(as_field="scopes"):
        rules.parse_scopes(chosen)
    with found.gathered():
        passwords.check_length(password)
    return found


async def _form(
    view: View, name: str, chosen: list[str], problems: Mapping[str, str] | None = None
) -> Response:
    status = 422 if problems else 200
    values = {"name": name, "chosen": chosen, "problems": problems or {}}
    return await view.page("users_new.html", status, scopes=scopes.IN_WORDS.items(), **values)


router.include_router(user.router)  # after /users/new, which is no user's id
