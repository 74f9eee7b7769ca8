"""The pages of users: make one, change what they may do, passwords, disable and enable."""

import pytest

from service.dashboard.pages.user import OWN_PASSWORD
from tests.access.helpers import PASSWORD, Browser, actions_noted, new_user
from tests.dashboard.person import Page, Person
from tests.support import Installation

pytestmark = pytest.mark.asyncio
HOSTILE = "<script>alert(1)</script>"


async def page_of(person: Person, name: str) -> Page:
    """Open a user's page by the list."""
    listed = await person.get(f"/users?find={name}")
    return await person.get(listed.links()[name])


async def can_log_in(api: Installation, name: str, password: str) -> bool:
    """Try a login at the API."""
    reply = await Browser(api.http).log_in(name, password)
    api.http.cookies.clear()
    return reply.status_code == 201


async def test_a_user_is_made_with_a_password_that_is_shown_once(admin: Person) -> None:
    """Without a password one is made, and is in no page but that reply."""
    page = await admin.get("/users/new")
    shown = await admin.send(page, "/users", 201, name="carla", scopes="posts:read")
    field = shown.main.select_one("#secret")
    assert field is not None
    password = str(field["value"])
    assert shown.reply.headers["cache-control"] == "no-store"
    assert await can_log_in(admin.api, "carla", password)
    page = await page_of(admin, "carla")
    assert password not in page.reply.text
    assert ("ann", "users.create", "user:carla") in await actions_noted(admin.api)


async def test_a_user_is_made_with_a_password_of_ones_own(admin: Person) -> None:
    page = await admin.get("/users/new")
    made = await admin.send(page, "/users", name="dora", scopes="posts:read", password=PASSWORD)
    assert (made.title, made.note) == ("dora", "dora can log in")
    assert PASSWORD not in made.reply.text
    assert await can_log_in(admin.api, "dora", PASSWORD)
    assert (await admin.get("/users?find=DOR")).rows()[0][:5] == [
        "dora",
        "can log in",
        "posts:read",
        "1",
        "0",
    ]


async def test_every_problem_of_a_new_user_is_at_its_field(admin: Person) -> None:
    page = await admin.get("/users/new")
    again = await admin.send(page, "/users", 422, name="a:b", password="short")
    problems = [each.get_text() for each in again.main.select(".problem")]
    assert problems == [
        "Has 1 to 64 letters, digits, inner spaces and . _ @ + -",
        "Choose at least one",
        "Has 5 characters; 12 to 1024 are allowed",
    ]
    assert again.fields("/users")["name"] == "a:b"
    again = await admin.send(page, "/users", 422, name="ann", scopes="posts:read")
    assert "There is a user of this name already" in again.text
    hostile = await admin.send(page, "/users", 422, name=HOSTILE, scopes="posts:read")
    assert hostile.fields("/users")["name"] == HOSTILE
    assert hostile.soup.select("script:not([src])") == []
    assert await admin.api.count("users") == 2


async def test_scopes_change_from_the_next_request_on(admin: Person) -> None:
    """V081: what somebody may do is asked for at each request; before and after are noted."""
    await new_user(admin.api, "bob", "posts:read")
    bob = Browser(admin.api.http)
    await bob.log_in("bob")
    assert (await bob.request("GET", "/v1/jobs")).status_code == 403
    page = await page_of(admin, "bob")
    action = next(path for path in page.forms() if path.endswith("/scopes"))
    page = await admin.send(page, action, scopes=["jobs:read", "posts:read"])
    assert page.note == "bob may do this from the next request on"
    assert (await bob.request("GET", "/v1/jobs")).status_code == 200
    (row,) = await admin.api.sql("SELECT detail FROM audit_log WHERE action = 'users.scopes'")
    assert row.detail == {"before": ["posts:read"], "after": ["jobs:read", "posts:read"]}
    page = await admin.send(page, action, 422, scopes=None)
    assert "Choose at least one" in page.text
    assert (await bob.request("GET", "/v1/jobs")).status_code == 200


async def test_nobody_locks_themselves_out(admin: Person) -> None:
    """Neither their scopes, nor their account, nor their password by this page."""
    page = await page_of(admin, "ann")
    own = page.path.partition("?")[0]
    assert not {f"{own}/disable", f"{own}/password"} & set(page.forms())
    refused = await admin.send(page, f"{own}/scopes", 422, scopes="posts:read")
    assert "You cannot take 'admin' from yourself; another admin can" in refused.text
    csrf = page.fields(f"{own}/scopes")["csrf"]
    reply = await admin.post(f"{own}/disable", csrf=csrf, confirmed="yes")
    assert "You cannot disable yourself; another admin can" in reply.text
    reply = await admin.post(f"{own}/password", csrf=csrf, password="another good one")
    assert OWN_PASSWORD in reply.text
    (row,) = await admin.api.sql("SELECT scopes, disabled_at FROM users WHERE name = 'ann'")
    assert (row.scopes, row.disabled_at) == (["admin"], None)
    assert await can_log_in(admin.api, "ann", PASSWORD)


async def test_a_disabled_user_can_do_nothing_until_enabled(admin: Person) -> None:
    """Asked first; then login, session and key are refused, and work again afterwards."""
    await new_user(admin.api, "bob", "posts:read")
    key = await admin.api.new_key("posts:read", user="bob")
    bob = Browser(admin.api.http)
    await bob.log_in("bob")
    page = await page_of(admin, "bob")
    own = page.path
    question = await admin.send(page, f"{own}/disable")
    assert question.title == "Disable bob?"
    assert (
        "bob is logged out everywhere (1 login), and no key of bob works (1 API key)."
        in question.text
    )
    assert (await admin.api.get("/v1/posts", key=key)).status_code == 200
    page = await admin.send(question, f"{own}/disable")
    assert page.note == "bob is disabled, and logged out everywhere"
    assert (await admin.get("/keys")).rows()[0][1] == "user disabled"
    assert (await bob.request("GET", "/v1/posts")).status_code == 401
    assert (await admin.api.get("/v1/posts", key=key)).status_code == 401
    assert not await can_log_in(admin.api, "bob", PASSWORD)
    page = await admin.send(page, f"{own}/enable")
    assert page.note == "bob can log in again, and the keys work"
    assert (await admin.api.get("/v1/posts", key=key)).status_code == 200
    assert await can_log_in(admin.api, "bob", PASSWORD)
    noted = [
        action for _, action, subject in await actions_noted(admin.api) if subject == "user:bob"
    ]
    assert noted[:1] + noted[-1:] == ["users.disable", "users.enable"]


async def test_another_password_ends_every_login_of_the_user(admin: Person) -> None:
    await new_user(admin.api, "bob", "posts:read")
    bob = Browser(admin.api.http)
    await bob.log_in("bob")
    page = await page_of(admin, "bob")
    action = f"{page.path}/password"
    short = await admin.send(page, action, 422, password="short")
    assert "Has 5 characters; 12 to 1024 are allowed" in short.text
    assert (await bob.request("GET", "/v1/posts")).status_code == 200
    page = await admin.send(page, action, password="another good one")
    assert page.note == "bob has a new password and is logged out everywhere"
    assert (await bob.request("GET", "/v1/posts")).status_code == 401
    admin.api.http.cookies.clear()
    assert await can_log_in(admin.api, "bob", "another good one")
    shown = await admin.send(page, action)
    field = shown.main.select_one("#secret")
    assert field is not None
    assert await can_log_in(admin.api, "bob", str(field["value"]))


async def test_somebody_is_logged_out_everywhere(admin: Person) -> None:
    await new_user(admin.api, "bob", "posts:read")
    bob = Browser(admin.api.http, headers={"User-Agent": HOSTILE})
    await bob.log_in("bob")
    page = await page_of(admin, "bob")
    assert page.rows()[0][0] == HOSTILE
    question = await admin.send(page, f"{page.path}/logout")
    assert (await bob.request("GET", "/v1/posts")).status_code == 200
    page = await admin.send(question, f"{page.path}/logout")
    assert "Nobody is logged in as bob." in page.text
    assert (await bob.request("GET", "/v1/posts")).status_code == 401


async def test_users_are_for_admins(stranger: Person) -> None:
    page = await stranger.log_in("bob", "settings:write", "jobs:operate")
    (row,) = await stranger.api.sql("SELECT id FROM users WHERE name = 'admin'")
    for path in ("/users", "/users/new", f"/users/{row.id}"):
        assert "needs the scope 'admin'" in (await stranger.get(path, 403)).text
    csrf = page.fields("/logout")["csrf"]
    for verb in ("scopes", "password", "disable", "enable", "logout"):
        fields = {"csrf": csrf, "confirmed": "yes", "scopes": "admin", "password": PASSWORD}
        assert (await stranger.post(f"/users/{row.id}/{verb}", **fields)).status_code == 403
    assert (await stranger.post("/users", csrf=csrf, name="x", scopes="admin")).status_code == 403
    rows = await stranger.api.sql("SELECT name, disabled_at FROM users ORDER BY name")
    assert [tuple(row) for row in rows] == [("admin", None), ("bob", None)]


async def test_who_is_not_there_and_more_than_a_page(admin: Person) -> None:
    await admin.get("/users/01900000-0000-7000-8000-000000000000", 404)
    assert "No name contains that." in (await admin.get("/users?find=zzz")).text
    await new_user(admin.api, "bob")
    page = await admin.get("/users?limit=2")
    assert [row[0] for row in page.rows()] == ["bob", "ann (you)"]
    page = await admin.get(f"{page.links()['Older']}&limit=2")
    assert [row[0] for row in page.rows()] == ["admin"]
