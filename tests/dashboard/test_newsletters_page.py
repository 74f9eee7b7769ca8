"""Newsletters in a browser: made, changed, paused, ended; an issue that a job writes."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.dashboard.newsletters import publisher_of, without_elements
from tests.dashboard.person import Person
from tests.dashboard.planning import HOSTILE
from tests.newsletters.publisher import Publisher
from tests.servers.model import KEY, ModelServer
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.asyncio
NEW = "/newsletters/new"


@pytest_asyncio.fixture
async def publisher(admin: Person) -> AsyncIterator[Publisher]:
    """Makes newsletters and sends them to a mail server."""
    async with SmtpServer() as server:
        yield Publisher.mailing(admin.api, server)


async def test_make_and_change(admin: Person) -> None:
    """Every field of the form arrives, and is there when the form is opened again."""
    page = await admin.get("/newsletters")
    assert "There is no newsletter yet. Make one" in page.text
    page = await admin.send(
        await admin.get(page.links()["New newsletter"]),
        NEW,
        name="Garden News",
        topic="Gardens",
        frequency="weekly",
        send_time="07:30",
        zone="Europe/Paris",
        public="yes",
        needs_approval="yes",
        count_clicks="yes",
        sources="https://example.com/feed.xml\n\nhttps://example.com/b",
        tags="paying\nfriends",
        reply_to="answers@example.org",
    )
    assert page.title == "Garden News active"
    assert page.note == "The newsletter is made; add readers to it"
    (made,) = (await admin.api.get("/v1/newsletters")).json()["items"]
    assert made["sources"] == ["https://example.com/feed.xml", "https://example.com/b"]
    assert (made["tags"], made["zone"], made["send_time"]) == (
        ["paying", "friends"],
        "Europe/Paris",
        "07:30",
    )
    assert (made["public"], made["needs_approval"], made["count_opens"]) == (True, True, False)
    assert made["subscribe_url"] in page.text
    path = f"/newsletters/{made['id']}/edit"
    page = await admin.get(path)
    fields = page.fields(path)
    assert (fields["tags"], fields["count_clicks"]) == ("paying\nfriends", "yes")
    page = await admin.send(page, path, public=None, tags="", name="Allotment")
    assert page.note == "Changed"
    (changed,) = (await admin.api.get("/v1/newsletters")).json()["items"]
    assert (changed["name"], changed["tags"], changed["public"]) == ("Allotment", [], False)
    assert changed["sources"] == made["sources"], "what was left as it was stays"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"topic": "x"}, "Is needed"),
        ({"zone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"reply_to": "nobody"}, "address"),
        ({"sources": "https://example.com/a\nftp://b"}, "Line 2:"),
        ({"slug": "Not Good"}, "control characters"),
    ],
)
async def test_what_is_wrong_is_said(admin: Person, fields: dict[str, str], message: str) -> None:
    """At its field, with everything that was typed still there, and nothing made."""
    given = {"name": HOSTILE[0], "topic": "Gardens", **fields}
    page = await admin.send(await admin.get(NEW), NEW, 422, **given)
    (problem,) = page.main.select(".field .problem")
    assert message in problem.get_text()
    assert {name: page.fields(NEW)[name] for name in given} == given
    assert await admin.api.count("newsletters") == 0


async def test_pause_resume_end(admin: Person) -> None:
    """An end is confirmed first."""
    made = await publisher_of(admin).newsletter(frequency="daily")
    path = f"/newsletters/{made['id']}"
    page = await admin.send(await admin.get(path), f"{path}/pause")
    assert page.note == "It does not come by itself until you resume it"
    page = await admin.send(page, f"{path}/resume")
    page = await admin.get(page.links()["End…"])
    page = await admin.send(page, f"{path}/cancel", confirmed=None)
    assert page.note == "Read what follows first"
    page = await admin.send(page, f"{path}/cancel")
    assert page.note == "It has ended; its issues and readers stay"
    assert page.links().keys().isdisjoint({"Write an issue", "End…", "Edit"})
    reply = await admin.post(f"{path}/explode", csrf=page.fields("/logout")["csrf"])
    assert "There is no such action" in reply.text


async def test_the_list_and_what_waits(admin: Person) -> None:
    """The last issue with its figures; drafts before what was sent; hostile words are words."""
    publisher = publisher_of(admin)
    made = await publisher.newsletter(name=HOSTILE[0], topic=HOSTILE[2][:90])
    await publisher.readers(made, 3)
    sent = await publisher.issue(made, subject=HOSTILE[1])
    await admin.api.sql(
        "WITH done AS (UPDATE issues SET state = 'sent', started_at = now(), sent_at = now()"
        " RETURNING id) INSERT INTO issue_deliveries (id, issue_id, address, key, state,"
        " next_run_at, sent_at) SELECT gen_random_uuid(), id, n || '@x.org', n || '@x.org',"
        " CASE n WHEN 1 THEN 'refused' ELSE 'sent' END, now(), now()"
        " FROM done, generate_series(1, 3) n"
    )
    await publisher.issue(made, subject="A draft")
    page = await admin.get("/newsletters")
    (row,) = page.rows()
    assert row[0].startswith(HOSTILE[0])
    assert "2 of 3 sent, 1 refused" in row[4]
    assert row[5] == "3"
    assert without_elements(page)
    page = await admin.get(f"/newsletters/{made['id']}")
    tables = [table["aria-label"] for table in page.main.select("table")]
    assert tables == ["Waiting for somebody", "Issues"]
    assert page.rows()[0][0] == "A draft #2"
    assert f"/issues/{sent['id']}" in page.links().values()
    assert without_elements(page)


async def test_an_issue_that_a_job_writes(admin: Person, publisher: Publisher) -> None:
    """The page tells how far the job is; nothing is stored until one says so."""
    made = await publisher.newsletter()
    path = f"/newsletters/{made['id']}/write"
    page = await admin.get(path)
    assert "there is nothing to write from" in page.text
    page = await admin.send(page, path, 422, topic="x")
    assert "Must have 3 to 500 characters" in page.text
    page = await admin.send(page, path, topic="Roses")
    assert page.title.startswith("A job writes it")
    written = page.path
    page = await admin.send(await admin.get(path), path, topic="Roses")
    page_of = await admin.post(written, csrf=page.fields("/logout")["csrf"])
    assert "There is no text yet" in page_of.text
    await publisher.run()
    page = await admin.get(written)
    assert page.title.startswith("The text could not be written")
    assert await admin.api.count("issues") == 0
    await admin.get(f"{path}/nothing", 404)


async def test_a_draft_is_made_of_what_was_written(admin: Person, publisher: Publisher) -> None:
    """The text is shown first; a draft of it opens in the editor, and nothing is sent."""
    made = await publisher.newsletter()
    path = f"/newsletters/{made['id']}/write"
    with ModelServer() as model:
        publisher.settle(model_key=SecretStr(KEY), model_url=model.base)
        page = await admin.send(await admin.get(path), path, topic="Roses", style="friendly")
        await publisher.run()
    written = page.path
    page = await admin.get(written)
    assert page.title == "The sun at work"
    assert "Written by the model gpt-4o-mini." in page.text
    assert await admin.api.count("issues") == 0
    page = await admin.send(page, written)
    assert page.note == "It is a draft now: read it before you send it"
    assert page.fields(page.path)["content"] == "Panels **pay off**."
    assert [row.state for row in await admin.api.sql("SELECT state FROM issues")] == ["draft"]


async def test_others_and_readers(admin: Person) -> None:
    """V081: somebody else's is not there; who may only read sees no button and changes nothing."""
    made = await publisher_of(admin).newsletter()
    path = f"/newsletters/{made['id']}"
    await admin.log_in("bob", "content:read")
    await admin.get(path, 404)
    assert (await admin.get("/newsletters")).rows() == []
    await admin.api.sql("UPDATE newsletters SET owner_id = (SELECT id FROM users WHERE name='bob')")
    page = await admin.get(path)
    assert page.main.select("button") == []
    assert page.links().keys().isdisjoint({"Write an issue", "Edit", "End…"})
    reply = await admin.post(f"{path}/pause", csrf=page.fields("/logout")["csrf"])
    assert reply.status_code == 403
    assert (await admin.api.get(f"/v1{path}")).json()["status"] == "active"
