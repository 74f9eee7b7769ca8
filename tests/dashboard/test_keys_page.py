"""The page of API keys: a key is shown once, and works until it is revoked."""

import pytest

from service.dashboard import filled
from service.dashboard.formats import zone_of
from tests.access.helpers import actions_noted
from tests.dashboard.person import Page, Person

pytestmark = pytest.mark.asyncio
HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e"
UTC = zone_of("UTC")


async def make(person: Person, status: int = 201, **fields: object) -> Page:
    """Fill the form in and send it."""
    page = await person.get("/keys/new")
    return await person.send(page, "/keys", status, **{"name": "import", **fields})


def key_of(page: Page) -> str:
    """Return the key that a page shows."""
    found = page.main.select_one("#secret")
    assert found is not None
    return str(found["value"])


def first_revoke(page: Page) -> str:
    """Return where the latest key of a list is revoked."""
    link = page.main.select_one("a.danger")
    assert link is not None
    return str(link["href"])


async def test_a_key_is_shown_once_and_works(admin: Person) -> None:
    """V082, V083: by the reply that makes it; no cookie, no other page, no cache has it."""
    page = await make(admin, scopes="posts:read", expires_at=filled.day_after(3, UTC))
    key = key_of(page)
    assert page.reply.headers["cache-control"] == "no-store"
    assert not [c for c in page.reply.headers.get_list("set-cookie") if key in c]
    assert page.reply.history == [], "no redirect had to carry it"
    assert (await admin.api.get("/v1/posts", key=key)).status_code == 200
    listed = await admin.get("/keys")
    assert key not in listed.reply.text
    first = listed.rows()[0]
    assert first[:4] == [f"import {key[:14]}…", "works", "ann", "posts:read"]
    assert first[6].startswith("in ")
    assert [noted[:2] for noted in await actions_noted(admin.api)][-1] == ("ann", "keys.create")


async def test_every_problem_is_at_its_field_and_what_was_typed_stays(admin: Person) -> None:
    before = await admin.api.count("api_keys")
    page = await make(admin, 422, name="", expires_at="2020-01-01", user="ann")
    problems = [each.get_text() for each in page.main.select(".problem")]
    assert problems == ["Is needed", "Choose at least one", "Has passed"]
    assert page.fields("/keys")["expires_at"] == "2020-01-01"
    page = await make(admin, 422, scopes="posts:read", user="nobody", name="kept")
    assert page.main.select_one("#user-hint").get_text() == "There is no such user"  # type: ignore[union-attr] # it is there
    fields = page.fields("/keys")
    assert (fields["name"], fields["scopes"]) == ("kept", "posts:read")
    page = await make(admin, 422, scopes="posts:read", expires_at="soon")
    assert "Is no date such as" in page.text
    assert await admin.api.count("api_keys") == before


async def test_a_key_is_revoked_after_a_question(admin: Person) -> None:
    """Asking changes nothing; the answer ends the key at once, and is written down."""
    key = key_of(await make(admin, scopes="posts:read"))
    listed = await admin.get("/keys")
    question = await admin.get(first_revoke(listed))
    assert question.title == "Revoke the key ' import '?"
    assert "Last used never" in question.text
    (action,) = [path for path in question.forms() if path.endswith("/revoke")]
    again = await admin.send(question, action, confirmed=None)
    assert again.title == question.title
    assert (await admin.api.get("/v1/posts", key=key)).status_code == 200
    done = await admin.send(question, action)
    assert done.note == f"The key 'import' ({key[:14]}…) works no more"
    assert done.rows()[0][1] == "revoked"
    assert (await admin.api.get("/v1/posts", key=key)).status_code == 401
    assert [noted[:2] for noted in await actions_noted(admin.api)][-1] == ("ann", "keys.revoke")
    assert "revoked" in (await admin.get(action)).text


async def test_others_grant_what_they_hold_and_see_what_is_theirs(stranger: Person) -> None:
    """V081: no scope more than one's own, nobody else's keys, no field for another user."""
    bobs = "settings:write", "posts:read"
    await stranger.api.new_key("posts:read", user="somebody")
    await stranger.log_in("bob", *bobs)
    empty = await stranger.get("/keys")
    assert empty.rows() == []
    assert "No program has a key yet" in empty.text
    page = await stranger.get("/keys/new")
    boxes = [box["value"] for box in page.main.select("[name=scopes]")]
    assert boxes == ["posts:read", "settings:write"]
    assert page.main.select("[name=user]") == []
    before = await stranger.api.count("api_keys")
    fields = {**page.fields("/keys"), "name": "more"}
    assert (await stranger.post("/keys", **fields, scopes="admin")).status_code == 403
    reply = await stranger.post("/keys", **{**fields, "scopes": "posts:read", "user": "admin"})
    assert (reply.status_code, "There is no such user" in reply.text) == (422, False)
    (row,) = await stranger.api.sql("SELECT id FROM api_keys WHERE name = 'test'")
    await stranger.get(f"/keys/{row.id}/revoke", 404)
    fields = {"csrf": fields["csrf"], "confirmed": "yes"}
    assert (await stranger.post(f"/keys/{row.id}/revoke", **fields)).status_code == 404
    assert await stranger.api.count("api_keys") == before
    (row,) = await stranger.api.sql("SELECT revoked_at FROM api_keys WHERE name = 'test'")
    assert row.revoked_at is None


async def test_who_may_not_make_keys_sees_no_page(stranger: Person) -> None:
    await stranger.log_in("bob", "posts:read")
    for path in ("/keys", "/keys/new"):
        assert "needs the scope 'settings:write'" in (await stranger.get(path, 403)).text


async def test_hostile_names_are_text(admin: Person) -> None:
    name = HOSTILE + "x" * 100
    page = await make(admin, name=name, scopes="admin")
    assert page.soup.select("script:not([src])") == []
    listed = await admin.get("/keys")
    assert listed.soup.select("script:not([src])") == []
    assert listed.rows()[0][0].startswith("<script>alert(1)</script>{{7*7}}")
    question = await admin.get(first_revoke(listed))
    assert "<script>alert(1)</script>{{7*7}}" in question.title


async def test_more_keys_than_a_page(admin: Person) -> None:
    for number in range(3):
        await make(admin, name=f"key {number}", scopes="posts:read")
    page = await admin.get("/keys?limit=2")
    names = [row[0].rpartition(" ")[0] for row in page.rows()]
    assert names == ["key 2", "key 1"]
    page = await admin.get(f"{page.links()['Older']}&limit=2")
    assert [row[0].rpartition(" ")[0] for row in page.rows()] == ["key 0", "admin"]
    assert "Older" not in page.links()
