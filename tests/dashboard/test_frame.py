"""What all pages share: the way in, the menu, the line of numbers, errors, hostile forms."""

import pytest

from service.dashboard import assets, summary
from service.dashboard.rendering import CSP
from tests.access.helpers import PASSWORD, new_user
from tests.dashboard.person import HTML, Person
from tests.support import in_seconds

pytestmark = pytest.mark.asyncio


async def test_who_is_not_logged_in_is_led_to_the_login_and_back(stranger: Person) -> None:
    """V037: no page without credentials; N021: a login that leads where one wanted to go."""
    await new_user(stranger.api, "ann", "admin")
    page = await stranger.get("/profile?x=1")
    assert page.title == "Log in"
    page = await stranger.send(page, "/login", 401, name="ann", password="wrong")
    assert page.note == "Name or password is wrong"
    page = await stranger.send(page, "/login", password=PASSWORD)
    assert page.path == "/profile?x=1"


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example"])
async def test_a_login_leads_to_no_other_site(stranger: Person, place: str) -> None:
    await new_user(stranger.api, "ann", "admin")
    page = await stranger.get(f"/login?next={place}")
    page = await stranger.send(page, "/login", name="ann", password=PASSWORD, next=place)
    assert page.path == "/"


async def test_logging_out_ends_the_session(admin: Person) -> None:
    cookie = admin.http.cookies["almanac_session"]
    page = await admin.send(await admin.get("/"), "/logout")
    assert page.title == "Log in"
    admin.http.cookies.set("almanac_session", cookie, domain="almanac.test")
    assert (await admin.get("/")).title == "Log in", "the old cookie is worth nothing"


async def test_a_form_of_another_login_is_refused(admin: Person) -> None:
    """A forged form does nothing: neither with a wrong token nor from another site."""
    page = await admin.get("/")
    assert (await admin.post("/logout")).status_code == 403
    assert (await admin.post("/logout", csrf="0" * 64)).status_code == 403
    token = page.fields("/logout")["csrf"]
    evil = {**HTML, "Sec-Fetch-Site": "cross-site"}
    reply = await admin.http.post("/logout", data={"csrf": token}, headers=evil)
    assert reply.status_code == 403
    assert (await admin.get("/")).title == "Overview", "still logged in"


async def test_the_menu_shows_what_one_may_see(stranger: Person) -> None:
    page = await stranger.log_in("bob", "posts:read")
    links = [a["href"] for a in page.soup.select("nav a")]
    assert links == ["/calendar", "/posts", "/accounts", "/", "/notifications", "/profile"]
    refused = await stranger.get("/queues", 403)
    assert "needs the scope 'jobs:read'" in refused.text


async def test_every_page_has_a_strict_policy(admin: Person) -> None:
    page = await admin.get("/")
    assert page.reply.headers["content-security-policy"] == CSP
    assert "unsafe" not in CSP
    assert page.soup.select("script:not([src]), style, [style], [onclick]") == []
    assert page.reply.headers["cache-control"] == "no-store"


async def test_static_files_are_kept_for_ever_under_their_content(admin: Person) -> None:
    url = assets.url("app.css")
    reply = await admin.http.get(url)
    assert reply.headers["content-type"].startswith("text/css")
    assert reply.headers["content-encoding"] == "gzip"
    assert "immutable" in reply.headers["cache-control"]
    assert reply.content == assets.assets()["app.css"].content
    for path in ("/static/../view.py", "/static/%2e%2e/view.py", "/static/none.css"):
        assert (await admin.http.get(path)).status_code == 404


async def test_errors_are_pages_for_people_and_problems_for_programs(admin: Person) -> None:
    page = await admin.get("/nothing/here", 404)
    assert page.title == "Not Found"
    reply = await admin.http.get("/nothing/here", headers={"Accept": "*/*"})
    assert reply.headers["content-type"] == "application/problem+json"
    reply = await admin.http.get("/v1/nothing", headers=HTML)
    assert reply.headers["content-type"] == "application/problem+json"


async def test_a_part_of_a_page_leads_to_the_login_when_the_session_is_over(
    stranger: Person,
) -> None:
    reply = await stranger.http.get("/profile", headers={**HTML, "HX-Request": "true"})
    assert (reply.status_code, reply.headers["hx-redirect"]) == (401, "/login?next=/profile")


async def test_failed_and_late_come_first(admin: Person) -> None:
    """What needs a person is counted on every page, and leads there."""
    account = await admin.api.connect()
    post = await admin.api.schedule([account], publish_at=in_seconds(3600))
    late = await admin.api.schedule([account], "Late", publish_at=in_seconds(3600))
    await admin.api.sql("UPDATE deliveries SET state = 'failed' WHERE post_id = :id", id=post["id"])
    await admin.api.sql(
        "UPDATE deliveries SET next_run_at = now() - interval '5 min' WHERE post_id = :id",
        id=late["id"],
    )
    summary.forget()
    page = await admin.get("/profile")
    numbers = [a.get_text(" ", strip=True) for a in page.soup.select(".numbers a")]
    assert numbers[:2] == ["1 failed post", "1 late post"]
    assert len(page.soup.select(".numbers a.bad")) == 2


async def test_theme_and_zone_are_kept_by_the_browser(admin: Person) -> None:
    page = await admin.send(await admin.get("/"), "/preferences", theme="dark")
    assert page.soup.html is not None
    assert page.soup.html["data-theme"] == "dark"
    page = await admin.send(page, "/preferences", zone="Asia/Kathmandu")
    assert "Asia/Kathmandu" in page.soup.select_one("footer").get_text()  # type: ignore[union-attr] # it is there
    page = await admin.send(page, "/preferences", zone="Mars/Olympus")
    assert "is not an IANA time zone" in page.note
