"""Moving posts in the calendar: by a form and by a script, with the same rules and refusals."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from service.app import create_app
from tests.access.helpers import actions_noted
from tests.dashboard.person import Person
from tests.dashboard.planning import JSON, ahead, day_of, own_key, plan

pytestmark = pytest.mark.asyncio


async def test_a_post_is_moved_by_a_form(admin: Person) -> None:
    """Without scripts: the link of a post leads to a day and a time, then back."""
    account = await admin.api.connect()
    at = ahead(2, 9)
    post = await plan(admin, "Moves", at, account)
    page = await admin.get(day_of(at))
    form = await admin.get(page.links()["Move"])
    assert form.title == "Move a post"
    assert form.fields("/calendar/move")["time"] == "09:00"
    to = ahead(4)
    page = await admin.send(form, "/calendar/move", date=f"{to:%Y-%m-%d}", time="16:30")
    assert page.path == day_of(at), "back to where one was"
    assert page.note == f"Moved to {to:%a %-d %b}, 16:30"
    moved = await admin.api.read_post(post)
    assert moved["publish_at"] == f"{to:%Y-%m-%d}T16:30:00Z"
    assert moved["deliveries"][0]["due_at"] == moved["publish_at"]
    assert ("ann", "posts.change", f"post:{post}") in await actions_noted(admin.api)


async def test_a_script_is_told_what_happened(admin: Person) -> None:
    account = await admin.api.connect()
    post = await plan(admin, "Moves", ahead(2, 9), account)
    page = await admin.get("/calendar")
    sent = {"post": post, "zone": "Europe/Paris", "csrf": page.fields("/logout")["csrf"]}
    to = ahead(3)
    good = {**sent, "date": f"{to:%Y-%m-%d}", "time": "10:00"}
    reply = await admin.http.post("/calendar/move", data=good, headers=JSON)
    assert (reply.status_code, reply.json()) == (
        200,
        {"message": f"Moved to {to:%a %-d %b}, 10:00"},
    )
    moved = await admin.api.read_post(post)
    assert moved["zone"] == "Europe/Paris"
    past = {**sent, "date": "2020-01-01", "time": "10:00"}
    reply = await admin.http.post("/calendar/move", data=past, headers=JSON)
    assert reply.status_code == 422
    assert reply.json()["message"] == "Wed 1 Jan 2020, 10:00 has passed. Choose a later time"
    reply = await admin.http.post("/calendar/move", data={**good, "csrf": "0"}, headers=JSON)
    assert reply.status_code == 403
    assert await admin.api.read_post(post) == moved, "neither refusal changed anything"


async def test_what_is_over_stays_and_says_why(admin: Person) -> None:
    account = await admin.api.connect()
    at = ahead(2, 9)
    post = await plan(admin, "Stays", at, account)
    for state in ("published", "publishing", "unconfirmed", "cancelled"):
        await admin.api.sql("UPDATE deliveries SET state = :state", state=state)
        show = state if state == "cancelled" else ""
        page = await admin.get(f"/calendar?on={at:%Y-%m-%d}&show={show}")
        entry = page.main.select_one(".entry")
        assert entry is not None
        assert not entry.has_attr("draggable")
        assert "Move" not in page.links()
        form = await admin.get(f"/calendar/move?post={post}")
        assert str(entry["data-fixed"]) in form.text
        assert "/calendar/move" not in form.forms()
        before = await admin.api.read_post(post)
        sent = {"post": post, "date": "2030-01-01", "time": "09:00", "zone": "UTC"}
        csrf = page.fields("/logout")["csrf"]
        reply = await admin.http.post("/calendar/move", data={**sent, "csrf": csrf}, headers=JSON)
        assert reply.status_code == 409
        assert state in reply.json()["message"]
        assert await admin.api.read_post(post) == before


async def test_what_was_refused_may_be_moved_to_try_it_again(admin: Person) -> None:
    account = await admin.api.connect()
    post = await plan(admin, "Again", ahead(2, 9), account)
    await admin.api.sql("UPDATE deliveries SET state = 'failed', attempts = 3, error = 'No'")
    form = await admin.get((await admin.get(day_of(ahead(2)))).links()["Move"])
    await admin.send(form, "/calendar/move", date=f"{ahead(4):%Y-%m-%d}", time="16:30")
    delivery = (await admin.api.read_post(post))["deliveries"][0]
    assert (delivery["state"], delivery["attempts"], delivery["error"]) == ("scheduled", 0, None)
    assert delivery["due_at"] == f"{ahead(4):%Y-%m-%d}T16:30:00Z"


async def test_a_time_that_clocks_skip_or_repeat(admin: Person) -> None:
    """A skipped time is refused; of a repeated one the person chooses which."""
    account = await admin.api.connect()
    post = await plan(admin, "At night", ahead(2, 9), account)
    await admin.send(await admin.get("/calendar"), "/preferences", zone="Europe/Paris")
    year = datetime.now(UTC).year + 1
    spring, autumn = _last_sunday(year, 3), _last_sunday(year, 10)
    form = await admin.get(f"/calendar/move?post={post}")
    form = await admin.send(form, "/calendar/move", 422, date=spring, time="02:30")
    assert "does not exist in Europe/Paris: clocks go forward over it" in form.text
    assert form.fields("/calendar/move")["date"] == spring, "what was typed is kept"
    form = await admin.send(form, "/calendar/move", 422, date=autumn, time="02:30")
    assert "Which one?" in form.text
    page = await admin.send(form, "/calendar/move", offset="+01:00")
    assert page.note.startswith("Moved to Sun")
    assert (await admin.api.read_post(post))["publish_at"] == f"{autumn}T01:30:00Z"
    week = await admin.get(f"/calendar?view=week&on={autumn}")
    assert "the day is 1 h longer" in week.text
    assert "02:30 +01:00" in week.text
    form = await admin.get(f"/calendar/move?post={post}")
    await admin.send(form, "/calendar/move", date=autumn, time="09:00", offset="+02:00")
    moved = await admin.api.read_post(post)
    assert moved["publish_at"] == f"{autumn}T08:00:00Z", "an offset of another time is nothing"
    week = await admin.get(f"/calendar?view=week&on={spring}")
    assert "clocks skip this hour" in week.text


def _last_sunday(year: int, month: int) -> str:
    day = datetime(year, month, 31, tzinfo=UTC)
    return f"{day - timedelta(days=(day.weekday() + 1) % 7):%Y-%m-%d}"


async def test_a_form_that_makes_no_sense_changes_nothing(admin: Person) -> None:
    account = await admin.api.connect()
    post = await plan(admin, "Stays", ahead(2, 9), account)
    before = await admin.api.read_post(post)
    form = await admin.get(f"/calendar/move?post={post}")
    for fields in ({"date": "soon"}, {"time": "<script>"}, {"zone": "Mars/Olympus\x07"}):
        again = await admin.send(form, "/calendar/move", 422, **fields)
        assert again.main.select_one(".problem") is not None
    missing = {"date": "2030-01-01", "time": "09:00", "csrf": form.fields("/logout")["csrf"]}
    for unknown in ("", "x", "0" * 32):
        reply = await admin.post("/calendar/move", post=unknown, zone="UTC", **missing)
        assert reply.status_code == 404
        await admin.get(f"/calendar/move?post={unknown}", 404)
    assert await admin.api.read_post(post) == before


async def test_a_form_leads_back_to_this_site_only(admin: Person) -> None:
    account = await admin.api.connect()
    post = await plan(admin, "Moves", ahead(2, 9), account)
    form = await admin.get(f"/calendar/move?post={post}&back=//evil.example")
    assert form.links()["Back to the calendar"] == "/calendar"


async def test_moving_what_was_approved_asks_for_approval_again(stranger: Person) -> None:
    await stranger.log_in("bob", "posts:read", "posts:write", "settings:write")
    key = await own_key(stranger)
    mine = await stranger.api.connect(key=key)
    body = {"text": "Of bob", "accounts": [mine], "publish_at": ahead(2, 12).isoformat()}
    post = (await stranger.api.post("/v1/posts", body, key=key)).json()["id"]
    settings = stranger.api.runtime.settings
    app = create_app(settings.model_copy(update={"approval": True}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=settings.base_url) as http,
    ):
        http.cookies = stranger.http.cookies
        bob = Person(http, stranger.api)
        form = await bob.get(f"/calendar/move?post={post}")
        page = await bob.send(form, "/calendar/move", time="13:00")
    assert page.note.endswith("13:00. It waits for approval again")
    assert (await stranger.api.read_post(post))["state"] == "draft"
