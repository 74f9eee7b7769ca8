"""Connecting an account by logging in at its platform, as a person does it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI

from tests.access.helpers import PASSWORD, actions_noted, new_user
from tests.accounts.network import NAME, install
from tests.accounts.tokens import give_tokens
from tests.dashboard.person import Page, Person
from tests.servers.oauth import OAuthServer

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{7*7}}\u202e'
FORM = f"/accounts/new?platform={NAME}"


@pytest.fixture(scope="module")
def oauth_thread() -> Iterator[OAuthServer]:
    """A running network."""
    with OAuthServer() as server:
        yield server


@pytest.fixture
def server(oauth_thread: OAuthServer, application: FastAPI, admin: Person) -> Iterator[OAuthServer]:
    """An empty network that is one of the platforms."""
    oauth_thread.reset()
    install(application.state.runtime, oauth_thread)
    install(admin.api.runtime, oauth_thread)
    yield oauth_thread
    assert oauth_thread.violations == []


async def leave(person: Person, page: Page) -> str:
    """Press the button that connects in a browser; return where it leads."""
    page = await person.send(page, "/accounts/authorize")
    assert page.title == "On to The Network"
    url = page.links()["Go on to The Network"]
    refresh = page.soup.select_one("meta[http-equiv=refresh]")
    assert refresh is not None
    assert refresh["content"] == f"0;url={url}"
    return url


def callback(back: dict[str, str]) -> str:
    """Return the address that the platform sends a person to."""
    return f"/accounts/callback?{urlencode({'code': back['code'], 'state': back['state']})}"


async def test_a_person_connects_an_account(admin: Person, server: OAuthServer) -> None:
    """V003: to the platform, back, connected; loading the page again does nothing."""
    page = await admin.get("/accounts/new")
    assert "a login there, or its credentials" in page.text
    url = await leave(admin, page)
    back = server.log_in(url, "news")
    assert back["to"] == f"{admin.api.runtime.settings.base_url}/accounts/callback"
    page = await admin.get(callback(back))
    assert (page.title, page.note) == ("news", "news is connected")
    assert "Renewed by itself; the present one lasts until" in page.text
    page = await admin.get(callback(back))
    assert page.path == "/accounts/new"
    assert "was used already" in page.note
    assert await admin.api.count("accounts") == 1
    noted = [action for _, action, _ in await actions_noted(admin.api)]
    assert noted[-2:] == ["accounts.authorize", "accounts.connect"]


async def test_who_is_not_logged_in_logs_in_and_comes_back(
    admin: Person, server: OAuthServer
) -> None:
    back = server.log_in(await leave(admin, await admin.get(FORM)), "news")
    admin.http.cookies.clear()
    page = await admin.get(callback(back))
    assert page.title == "Log in"
    assert await admin.api.count("accounts") == 0
    page = await admin.send(page, "/login", name="ann", password=PASSWORD)
    assert page.note == "news is connected"


async def test_anothers_login_is_not_finished(admin: Person, server: OAuthServer) -> None:
    """An attacker's return address, opened by somebody else, connects nothing for either."""
    back = server.log_in(await leave(admin, await admin.get(FORM)), "attackers")
    await new_user(admin.api, "bob", "settings:write", "posts:read")
    admin.http.cookies.clear()
    await admin.send(await admin.get("/login"), "/login", name="bob", password=PASSWORD)
    page = await admin.get(callback(back))
    assert "begun by somebody else" in page.note
    assert await admin.api.count("accounts") == 0
    assert server.calls == []


async def test_what_the_platform_says_is_told_in_plain_words(
    admin: Person, server: OAuthServer
) -> None:
    """A refusal uses the state up; hostile words are only words."""
    for sent, told in (
        ({"error": "access_denied"}, "it was not allowed there"),
        ({"error": "server_error"}, "its login does not work at present: try again later"),
        ({"error": "odd", "error_description": HOSTILE}, f"said 'odd: {HOSTILE}'"),
        ({}, "said 'no code came back'"),
    ):
        back = server.log_in(await leave(admin, await admin.get(FORM)), "news")
        page = await admin.get(f"/accounts/callback?{urlencode({**sent, 'state': back['state']})}")
        assert page.note.startswith("The Network is not connected: ")
        assert told in page.note
        assert page.main.select("script, img") == []
        page = await admin.get(callback(back))
        assert "This login is over" in page.note
    made_up = urlencode({"error": HOSTILE, "state": "made up"})
    page = await admin.get(f"/accounts/callback?{made_up}")
    assert "This login is over" in page.note
    assert await admin.api.count("accounts") == 0
    assert await admin.api.count("authorizations") == 0
    assert server.calls == []


async def test_a_refused_code(admin: Person, server: OAuthServer) -> None:
    back = server.log_in(await leave(admin, await admin.get(FORM)), "news")
    page = await admin.get(callback({**back, "code": "made-up-code"}))
    assert "invalid_grant: bad code" in page.note
    assert "made-up-code" not in page.reply.text
    assert await admin.api.count("accounts") == 0


async def test_a_person_chooses_among_several(admin: Person, server: OAuthServer) -> None:
    """Names of accounts are others' words; those that are connected are marked."""
    key = await admin.api.new_key("settings:write", user="ann")
    await admin.api.connect(NAME, server.tokens("two"), key=key)
    back = server.log_in(await leave(admin, await admin.get(FORM)), "one", "two", HOSTILE)
    page = await admin.get(callback(back))
    assert page.title == "Which accounts?"
    assert page.main.select("script, img") == []
    labels = [" ".join(label.get_text(" ").split()) for label in page.main.select("label")]
    assert labels[:2] == [
        "One one",
        "Two two · connected already, its credentials are renewed",
    ]
    assert page.fields("/accounts/choose")["choices"] == "2"
    page = await admin.send(page, "/accounts/choose", 422, choices=None)
    assert "Choose at least one account." in page.text
    assert await admin.api.count("accounts") == 1
    page = await admin.send(page, "/accounts/choose", choices=["1", "3"])
    assert page.note == f"one, {HOSTILE} are connected"
    assert await admin.api.count("accounts") == 3
    page = await admin.get(f"/accounts/choose?state={back['state']}")
    assert "This login is over" in page.note


async def test_an_account_is_connected_again(admin: Person, server: OAuthServer) -> None:
    """The very same account; another one is refused, and nothing changes."""
    account = await admin.api.connect(NAME, server.tokens("news"))
    await admin.api.sql("UPDATE accounts SET state = 'needs_reconnect'")
    page = await admin.get(f"/accounts/{account}/reconnect")
    back = server.log_in(await leave(admin, page), "other")
    page = await admin.get(callback(back))
    assert page.note.startswith("These are the credentials of other at")
    (row,) = await admin.api.sql("SELECT state FROM accounts")
    assert row.state == "needs_reconnect"
    page = await admin.get(f"/accounts/{account}/reconnect")
    page = await admin.get(callback(server.log_in(await leave(admin, page), "news")))
    assert (page.path, page.note) == (f"/accounts/{account}", "news is connected")
    (row,) = await admin.api.sql("SELECT state FROM accounts")
    assert row.state == "active"


async def test_the_state_of_a_token_is_said_in_words(admin: Person, server: OAuthServer) -> None:
    account = await admin.api.connect(NAME, server.tokens("news"))
    page = await admin.get("/accounts")
    assert "lasts until" not in page.text
    tokens = server.tokens("news")
    await give_tokens(admin.api, account, tokens, lasts=timedelta(days=3))
    end = datetime.now(UTC) + timedelta(hours=3)
    await admin.api.sql("UPDATE accounts SET limited_until = :end", end=end)
    for path in ("/accounts", f"/accounts/{account}"):
        text = (await admin.get(path)).text
        assert "Token Renewed by itself; the present one lasts until" in text
        assert "Limit used up until" in text
    await admin.api.sql("UPDATE accounts SET refresh_error = :error", error=HOSTILE)
    page = await admin.get(f"/accounts/{account}")
    assert "Could not be renewed; lasts until" in page.text
    assert HOSTILE in page.text
    assert page.main.select("script, img") == []
    await give_tokens(admin.api, account, tokens, lasts=timedelta(seconds=-1))
    assert "Could not be renewed since" in (await admin.get("/accounts")).text


async def test_a_platform_without_an_app_has_only_the_form(
    admin: Person, application: FastAPI, server: OAuthServer
) -> None:
    install(application.state.runtime, server, has_app=False)
    page = await admin.get(FORM)
    assert list(page.forms()) == ["/logout", "/accounts/new", "/preferences"]
    token = page.fields("/logout")["csrf"]
    reply = await admin.post("/accounts/authorize", csrf=token, platform=NAME)
    assert (reply.status_code, "ALMANAC_APPS" in reply.text) == (422, True)
    reply = await admin.post("/accounts/authorize", csrf=token, platform="myspace")
    assert reply.status_code == 404
    reply = await admin.post("/accounts/authorize", csrf=token, account_id="nothing")
    assert reply.status_code == 404
    assert await admin.api.count("authorizations") == 0


async def test_a_platform_that_fetches_media_says_what_to_set(
    admin: Person, application: FastAPI, server: OAuthServer
) -> None:
    install(application.state.runtime, server).fetches_media = True
    page = await admin.get(FORM)
    assert "set ALMANAC_PUBLIC_URL to the https address" in page.note
    page = await admin.send(page, "/accounts/authorize", 422)
    assert "set ALMANAC_PUBLIC_URL" in page.note
    assert server.calls == []


async def test_a_server_has_to_be_named(admin: Person, server: OAuthServer) -> None:
    """G030: Mastodon is asked where; what is wrong stands at the field of this form."""
    page = await admin.get("/accounts/new?platform=mastodon")
    page = await admin.send(page, "/accounts/authorize", 422, server="mastodon.example")
    (wrong,) = page.main.select(".field.wrong")
    assert wrong.select_one("input#server") is not None
    page = await admin.send(page, "/accounts/authorize", 422, server="http://127.0.0.2:9")
    assert "ALMANAC_ALLOWED_PRIVATE_HOSTS" in page.text
