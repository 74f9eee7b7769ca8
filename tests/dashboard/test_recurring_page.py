"""Recurring posts in a browser: a post begins to come again, is paused, resumed and ended."""

from typing import Any

import pytest

from tests.dashboard.person import Person
from tests.dashboard.planning import HOSTILE, ahead, plan

pytestmark = pytest.mark.asyncio


async def recurring(admin: Person, post: str) -> Any:
    """Let a post come again each day; return it."""
    reply = await admin.api.post(f"/v1/posts/{post}/repeat", {"every": {"days": 1}})
    assert reply.status_code == 201, reply.text
    return reply.json()


async def test_a_post_begins_to_come_again(admin: Person) -> None:
    """The form knows the post's own time; the page that follows shows the next post."""
    account = await admin.api.connect()
    post = await plan(admin, "Every month", ahead(2, 9, 30), account)
    page = await admin.get(f"/posts/{post}")
    path = page.links()["Repeat…"]
    page = await admin.get(path)
    assert page.fields(path)["at"] == "09:30"
    page = await admin.send(page, path, unit="months", count="2", times="6")
    assert page.note == "It comes again; the next post is scheduled"
    assert "every 2 months" in page.text
    assert "after 6 posts" in page.text
    (item,) = (await admin.api.get("/v1/recurring")).json()["items"]
    assert (item["times"], item["made"], item["every"]["unit"]) == (6, 1, "months")
    page = await admin.get(f"/posts/{item['coming']['post_id']}")
    assert page.links()["Its repetition"] == f"/recurring/{item['id']}"


async def test_a_cron_line(admin: Person) -> None:
    account = await admin.api.connect()
    path = f"/posts/{await plan(admin, 'Mornings', ahead(1), account)}/repeat"
    page = await admin.send(
        await admin.get(path), path, how="cron", cron="0 9 * * mon-fri", zone="Asia/Riyadh"
    )
    assert "0 9 * * mon-fri Asia/Riyadh" in page.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"how": "cron", "cron": "nonsense"}, "Cron line 'nonsense' is not five fields"),
        ({"how": "cron", "cron": HOSTILE[0]}, f"Cron line '{HOSTILE[0]}'"),
        ({"count": "often"}, "Write a number"),
        ({"count": "0"}, "greater than or equal to 1"),
        ({"count": ""}, "name one of days, weeks, months"),
        ({"until": "2020-01-01"}, "Has passed"),
        ({"zone": "Mars/Olympus"}, "Zone 'Mars/Olympus' is unknown"),
        ({"unit": "years"}, "Extra inputs are not permitted"),
    ],
)
async def test_what_cannot_come_again_is_said(
    admin: Person, fields: dict[str, str], message: str
) -> None:
    """With everything that was typed still there, and nothing made."""
    account = await admin.api.connect()
    path = f"/posts/{await plan(admin, 'Never', ahead(1), account)}/repeat"
    page = await admin.send(await admin.get(path), path, 422, **fields)
    assert message in page.text
    kept = {name: page.fields(path).get(name) for name in fields if name != "unit"}
    assert kept == {name: value for name, value in fields.items() if name != "unit"}
    assert page.main.select("script, img") == []
    assert await admin.api.count("recurrences") == 0


async def test_pause_resume_and_end(admin: Person) -> None:
    """An end is confirmed first; what was coming is cancelled each time."""
    account = await admin.api.connect()
    made = await recurring(admin, await plan(admin, "Daily", ahead(1), account))
    path = f"/recurring/{made['id']}"
    page = await admin.send(await admin.get(path), f"{path}/pause")
    assert page.note.startswith("It does not come until you resume it")
    assert "nothing is coming" in page.text
    page = await admin.send(page, f"{path}/resume")
    assert page.note == "It comes again; the next post is scheduled"
    page = await admin.get(page.links()["End…"])
    assert page.title == "End this recurring post?"
    page = await admin.send(page, f"{path}/stop", confirmed=None)
    assert page.note == "Read what follows first"
    page = await admin.send(page, f"{path}/stop")
    assert page.note == "It has ended; the coming post is cancelled"
    assert page.links().keys().isdisjoint({"End…", "Resume"})
    states = await admin.api.sql("SELECT state FROM deliveries ORDER BY id")
    assert [row.state for row in states] == ["scheduled", "cancelled", "cancelled"]


async def test_the_list(admin: Person) -> None:
    """Hostile words are words; an empty list says what to do."""
    page = await admin.get("/recurring")
    assert "No post comes again yet. Open a post and choose Repeat." in page.text
    account = await admin.api.connect(credentials={"handle": "news", "display_name": HOSTILE[0]})
    for text in HOSTILE:
        await recurring(admin, await plan(admin, text, ahead(1), account))
    page = await admin.get("/recurring")
    assert len(page.rows()) == len(HOSTILE)
    assert HOSTILE[0] in page.text
    assert page.main.select("script, img") == []
    (item, *_) = (await admin.api.get("/v1/recurring")).json()["items"]
    page = await admin.get(f"/recurring/{item['id']}")
    assert page.main.select("script, img") == []
    page = await admin.get("/recurring?limit=2")
    assert len(page.rows()) == 2
    assert "Older" in page.links()


async def test_others_and_readers(admin: Person) -> None:
    """Somebody else's is not there; who may only read sees no button."""
    account = await admin.api.connect()
    made = await recurring(admin, await plan(admin, "Hers", ahead(1), account))
    await admin.log_in("bob", "posts:read")
    await admin.get(f"/recurring/{made['id']}", 404)
    assert (await admin.get("/recurring")).rows() == []
    await admin.api.sql("UPDATE recurrences SET owner_id = (SELECT id FROM users WHERE name='bob')")
    page = await admin.get(f"/recurring/{made['id']}")
    assert page.main.select("button") == []
