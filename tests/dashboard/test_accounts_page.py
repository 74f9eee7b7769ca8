"""Accounts: what people see of them, how one is connected, connected again and removed."""

from typing import Any
from uuid import UUID

import pytest

from service.accounts.actions import seal
from tests.access.helpers import actions_noted
from tests.dashboard.person import Page, Person
from tests.servers.mastodon import MastodonServer
from tests.support import Installation, in_seconds, problems

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{7*7}}\u202e'


def given(**credentials: str) -> dict[str, Any]:
    """Return credentials as fields of the form."""
    return {f"credentials.{name}": value for name, value in credentials.items()}


def texts(page: Page, selector: str) -> list[str]:
    """Return what elements of the main part say."""
    return [" ".join(found.get_text(" ").split()) for found in page.main.select(selector)]


async def forget_token(api: Installation, account_id: str) -> None:
    """Put a token into the row that the platform refuses."""
    found = UUID(account_id)
    other = {"access_token": "revoked", "visibility": "unlisted"}
    sealed = seal(api.runtime.keyring, found, "credentials", other)
    await api.sql(
        "UPDATE accounts SET credentials = :sealed WHERE id = :id", sealed=sealed, id=found
    )


async def test_without_accounts_a_page_says_what_to_do(admin: Person) -> None:
    page = await admin.get("/accounts")
    assert "No account is connected yet" in page.text
    assert page.links()["Connect an account"] == "/accounts/new"
    page = await admin.get("/accounts?state=active")
    assert "No account is like this" in page.text


async def test_a_card_tells_how_an_account_does(admin: Person) -> None:
    """G001, G030: an account with what it published, what comes and what failed."""
    api = admin.api
    account = await api.connect(credentials={"handle": "news", "display_name": HOSTILE})
    await api.connect("x", {"handle": "loud"})
    await api.schedule([account], "Out")
    await api.work()
    await api.schedule([account], HOSTILE, publish_at=in_seconds(3600))
    failed = await api.schedule([account], "Failed", publish_at=in_seconds(3600))
    await api.sql(
        "UPDATE deliveries SET state = 'failed', error = :error WHERE post_id = :id",
        id=failed["id"],
        error=HOSTILE,
    )
    page = await admin.get("/accounts")
    first, second = texts(page, ".card")
    assert "news Feed · active Scheduled 1 post, next in 59 min Last published" in first
    assert "Up to 100,000 characters. Up to 20 images: JPEG, PNG, GIF, WebP, at most 20 MB" in first
    assert "Failed lately 1 in seven days" in first
    assert "Scheduled nothing Last published never" in second
    assert page.main.select_one(f"#profile-{account}")["href"] == "/feeds/news"  # type: ignore[index] # it is there
    assert page.main.select("script, img") == []

    page = await admin.get(f"/accounts/{account}")
    assert page.title == "news"
    assert HOSTILE in page.text
    assert "1 published, 1 failed" in page.text
    assert "Up to 100,000 characters." in texts(page, ".limits li")
    tables = page.main.select("table.rows")
    words = [" ".join(table.get_text(" ").split()) for table in tables]
    assert [HOSTILE in text for text in words] == [True, True, False]
    assert "Out published" in words[2]
    assert page.main.select("script, img") == []


async def test_accounts_are_filtered_and_paged(admin: Person) -> None:
    for number in range(3):
        await admin.api.connect("x", {"handle": f"x{number}"})
    await admin.api.connect()
    page = await admin.get("/accounts")
    page = await admin.send(page, "/accounts", platform="x")
    assert texts(page, ".card h2") == ["x2", "x1", "x0"]
    page = await admin.get("/accounts?platform=x&limit=2")
    assert texts(page, ".card h2") == ["x2", "x1"]
    page = await admin.get(page.links()["Older"])
    assert texts(page, ".card h2") == ["x0"]
    page = await admin.get("/accounts?platform=x&state=needs_reconnect")
    assert texts(page, ".card") == []


async def test_others_accounts_do_not_exist(stranger: Person) -> None:
    """Without admin one sees one's own; without settings:write one changes nothing."""
    api = stranger.api
    await stranger.log_in("bob", "posts:read", "posts:write")
    theirs = await api.connect(key=await api.new_key("settings:write", user="ann"))
    mine = await api.connect(key=await api.new_key("settings:write", user="bob"))
    page = await stranger.get("/accounts")
    assert len(page.main.select(".card")) == 1
    assert "Connect an account" not in page.links()
    await stranger.get(f"/accounts/{theirs}", 404)
    page = await stranger.get(f"/accounts/{mine}")
    assert "Remove" not in page.links()
    for path in ("new", f"{mine}/remove", f"{mine}/reconnect"):
        await stranger.get(f"/accounts/{path}", 403)
    token = page.fields("/logout")["csrf"]
    for path in ("new", f"{mine}/remove", f"{mine}/reconnect"):
        reply = await stranger.post(f"/accounts/{path}", csrf=token, confirmed="yes")
        assert reply.status_code == 403
    (row,) = await api.sql("SELECT count(*) FROM accounts WHERE state = 'active'")
    assert row[0] == 2


async def test_an_account_is_connected_through_the_form(admin: Person) -> None:
    """G030: what a platform needs is asked for; what it refuses stands at the field."""
    page = await admin.get("/accounts/new")
    titles = [*("Feed", "Mastodon", "Bluesky", "X", "Instagram", "Facebook", "Threads")]
    titles += ["TikTok", "YouTube", "LinkedIn", "Webhook"]
    assert texts(page, ".card h2") == titles
    page = await admin.get(page.links()["Connect Mastodon"])
    token = page.main.select_one("input[name='credentials.access_token']")
    assert token is not None
    assert (token["type"], token["autocomplete"]) == ("password", "new-password")
    page = await admin.send(page, "/accounts/new", 422, base_url="mastodon.example")
    wrong = texts(page, ".problem")
    assert wrong[0].startswith("Missing: An access token")
    with MastodonServer() as server:
        fields = {"base_url": server.url, **given(access_token="a wrong one")}
        page = await admin.send(page, "/accounts/new", 422, **fields)
        assert "401" in texts(page, ".field.wrong .problem")[0]
        assert "a wrong one" not in page.reply.text
        assert page.fields("/accounts/new")["base_url"] == server.url
        page = await admin.send(page, "/accounts/new", **given(access_token=server.token))
    assert page.note.endswith("is connected")
    assert page.path.startswith("/accounts/")
    assert server.token not in page.reply.text
    noted = [action for _, action, _ in await actions_noted(admin.api)]
    assert noted[-1] == "accounts.connect"


async def test_a_sandbox_is_connected_through_the_form(admin: Person) -> None:
    """G030: it needs a handle, asks the network nothing, and shows its posts here."""
    page = await admin.get("/accounts/new?platform=x&sandbox=yes")
    assert page.title == "Connect X as a sandbox"
    assert "Nothing is sent to X" in page.text
    page = await admin.send(page, "/accounts/new", 422, **given(handle="No handle"))
    page = await admin.send(page, "/accounts/new", **given(handle="loud"))
    assert page.note == "loud is connected"
    assert "sandbox: posts are shown on a page here only" in page.text
    assert page.links()["Open its page"] == "/feeds/loud"


async def test_a_refused_connection_stores_nothing(admin: Person) -> None:
    await admin.api.connect(credentials={"handle": "taken"})
    key = await admin.api.new_key("settings:write", user="carl")
    await admin.api.connect(credentials={"handle": "carls"}, key=key)
    page = await admin.get("/accounts/new?platform=feed")
    page = await admin.send(page, "/accounts/new", 422, **given(handle=HOSTILE, display_name="N"))
    assert "is no handle" in texts(page, ".problem")[0]
    assert page.fields("/accounts/new")["credentials.handle"] == HOSTILE
    assert page.fields("/accounts/new")["credentials.display_name"] == "N"
    page = await admin.send(page, "/accounts/new", 409, **given(handle="carls"))
    assert "The handle 'carls' is taken" in page.note
    long = "x" * 10_000
    page = await admin.send(page, "/accounts/new", 422, **given(handle=long))
    assert await admin.api.count("accounts") == 2
    await admin.get("/accounts/new?platform=myspace", 404)


async def test_reconnecting_sends_what_waited(admin: Person) -> None:
    """A refused token holds posts; new credentials of the same account let them go."""
    api = admin.api
    with MastodonServer() as server:
        credentials = {"access_token": server.token, "visibility": "unlisted"}
        account = await api.connect("mastodon", credentials, base_url=server.url)
        await forget_token(api, account)
        await api.schedule([account], "Waits")
        await api.work()
        page = await admin.get("/accounts?state=needs_reconnect")
        assert "One account needs reconnecting; 1 post waits for that." in page.text
        assert "Mastodon began to refuse its credentials" in page.text
        assert "1 post waits for it." in page.text
        page = await admin.get(f"/accounts/{account}")
        assert "What waits goes out when you reconnect" in page.text
        assert "401" in page.text
        page = await admin.get(page.links()["Reconnect"])
        action = f"/accounts/{account}/reconnect"
        fields = page.fields(action)
        assert fields["credentials.visibility"] == "unlisted", "no secret: it is shown"
        assert fields["credentials.access_token"] == ""
        page = await admin.send(page, action, 422, **given(access_token="wrong"))
        assert "401" in texts(page, ".problem")[0]
        page = await admin.send(page, action, **given(access_token=server.token))
        assert page.note.endswith("is connected again")
        await api.work()
        assert [server.source(post["id"]) for post in server.posts] == ["Waits"]
    noted = [action for _, action, _ in await actions_noted(api)]
    assert noted[-1] == "accounts.reconnect"


async def test_credentials_of_another_account_are_refused(admin: Person) -> None:
    account = await admin.api.connect(credentials={"handle": "mine"})
    await admin.api.sql("UPDATE accounts SET state = 'needs_reconnect'")
    page = await admin.get(f"/accounts/{account}/reconnect")
    action = f"/accounts/{account}/reconnect"
    page = await admin.send(page, action, 422, **given(handle="other"))
    assert "These are the credentials of other" in texts(page, ".problem")[0]
    reply = await admin.api.post(f"/v1{action}", {"credentials": {"handle": "other"}})
    assert "as an account of its own" in problems(reply)["credentials"]
    (row,) = await admin.api.sql("SELECT state FROM accounts")
    assert row.state == "needs_reconnect"


async def test_an_account_is_removed_with_what_was_scheduled(admin: Person) -> None:
    """Refused until one agrees to cancel; credentials go, history stays, it can come back."""
    api = admin.api
    account = await api.connect(credentials={"handle": "news"})
    await api.schedule([account], "Out")
    await api.work()
    coming = await api.schedule([account], "Comes", publish_at=in_seconds(3600))
    page = await admin.get(f"/accounts/{account}")
    page = await admin.get(page.links()["Remove"])
    assert "Cancel the post that is still to go to it" in page.text
    action = f"/accounts/{account}/remove"
    page = await admin.send(page, action)
    assert page.note.startswith("Posts still to go to this account: 1.")
    (row,) = await api.sql("SELECT state FROM accounts")
    assert row.state == "active", "the refusal took everything back"
    page = await admin.send(page, action, cancel="yes", confirmed=None)
    assert page.note == "Read what follows first"
    page = await admin.send(page, action, cancel="yes")
    assert page.note == "news is removed; its credentials are deleted"
    assert "No account is connected yet" in page.text
    assert (await api.read_post(coming["id"]))["state"] == "cancelled"
    page = await admin.get(f"/accounts/{account}")
    assert "Out" in page.text
    assert "This account was removed" in page.text
    page = await admin.get(f"{action}")
    assert page.note == "This account has been removed already"
    page = await admin.get("/accounts?state=disconnected")
    assert texts(page, ".card h2") == ["news"]
    page = await admin.get(page.links()["Reconnect"])
    await admin.send(page, f"/accounts/{account}/reconnect", **given(handle="news"))
    (row,) = await api.sql("SELECT state FROM accounts")
    assert row.state == "active"
