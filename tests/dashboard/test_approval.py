"""Approval through pages: an author submits, an admin approves or sends back, nobody else may."""

from typing import Any

import pytest
import pytest_asyncio

from service.config import Settings
from service.posts import sweeping
from tests.access.helpers import PASSWORD, actions_noted, new_user
from tests.dashboard.person import Page, Person
from tests.support import in_seconds

pytestmark = pytest.mark.asyncio
WRITER = ("posts:read", "posts:write", "jobs:read")


@pytest_asyncio.fixture
async def settings(settings: Settings) -> Settings:
    """Settings under which posts need an approval."""
    return settings.model_copy(update={"approval": True})


@pytest_asyncio.fixture
async def author(stranger: Person) -> Person:
    """Ann, who writes; she is logged in and has an account."""
    await new_user(stranger.api, "root", "admin")
    await stranger.log_in("ann", *WRITER)
    key = await stranger.api.new_key("settings:write", user="ann")
    await stranger.api.connect(key=key)
    return stranger


async def log_in(person: Person, name: str) -> None:
    """Let somebody else sit down at the browser."""
    page = await person.send(await person.get("/profile"), "/logout")
    await person.send(page, "/login", name=name, password=PASSWORD)


async def account_of(person: Person) -> str:
    (row,) = await person.api.sql("SELECT id FROM accounts")
    return str(row.id)


async def write(person: Person, do: str = "submit", **fields: Any) -> Page:
    page = await person.get("/posts/new")
    fields = {"text": "Please read", "accounts": await account_of(person), **fields}
    return await person.send(page, "/posts/new", do=do, **fields)


async def states(person: Person) -> list[str]:
    rows = await person.api.sql("SELECT state FROM deliveries ORDER BY id")
    return [row.state for row in rows]


def buttons(page: Page) -> list[str]:
    return [b.get_text() for b in page.main.select("button") if b.get_text() != "Check"]


async def test_an_author_submits_and_an_admin_approves(author: Person) -> None:
    page = await author.get("/posts/new")
    assert [b for b in buttons(page) if b in {"Publish now", "Submit for approval"}] == [
        "Submit for approval"
    ]
    page = await write(author)
    assert page.title == "Draft to approve"
    assert page.note.startswith("Submitted:")
    assert buttons(page) == ["Delete…"], "an author does not approve"
    assert await sweeping.sweep(author.api.runtime) == {"processed": 0, "deferred": 0}
    await log_in(author, "root")
    page = await author.get("/posts?show=to approve")
    page = await author.get(page.links()["Please read"])
    assert buttons(page)[:2] == ["Approve and publish now", "Approve, its author schedules"]
    page = await author.send(page, f"{page.path}/approve")
    assert page.note == "Approved: it is being published now"
    await author.api.work()
    assert await states(author) == ["published"]
    noted = [entry[:2] for entry in await actions_noted(author.api) if "posts." in entry[1]]
    assert noted == [("ann", "posts.create"), ("ann", "posts.submit"), ("root", "posts.approve")]


async def test_forged_buttons_publish_nothing(author: Person) -> None:
    """Whatever an author sends, nothing but a submission comes of it."""
    page = await write(author, do="schedule")
    assert page.note.startswith("Submitted:")
    path = page.path
    token = page.fields("/logout")["csrf"]
    for verb in ("approve", "schedule", "retry", "return"):
        await author.post(f"{path}/{verb}", csrf=token, note="x")
    await author.post("/posts/bulk", csrf=token, do="approve", confirmed="yes", post=path[7:])
    await author.post(f"{path}/edit", csrf=token, do="schedule", text="Now", when="now")
    await sweeping.sweep(author.api.runtime)
    await author.api.work()
    assert set(await states(author)) <= {"draft"}


async def test_what_was_changed_meanwhile_is_not_approved(author: Person) -> None:
    page = await write(author)
    path = page.path
    await log_in(author, "root")
    read = await author.get(path)
    await author.api.sql("UPDATE posts SET text = 'Unread', revision = revision + 1")
    page = await author.send(read, f"{path}/approve")
    assert page.note == "The post was changed since you read it: read it again"
    assert await states(author) == ["draft"]
    chosen = await author.send(read, "/posts/bulk", do="approve", post=f"{path[7:]}:1")
    page = await author.send(chosen, "/posts/bulk", post=f"{path[7:]}:1")
    assert "changed since you read it" in page.note
    assert await states(author) == ["draft"]


async def test_sent_back_with_a_reason_that_the_author_reads(author: Person) -> None:
    """It is text wherever it is shown, and gone when the post is submitted again."""
    page = await write(author)
    path = page.path
    await log_in(author, "root")
    page = await author.send(await author.get(path), f"{path}/return", 422, note=" ")
    assert "Say what is to be changed" in page.text
    page = await author.send(page, f"{path}/return", note="<b>Shorter</b>, please")
    assert page.note == "Sent back to its author, who is told why"
    await log_in(author, "ann")
    assert "Sent back: <b>Shorter</b>, please" in (await author.get(path)).text
    assert "Sent back: <b>Shorter</b>, please" in (await author.get(f"{path}/edit")).text
    (row,) = await author.api.sql("SELECT title, text FROM notices")
    assert (row.title, row.text.startswith("<b>Shorter</b>")) == ("root sent your post back", True)
    page = await author.send(await author.get(f"{path}/edit"), f"{path}/edit", do="submit")
    assert page.title == "Draft to approve"
    assert "Shorter" not in page.text


async def test_an_edit_after_the_approval_asks_again(author: Person) -> None:
    when = {"when": "at", "at": "2031-01-01T10:00", "zone": "UTC"}
    path = (await write(author, **when)).path
    await log_in(author, "root")
    page = await author.send(await author.get(path), f"{path}/approve")
    assert page.note == "Approved and scheduled"
    await log_in(author, "ann")
    page = await author.get(f"{path}/edit")
    assert "When you change it, somebody must approve it again." in page.text
    page = await author.send(page, f"{path}/edit", text="Other words", do="save")
    assert page.title == "Draft to approve"
    assert await states(author) == ["draft"]


async def test_many_are_approved_at_once(author: Person) -> None:
    """Each is what was read; one that does not fit is left, and said why."""
    for text in ("One", "Two"):
        await write(author, text=text, when="at", at="2031-01-01T10:00", zone="UTC")
    await write(author, text="Passed", when="at", at="2031-01-01T10:00", zone="UTC")
    await author.api.sql("UPDATE posts SET publish_at = '2020-01-01' WHERE text = 'Passed'")
    await log_in(author, "root")
    page = await author.get("/posts?show=to approve")
    chosen = [box["value"] for box in page.main.select("[data-select]")]
    page = await author.send(page, "/posts/bulk", post=chosen, do="approve")
    assert page.title == "Approve 3 posts?"
    page = await author.send(page, "/posts/bulk", post=chosen)
    assert page.note.startswith("2 posts approved. Refused: “Passed”: publish_at: 2020-01-01")
    assert await states(author) == ["scheduled", "scheduled", "draft"]


async def test_approved_its_author_schedules(author: Person) -> None:
    path = (await write(author)).path
    await log_in(author, "root")
    page = await author.get(path)
    fields = page.fields(f"{path}/approve")
    await author.post(f"{path}/approve", **fields, later="yes")
    assert await states(author) == ["approved"]
    await log_in(author, "ann")
    page = await author.get(path)
    assert page.title == "Draft approved"
    page = await author.send(page, f"{path}/schedule")
    assert page.note == "It is being published now"
    assert await states(author) == ["scheduled"]


async def test_an_admin_needs_nobody(author: Person) -> None:
    await log_in(author, "root")
    page = await write(author, do="schedule")
    assert page.note == "It is being published now"
    post = (await author.api.get("/v1/posts")).json()["items"][0]
    assert post["state"] == "scheduled"
    assert in_seconds(0) > post["created_at"]
