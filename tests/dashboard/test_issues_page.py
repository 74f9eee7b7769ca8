"""Issues in a browser: written, looked at, approved, scheduled, sent, and what became of it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from tests.dashboard.newsletters import publisher_of, without_elements
from tests.dashboard.person import HTML, Person
from tests.dashboard.planning import HOSTILE
from tests.newsletters.publisher import Publisher
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def publisher(admin: Person) -> AsyncIterator[Publisher]:
    """Makes newsletters and sends them to a mail server."""
    async with SmtpServer() as server:
        yield Publisher.mailing(admin.api, server)


async def draft(admin: Person, **values: Any) -> tuple[Any, str]:
    """Write a draft for two readers; return it and its page's path."""
    publisher = publisher_of(admin)
    newsletter = await publisher.newsletter(**values)
    await publisher.readers(newsletter, 2)
    issue = await publisher.issue(newsletter)
    return issue, f"/issues/{issue['id']}"


async def test_write_and_look(admin: Person) -> None:
    """The mail is shown as it will be; the frame runs nothing and reaches nothing of ours."""
    newsletter = await publisher_of(admin).newsletter()
    path = f"/newsletters/{newsletter['id']}/issues/new"
    content = f"# Hello %name%\n\n{HOSTILE[0]}\n\n[x](javascript:alert(1))"
    page = await admin.send(
        await admin.get(path), path, subject=HOSTILE[1], preheader="p", content=content
    )
    assert page.note == "The draft is kept; this is how it will look"
    kept = page.fields(page.path)
    assert (kept["subject"], kept["content"]) == (HOSTILE[1], content)
    assert without_elements(page)
    (frame,) = page.main.select("iframe")
    assert frame["sandbox"] == []
    reply = await admin.http.get(str(frame["src"]))
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy
    assert "<script>alert" not in reply.text
    assert 'href="javascript' not in reply.text
    assert "Hello Ada" in reply.text
    page = await admin.send(page, page.path, subject="", content="")
    assert "It cannot be sent yet: subject is missing." in page.text
    page = await admin.send(page, page.path, 422, subject="x" * 201)
    assert "at most 200 characters" in page.text
    assert await admin.api.sql("SELECT 1 FROM issues WHERE subject <> ''") == []


async def test_send_says_to_how_many(admin: Person) -> None:
    """Nothing is sent before the page that says to how many was read."""
    issue, path = await draft(admin)
    page = await admin.get(path)
    token = page.fields("/logout")["csrf"]
    reply = await admin.post(f"{path}/send", csrf=token)
    assert "Read what follows first" in reply.text
    assert await admin.api.sql("SELECT 1 FROM issues WHERE state = 'sending'") == []
    page = await admin.get(page.links()["Send now…"])
    assert page.title == "Send it to 2 readers now?"
    assert "It is the first issue of this newsletter." in page.text
    page = await admin.send(page, f"{path}/send")
    assert page.note == "It is on its way"
    page = await admin.send(page, f"{path}/pause")
    assert page.note == "It pauses; what is out stays out"
    page = await admin.send(page, f"{path}/resume")
    page = await admin.get(page.links()["Cancel…"])
    page = await admin.send(page, f"{path}/cancel")
    assert page.note == "It is cancelled; nobody else gets it"
    assert (await publisher_of(admin).read(issue))["state"] == "cancelled"


async def test_what_differs_from_the_last(admin: Person, publisher: Publisher) -> None:
    """A second issue with the same subject, to fewer readers, is told of."""
    first, _ = await publisher.sending(3)
    await publisher.run()
    await admin.api.sql("UPDATE subscribers SET state = 'blocked' WHERE name LIKE '%reader0'")
    second = await publisher.issue({"id": first["newsletter_id"]})
    page = await admin.get(f"/issues/{second['id']}/confirm/send")
    assert page.title == "Send it to 2 readers now?"
    assert "It goes to 1 fewer than issue 1." in page.text
    assert "Its subject is the same as that of issue 1." in page.text


async def test_approval_and_schedule(admin: Person) -> None:
    """No way to send before an approval; a time is on the person's clock."""
    issue, path = await draft(admin, needs_approval=True)
    page = await admin.get(path)
    assert "It needs an approval before it is sent." in page.text
    assert "Send now…" not in page.links()
    assert f"{path}/schedule" not in page.forms()
    page = await admin.send(page, f"{path}/approve")
    assert page.note == "Approved: it may be sent from here on"
    page = await admin.send(page, f"{path}/schedule", at="2020-01-01T09:00")
    assert "Nothing was done: time 2020-01-01 09:00:00 UTC has passed" in page.note
    page = await admin.send(page, f"{path}/schedule", at="2030-01-01T09:00", zone="Europe/Paris")
    assert page.note == "It will be sent on Tue 1 Jan 2030, 09:00"
    found = await publisher_of(admin).read(issue)
    assert (found["state"], found["scheduled_at"]) == ("scheduled", "2030-01-01T08:00:00Z")
    page = await admin.get(f"{path}/edit")
    page = await admin.send(page, f"{path}/edit", subject="Other")
    assert page.note == "Kept. It needs an approval again"


async def test_a_test_mail(admin: Person) -> None:
    _, path = await draft(admin)
    page = await admin.send(await admin.get(path), f"{path}/test", address="nobody")
    assert page.note.startswith("Nothing was done: address")
    assert await admin.api.count("emails") == 0
    page = await admin.send(page, f"{path}/test", address="me@example.com")
    assert page.note == "The test mail is on its way; nothing of it is counted"
    (mail,) = await admin.api.sql("SELECT address, subject FROM emails")
    assert (mail.address, mail.subject) == ("me@example.com", "[Test] Spring, Ada")


async def test_report_and_mails(admin: Person, publisher: Publisher) -> None:
    """What became of every mail, clicks by link; unconfirmed ones go again only knowingly."""
    issue, addresses = await publisher.sending(3, count_clicks=True)
    await publisher.run()
    issue_id = UUID(issue["id"])
    await admin.api.sql(
        "UPDATE issue_deliveries SET state = 'unconfirmed' WHERE address = :a", a=addresses[0]
    )
    await admin.api.sql(
        "INSERT INTO issue_clicks (delivery_id, issue_id, number, clicks, clicked_at)"
        " SELECT id, issue_id, 1, 4, now() FROM issue_deliveries WHERE address = :a",
        a=addresses[1],
    )
    path = f"/issues/{issue['id']}"
    page = await admin.get(path)
    assert "3 of 3 mails are over" in page.text
    assert "1 mails were on their way" in page.text or "may have arrived" in page.text
    assert "4 clicks, 1 reader" in page.text
    assert page.links()["https://example.com/a?b=1&c=2"] == "https://example.com/a?b=1&c=2"
    page = await admin.get(f"{path}/mails?state=unconfirmed")
    assert [row[:2] for row in page.rows()] == [[addresses[0], "unconfirmed"]]
    page = await admin.get(f"{path}/mails?limit=2")
    assert len(page.rows()) == 2
    assert "Older" in page.links()
    page = await admin.get(f"{path}/confirm/again")
    assert "Who has one already gets it a second time." in page.text
    page = await admin.send(page, f"{path}/again", confirmed=None)
    assert page.note == "Read what follows first"
    page = await admin.send(page, f"{path}/again")
    assert page.note == "The unconfirmed mails are on their way again"
    (row,) = await admin.api.sql(
        "SELECT state FROM issue_deliveries WHERE issue_id = :id AND address = :a",
        id=issue_id,
        a=addresses[0],
    )
    assert row.state == "waiting"
    page = await admin.get(f"{path}/edit")
    assert page.note == "The issue is sending: it can be changed no more"


async def test_the_live_part(admin: Person) -> None:
    """Only what changes is asked for again; the editor and the frame are not."""
    _, path = await draft(admin)
    reply = await admin.http.get(path, headers={**HTML, "HX-Request": "true"})
    assert "<iframe" not in reply.text
    assert "Send now" in reply.text


async def test_others_and_readers(admin: Person) -> None:
    """V081: somebody else's is not there; who may only read sees no button."""
    _, path = await draft(admin)
    await admin.log_in("bob", "content:read")
    for each in ("", "/mail", "/mails"):
        await admin.get(path + each, 404)
    await admin.api.sql("UPDATE issues SET owner_id = (SELECT id FROM users WHERE name='bob')")
    await admin.api.sql("UPDATE newsletters SET owner_id = (SELECT id FROM users WHERE name='bob')")
    page = await admin.get(path)
    assert page.main.select("button") == []
    reply = await admin.post(f"{path}/approve", csrf=page.fields("/logout")["csrf"])
    assert reply.status_code == 403
    assert [row.state for row in await admin.api.sql("SELECT state FROM issues")] == ["draft"]
