"""The page of notifications: what is new first, where it leads, read and resolved."""

from uuid import UUID

import pytest

from service.kit.ids import uuid7
from service.notifications.actions import Incident, job_failed, report
from tests.dashboard.person import Page, Person

pytestmark = pytest.mark.asyncio
HOSTILE = "<script>alert(1)</script>{{7*7}}"
WEBHOOK = "01a2001a-14f2-79d5-94f0-3314a2521ee8"


async def tell(person: Person, *incidents: Incident) -> None:
    """Report incidents."""
    async with person.api.runtime.unit_of_work() as uow:
        for incident in incidents:
            await report(uow, incident, mail=False)


async def user_id(person: Person, name: str) -> UUID:
    """Return a user's id."""
    (row,) = await person.api.sql("SELECT id FROM users WHERE name = :name", name=name)
    found: UUID = row.id
    return found


FAILED = job_failed("job-7", "posts.publish", "httpx.ReadTimeout", "no answer")
DISABLED = Incident("webhook.disabled", f"webhook.disabled:{WEBHOOK}", "Webhook is disabled", "410")
ALERT = Incident("alert.opened", f"alert:{uuid7()}", "A queue is long: emails", "2000 jobs wait")


def titles(page: Page) -> list[str]:
    """Return the titles of the notifications on a page."""
    return [each.get_text(strip=True) for each in page.main.select(".notice h2")]


async def test_what_is_new_comes_first_and_leads_to_what_it_is_about(admin: Person) -> None:
    assert "Nothing new." in (await admin.get("/notifications")).text
    await tell(admin, FAILED, FAILED, DISABLED, ALERT)
    page = await admin.get("/notifications")
    assert titles(page) == [
        "A queue is long: emails",
        "Webhook is disabled",
        "posts.publish failed: ReadTimeout",
    ]
    assert "2 times, the last" in page.text
    links = page.links()
    assert links["The last job"] == "/jobs/job-7"
    assert links["All failed runs of posts.publish"] == (
        "/jobs?q=name%3Aposts.publish+state%3Afailed"
    )
    assert links["The webhook"] == f"/webhooks/{WEBHOOK}"
    assert links["Alerts"] == "/alerts"


async def test_one_is_read_then_all(admin: Person) -> None:
    await tell(admin, FAILED, DISABLED, ALERT)
    page = await admin.get("/notifications")
    first = next(path for path in page.forms() if path.endswith("/read") and len(path) > 30)
    page = await admin.send(page, first)
    assert page.note == "Read: A queue is long: emails"
    assert titles(page) == ["Webhook is disabled", "posts.publish failed: ReadTimeout"]
    page = await admin.send(page, "/notifications/read")
    assert (page.note, titles(page)) == ("2 notifications are read now", [])
    page = await admin.get("/notifications?show=all")
    assert len(titles(page)) == 3
    assert not [path for path in page.forms() if path.endswith("/read")]


async def test_resolving_ends_an_incident(admin: Person) -> None:
    """What happens again is a new one; alerts end by themselves; it is written down."""
    await tell(admin, FAILED, ALERT)
    page = await admin.get("/notifications")
    (action,) = [path for path in page.forms() if path.endswith("/resolve")]
    page = await admin.send(page, action)
    assert page.note == "Resolved: posts.publish failed: ReadTimeout"
    assert titles(page) == ["A queue is long: emails"]
    await tell(admin, FAILED)
    assert len(titles(await admin.get("/notifications"))) == 2
    rows = await admin.api.sql("SELECT actor FROM audit_log WHERE action LIKE 'notifications.%'")
    assert [row.actor for row in rows] == ["ann"]


async def test_others_notifications_do_not_exist(stranger: Person) -> None:
    """One sees one's own and everybody's; without jobs:operate nothing is resolved."""
    await stranger.log_in("bob", "jobs:read")
    mine, theirs = await user_id(stranger, "bob"), await user_id(stranger, "admin")
    await tell(
        stranger,
        Incident("webhook.disabled", "webhook.disabled:1", "mine", "text", mine),
        Incident("webhook.disabled", "webhook.disabled:2", "theirs", "text", theirs),
        FAILED,
    )
    page = await stranger.get("/notifications")
    assert titles(page) == ["posts.publish failed: ReadTimeout", "mine"]
    assert not [path for path in page.forms() if path.endswith("/resolve")]
    csrf = page.fields("/logout")["csrf"]
    rows = await stranger.api.sql("SELECT id, title FROM notices")
    ids = {row.title: row.id for row in rows}
    reply = await stranger.post(f"/notifications/{ids['theirs']}/read", csrf=csrf)
    assert "There is no such notification" in reply.text
    reply = await stranger.post(f"/notifications/{ids['mine']}/resolve", csrf=csrf)
    assert reply.status_code == 403
    rows = await stranger.api.sql("SELECT title FROM notices WHERE NOT open OR read_at IS NOT NULL")
    assert list(rows) == []
    page = await stranger.send(page, "/notifications/read")
    assert page.note == "2 notifications are read now"


async def test_who_may_not_see_jobs_sees_only_what_they_were_told(stranger: Person) -> None:
    await stranger.log_in("bob", "posts:read")
    await tell(stranger, FAILED)
    page = await stranger.get("/notifications")
    assert page.path == "/notifications/mine"
    assert "Incidents" not in page.links()
    assert titles(page) == []


async def test_hostile_texts_are_text(admin: Person) -> None:
    await tell(admin, job_failed(HOSTILE, HOSTILE, HOSTILE, HOSTILE + "x" * 10_000))
    page = await admin.get("/notifications")
    assert page.soup.select("script:not([src])") == []
    assert titles(page)[0].startswith("<script>alert(1)</script>{{7*7}}")
    assert all(str(a["href"]).startswith("/") for a in page.main.select("a"))


async def test_more_than_a_page_and_the_live_part(admin: Person) -> None:
    await tell(
        admin, *[Incident("job.failed", f"key {n}", f"title {n}", "text") for n in range(51)]
    )
    page = await admin.get("/notifications")
    assert len(titles(page)) == 50
    assert titles(await admin.get(page.links()["Older"])) == ["title 0"]
    part = await admin.http.get("/notifications", headers={"HX-Request": "true"})
    assert "title 50" in part.text
    assert "<html" not in part.text
