"""Queue slots in a browser: the week of an account, and posts that are added to its queue."""

from datetime import datetime
from typing import Any

import pytest

from tests.dashboard.person import Person
from tests.dashboard.planning import HOSTILE, own_key

pytestmark = pytest.mark.asyncio


async def plan_of(admin: Person, account: str) -> Any:
    """Return the stored week of an account."""
    return (await admin.api.get(f"/v1/accounts/{account}/slots")).json()


async def test_a_week_is_written_and_shown(admin: Person) -> None:
    """One field a day; the page shows the next free times, and the account's page leads to it."""
    account = await admin.api.connect()
    page = await admin.get(f"/accounts/{account}")
    path = page.links()["Queue slots"]
    page = await admin.get(path)
    assert "This account has no slots yet" in page.text
    page = await admin.send(page, path, mon="9:00, 17:30", fri="12:00", zone="Europe/Paris")
    assert page.note == "The week has 3 slots now"
    assert page.fields(path)["mon"] == "09:00, 17:30"
    assert len(page.main.select(".free li")) == 10
    assert await plan_of(admin, account) == {
        "account_id": account,
        "zone": "Europe/Paris",
        "slots": [
            {"weekday": "mon", "at": "09:00"},
            {"weekday": "mon", "at": "17:30"},
            {"weekday": "fri", "at": "12:00"},
        ],
    }
    page = await admin.send(page, path, mon="", fri="")
    assert page.note == "The account has no slots any more"


@pytest.mark.parametrize("text", ["25:00", "soon", *HOSTILE])
async def test_what_is_no_time_is_said_and_kept(admin: Person, text: str) -> None:
    account = await admin.api.connect()
    path = f"/accounts/{account}/slots"
    page = await admin.send(await admin.get(path), path, 422, tue=text[:400], zone="UTC")
    assert "Write times of the day as 09:00 or 17:30" in page.text
    assert page.fields(path)["tue"] == text[:400].strip()
    assert page.main.select("script, img") == []
    assert (await plan_of(admin, account))["zone"] is None


async def test_an_unknown_zone(admin: Person) -> None:
    account = await admin.api.connect()
    path = f"/accounts/{account}/slots"
    page = await admin.send(await admin.get(path), path, 422, mon="09:00", zone="Mars/Olympus")
    assert "Zone 'Mars/Olympus' is unknown" in page.text
    assert page.fields(path)["mon"] == "09:00"


async def test_who_may_only_read(admin: Person) -> None:
    """The week is shown without a button, and a form that is sent all the same is refused."""
    await admin.log_in("bob", "posts:read")
    account = await admin.api.connect(key=await own_key(admin))
    path = f"/accounts/{account}/slots"
    page = await admin.get(path)
    assert page.main.select("button") == []
    token = page.fields(path)["csrf"]
    assert (await admin.post(path, csrf=token, mon="09:00", zone="UTC")).status_code == 403
    other = await admin.api.connect()
    await admin.get(f"/accounts/{other}/slots", 404)


async def test_a_post_is_added_to_the_queue(admin: Person) -> None:
    """From the page of the slots through the composer, without a script."""
    account = await admin.api.connect()
    path = f"/accounts/{account}/slots"
    page = await admin.send(await admin.get(path), path, mon="09:00", zone="UTC")
    page = await admin.get(page.links()["Write a post for the queue"])
    fields = page.fields("/posts/new")
    assert (fields["when"], fields["accounts"]) == ("queue", account)
    page = await admin.send(page, "/posts/new", text="Queued", do="schedule")
    assert page.note.startswith("Scheduled for")
    (post,) = (await admin.api.get("/v1/posts")).json()["items"]
    at = datetime.fromisoformat(post["publish_at"])
    assert (at.weekday(), f"{at:%H:%M}", post["state"]) == (0, "09:00", "scheduled")
    edit = f"/posts/{post['id']}/edit"
    page = await admin.send(await admin.get(edit), edit, when="queue", do="save")
    assert page.note == "The changes are saved"
    moved = await admin.api.read_post(post["id"])
    assert (datetime.fromisoformat(moved["publish_at"]) - at).days == 7


async def test_without_slots_the_composer_says_what_to_do(admin: Person) -> None:
    account = await admin.api.connect()
    page = await admin.get(f"/posts/new?account={account}&queue=yes")
    page = await admin.send(page, "/posts/new", 422, text="Queued", do="schedule")
    assert "has no free slot: give it times of the week" in page.text
    assert page.fields("/posts/new")["when"] == "queue"
    assert await admin.api.count("posts") == 0
