"""Logging in by name and password: the cookie, its ends, and what other sites cannot do with it."""

from http.cookies import SimpleCookie

import httpx
import pytest

from service.access import passwords
from service.access.cookies import COOKIE
from service.access.passwords import _HASHER
from service.app import create_app
from tests.support import Installation, in_seconds

from .helpers import PASSWORD, Browser, actions_noted, new_user

pytestmark = pytest.mark.asyncio
SCHEDULE = {"name": "n", "job": "monitoring.clean", "cron": "* * * * *"}
ENDED = "This session has ended: log in again"


@pytest.fixture
def browser(api: Installation) -> Browser:
    """A browser without a cookie."""
    return Browser(api.http)


async def test_a_login_and_a_logout(api: Installation, browser: Browser) -> None:
    """V080, V082: the caller is the user, and both are written down with the address."""
    await new_user(api, "ann", "posts:read", "posts:write")
    reply = await browser.log_in("ann")
    assert reply.status_code == 201, reply.text
    cookie = SimpleCookie(reply.headers["set-cookie"])[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert (cookie["secure"], int(cookie["max-age"])) == ("", 7 * 86_400)
    assert len(cookie.value) == 43
    who = (await api.http.get("/v1/session")).json()
    assert who == reply.json()
    assert (who["name"], who["scopes"]) == ("ann", ["posts:read", "posts:write"])
    (listed,) = (await api.http.get("/v1/sessions")).json()["items"]
    assert (listed["current"], listed["address"]) == (True, "127.0.0.1")
    (stored,) = await api.sql("SELECT digest::text FROM sessions")
    assert cookie.value not in stored.digest

    assert (await browser.request("DELETE", "/v1/session")).status_code == 204
    assert COOKIE not in api.http.cookies
    assert await api.count("sessions") == 0
    again = await api.http.get("/v1/session", headers={"Cookie": f"{COOKIE}={cookie.value}"})
    assert (again.status_code, again.json()["detail"]) == (401, ENDED)
    session = f"session:{listed['id']}"
    assert await actions_noted(api) == [
        ("ann", "sessions.begin", session),
        ("ann", "sessions.end", session),
    ]
    rows = await api.sql("SELECT DISTINCT address FROM audit_log")
    assert [row.address for row in rows] == ["127.0.0.1"]


async def test_a_session_has_the_scopes_of_its_user(api: Installation, browser: Browser) -> None:
    await new_user(api, "ann", "posts:read")
    await browser.log_in("ann")
    assert (await api.http.get("/v1/posts")).status_code == 200
    refused = await api.http.get("/v1/jobs")
    assert refused.status_code == 403
    assert refused.json()["detail"] == ("This needs the scope 'jobs:read'; you have: posts:read")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "0" * 64},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_site_cannot_use_the_cookie(
    api: Installation, browser: Browser, headers: dict[str, str]
) -> None:
    await new_user(api, "ann", "jobs:read", "jobs:operate")
    await browser.log_in("ann")
    refused = await browser.request("POST", "/v1/schedules", json=SCHEDULE, headers=headers)
    assert refused.status_code == 403
    rows = await api.sql("SELECT name FROM schedules WHERE owner_id IS NOT NULL")
    assert list(rows) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://almanac.test"},
        {"Sec-Fetch-Site": "same-origin"},
        {},
    ],
)
async def test_our_own_pages_can(
    api: Installation, browser: Browser, headers: dict[str, str]
) -> None:
    await new_user(api, "ann", "jobs:read", "jobs:operate")
    await browser.log_in("ann")
    made = await browser.request("POST", "/v1/schedules", json=SCHEDULE, headers=headers)
    assert made.status_code == 201, made.text


async def test_another_site_cannot_log_somebody_in(api: Installation, browser: Browser) -> None:
    await new_user(api, "ann")
    browser.headers = {"Origin": "https://evil.example"}
    assert (await browser.log_in("ann")).status_code == 403
    assert await api.count("sessions") == 0


async def test_a_login_gives_a_new_cookie(api: Installation, browser: Browser) -> None:
    """A cookie that somebody planted, or that was there before, ends with the login."""
    await new_user(api, "ann")
    await browser.log_in("ann")
    first = api.http.cookies[COOKIE]
    await browser.log_in("ann")
    assert api.http.cookies[COOKIE] != first
    assert await api.count("sessions") == 1
    planted = "p" * 43
    api.http.cookies.clear()
    api.http.cookies.set(COOKIE, planted)
    await browser.log_in("ann")
    api.http.cookies.clear()
    reply = await api.http.get("/v1/session", headers={"Cookie": f"{COOKIE}={planted}"})
    assert reply.status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sessions SET expires_at = now()",
        "UPDATE sessions SET seen_at = now() - interval '12 hours'",
        "UPDATE users SET disabled_at = now()",
    ],
)
async def test_a_session_ends(api: Installation, browser: Browser, change: str) -> None:
    """At its limit, when it is not used, and when its user is disabled."""
    await new_user(api, "ann")
    await browser.log_in("ann")
    await api.sql(change)
    reply = await api.http.get("/v1/session")
    assert (reply.status_code, reply.json()["detail"]) == (401, ENDED)


async def test_a_session_that_is_used_lives_on(api: Installation, browser: Browser) -> None:
    await new_user(api, "ann")
    await browser.log_in("ann")
    await api.sql("UPDATE sessions SET seen_at = now() - interval '11 hours'")
    assert (await api.http.get("/v1/session")).status_code == 200
    rows = await api.sql("SELECT now() - seen_at < interval '1 minute' AS fresh FROM sessions")
    assert [row.fresh for row in rows] == [True]


async def test_logging_out_everywhere(api: Installation, browser: Browser) -> None:
    await new_user(api, "ann")
    await new_user(api, "bob")
    for name in ("bob", "ann", "ann"):
        api.http.cookies.clear()
        await browser.log_in(name)
    assert len((await api.http.get("/v1/sessions")).json()["items"]) == 2
    reply = await browser.request("DELETE", "/v1/session?everywhere=true")
    assert reply.status_code == 204
    rows = await api.sql("SELECT u.name FROM sessions s JOIN users u ON u.id = s.user_id")
    assert [row.name for row in rows] == ["bob"]


async def test_somebody_elses_session_cannot_be_ended(api: Installation, browser: Browser) -> None:
    """V081: it does not exist for others."""
    await new_user(api, "ann")
    await new_user(api, "bob")
    await browser.log_in("bob")
    (bobs,) = (await api.http.get("/v1/sessions")).json()["items"]
    api.http.cookies.clear()
    await browser.log_in("ann")
    reply = await browser.request("DELETE", f"/v1/sessions/{bobs['id']}")
    assert reply.status_code == 404
    assert await api.count("sessions") == 2
    (own,) = (await api.http.get("/v1/sessions")).json()["items"]
    assert (await browser.request("DELETE", f"/v1/sessions/{own['id']}")).status_code == 204
    assert await api.count("sessions") == 1


async def test_a_user_has_at_most_twenty_sessions(api: Installation, browser: Browser) -> None:
    await new_user(api, "ann")
    for _ in range(22):
        api.http.cookies.clear()
        await browser.log_in("ann")
    assert await api.count("sessions") == 20
    assert (await api.http.get("/v1/session")).status_code == 200


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong horse battery"), ("nobody", PASSWORD), ("bare", "")]
)
async def test_a_wrong_login_says_nothing_more(
    api: Installation, browser: Browser, name: str, password: str
) -> None:
    await new_user(api, "ann")
    await api.new_key("posts:read", user="bare")
    reply = await browser.log_in(name, password)
    assert (reply.status_code, reply.json()["detail"]) == (401, "Name or password is wrong")
    assert await api.count("sessions") == 0
    subject = "user:(unknown)" if name == "nobody" else f"user:{name}"
    assert await actions_noted(api) == [("(nobody)", "sessions.refuse", subject)]


async def test_a_disabled_user_cannot_log_in(api: Installation, browser: Browser) -> None:
    await new_user(api, "ann")
    await api.sql("UPDATE users SET disabled_at = now()")
    reply = await browser.log_in("ann")
    assert (reply.status_code, reply.json()["detail"]) == (401, "Name or password is wrong")


async def test_a_password_is_hashed_anew_when_the_parameters_change(
    api: Installation, browser: Browser
) -> None:
    await new_user(api, "ann")
    old = type(_HASHER)(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await api.sql("UPDATE users SET password = :old WHERE name = 'ann'", old=old)
    assert passwords.outdated(old)
    assert (await browser.log_in("ann")).status_code == 201
    (row,) = await api.sql("SELECT password FROM users WHERE name = 'ann'")
    assert row.password.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await browser.log_in("ann")).status_code == 201


async def test_the_cookie_is_for_https_only_in_production(api: Installation) -> None:
    """Also in development, when the public URL says https."""
    await new_user(api, "ann")
    settings = api.runtime.settings.model_copy(update={"public_url": "https://almanac.test"})
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://a.test") as http:
            reply = await Browser(http).log_in("ann")
    assert SimpleCookie(reply.headers["set-cookie"])[COOKIE]["secure"] is True


async def test_jobs_carry_the_actor(api: Installation, browser: Browser) -> None:
    """V080: of a session as of a key; nothing of it stays behind in this task."""
    await new_user(api, "ann", "posts:write", "settings:write")
    await browser.log_in("ann")
    connected = await browser.request(
        "POST", "/v1/accounts", json={"platform": "feed", "credentials": {"handle": "anns"}}
    )
    post = {"text": "Hi", "accounts": [connected.json()["id"]], "publish_at": in_seconds(60)}
    made = await browser.request("POST", "/v1/posts", json=post)
    assert made.status_code == 201, made.text
    (job_id,) = await api.queued()
    payload = await api.runtime.queue.get(f"arq:job:{job_id}")
    assert payload is not None
    assert b'"actor":"ann"' in payload
