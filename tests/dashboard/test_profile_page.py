"""The page of one's own: password, logins, time zone."""

import asyncio

import httpx
import pytest
import pytest_asyncio

from service.access.cookies import COOKIE
from service.dashboard import live
from service.dashboard.access.browsers import browser
from tests.access.helpers import PASSWORD, actions_noted
from tests.dashboard.person import Page, Person

pytestmark = pytest.mark.asyncio
NEW = "a better sentence than that"
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)


@pytest_asyncio.fixture
async def elsewhere(admin: Person) -> Person:
    """The same admin in another browser, at another process of the API."""
    admin.api.http.headers["User-Agent"] = CHROME
    person = Person(admin.api.http, admin.api)
    await person.send(await person.get("/login"), "/login", name="ann", password=PASSWORD)
    return person


async def change(
    person: Person, status: int = 200, present: str = PASSWORD, new: str = NEW, again: str = NEW
) -> Page:
    """Fill in the form of the password."""
    page = await person.get("/profile")
    fields = {"present": present, "password": new, "again": again}
    return await person.send(page, "/profile/password", status, **fields)


async def test_a_new_password_ends_every_other_session(
    admin: Person, elsewhere: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here one goes on, with another cookie; elsewhere cookie and stream of changes are over."""
    monkeypatch.setattr(live, "CHECK", 0.05)
    before = admin.http.cookies[COOKIE]
    stream = asyncio.create_task(elsewhere.http.get("/live"))
    while not live._looking:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.01)
    page = await change(admin)
    assert page.note == "You have a new password; every other login has ended"
    assert b"event: over" in (await asyncio.wait_for(stream, 10)).content
    assert (await elsewhere.get("/profile")).title == "Log in"
    assert admin.http.cookies[COOKIE] != before
    assert len(page.rows()) == 1
    admin.http.cookies.set(COOKIE, before, domain="almanac.test")
    assert (await admin.get("/profile")).title == "Log in", "the cookie from before is dead too"
    page = await elsewhere.send(
        await elsewhere.get("/login"), "/login", 401, name="ann", password=PASSWORD
    )
    page = await elsewhere.send(page, "/login", name="ann", password=NEW)
    assert page.title == "Overview"
    assert ("ann", "users.password", "user:ann") in await actions_noted(admin.api)
    dump = await admin.api.sql("SELECT string_agg(detail::text, '') AS text FROM audit_log")
    assert NEW not in dump[0].text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"present": "wrong"}, "Is not your password"),
        ({"new": "short", "again": "short"}, "Has 5 characters; 12 to 1024 are allowed"),
        ({"again": "something else"}, "Is not what you typed above"),
        ({"new": PASSWORD, "again": PASSWORD}, "Is the one that you have"),
    ],
)
async def test_a_password_that_is_refused_changes_nothing(
    admin: Person, elsewhere: Person, fields: dict[str, str], message: str
) -> None:
    page = await change(admin, 422, **fields)
    assert [each.get_text() for each in page.main.select(".problem")] == [message]
    assert not [field for field in page.main.select("[type=password]") if field["value"]]
    assert (await elsewhere.get("/profile")).title == "ann"
    assert (await admin.get("/profile")).title == "ann"


async def test_wrong_passwords_are_counted_like_logins(admin: Person) -> None:
    """A session alone is no way to try passwords; each wrong one is written down."""
    attempts = admin.api.runtime.settings.login_attempts
    for _ in range(attempts):
        await change(admin, 422, present="wrong")
    page = await change(admin, 429)
    assert "Too many attempts: try again in" in page.text
    assert int(page.reply.headers["retry-after"]) > 0
    noted = [action for _, action, _ in await actions_noted(admin.api)]
    assert noted.count("users.refuse_password") == attempts
    assert "users.password" not in noted


async def test_logins_are_listed_and_ended_one_by_one(admin: Person, elsewhere: Person) -> None:
    page = await admin.get("/profile")
    names = [row[0] for row in page.rows()]
    assert names == ["Chrome on Linux", "python-httpx/" + httpx.__version__ + " (here)"]
    other = next(path for path in page.forms() if path.endswith("/end") and len(path) > 30)
    page = await admin.send(page, other)
    assert page.note == "That login has ended"
    assert (await elsewhere.get("/profile")).title == "Log in"
    csrf = page.fields("/logout")["csrf"]
    again = await admin.post(other, csrf=csrf)
    assert "That login has ended already" in again.text
    (own,) = [path for path in page.forms() if path.endswith("/end")]
    assert (await admin.send(page, own)).title == "Log in"
    assert COOKIE not in admin.http.cookies


async def test_all_other_logins_end_at_once(admin: Person, elsewhere: Person) -> None:
    page = await admin.send(await admin.get("/profile"), "/profile/sessions/end")
    assert page.note == "1 other login has ended"
    assert (await elsewhere.get("/profile")).title == "Log in"
    assert "/profile/sessions/end" not in page.forms()
    rows = await admin.api.sql(
        "SELECT subject, detail FROM audit_log WHERE action = 'sessions.end'"
    )
    assert [tuple(row) for row in rows] == [("user:ann", {"count": 1})]


async def test_nobody_ends_somebody_elses_login(admin: Person, elsewhere: Person) -> None:
    await elsewhere.log_in("bob", "posts:read")
    (row, *_) = await admin.api.sql(
        "SELECT s.id FROM sessions s JOIN users u ON u.id = user_id WHERE u.name = 'ann'"
    )
    csrf = (await elsewhere.get("/profile")).fields("/logout")["csrf"]
    await elsewhere.post(f"/profile/sessions/{row.id}/end", csrf=csrf)
    assert (await admin.get("/profile")).title == "ann"


async def test_what_one_may_do_is_said_in_words(stranger: Person) -> None:
    await stranger.log_in("bob", "posts:read", "content:write")
    page = await stranger.get("/profile")
    said = [item.get_text(" ", strip=True) for item in page.main.select("section ul li")]
    assert said == [
        "See own posts, accounts and the calendar posts:read",
        "Upload media content:write",
    ]


async def test_zone_and_look_are_chosen_here(admin: Person) -> None:
    page = await admin.send(await admin.get("/profile"), "/preferences", zone="Asia/Kathmandu")
    assert page.path == "/profile"
    assert page.fields("/preferences")["zone"] == "Asia/Kathmandu"
    page = await admin.send(page, "/preferences", zone="<script>")
    assert page.note == "'<script>' is not an IANA time zone such as Europe/Paris"
    assert page.soup.select("script:not([src])") == []


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (CHROME, "Chrome on Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        (
            "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
            "Firefox on Android",
        ),
        ("curl/8.0", "curl"),
        ("<b>bot</b>" * 20, ("<b>bot</b>" * 20)[:60]),
        (None, "Unknown browser"),
    ],
)
async def test_browsers_have_names(agent: str | None, name: str) -> None:
    assert browser(agent) == name
