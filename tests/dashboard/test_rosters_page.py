"""Rosters in a browser without scripts: a week, a day changed in place, lock and unlock."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from service.access.caller import Scope
from tests.dashboard.person import Page, Person
from tests.dashboard.planning import HOSTILE

pytestmark = pytest.mark.asyncio
DAY = timedelta(days=1)


def today() -> date:
    """Return the day in the zone of the test's site, UTC."""
    return datetime.now(UTC).date()


async def made(person: Person, *people: str, day: date | None = None, **body: Any) -> Any:
    """Make a roster as an admin and return it."""
    items = [{"person": each} for each in people]
    values = {"day": str(day or today()), "project": "Desk", "items": items, **body}
    reply = await person.api.post("/v1/rosters", values)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def stored(person: Person, roster: Any) -> Any:
    """Return a roster as the API has it."""
    return (await person.api.get(f"/v1/rosters/{roster['id']}")).json()


def sent(page: Page) -> list[str]:
    """Return where the forms of the main part go."""
    return [str(form["action"]) for form in page.main.select("form")]


async def test_an_empty_week_says_what_to_do(admin: Person) -> None:
    page = await admin.get("/rosters")
    assert page.title == "Rosters"
    assert "No rosters in this week. Make one for a day and a project" in page.text
    assert page.links()["New roster"] == "/rosters/new"
    for week in ("9999-12-31", "soon", "2000-01-01", "2199-12-31"):
        await admin.get(f"/rosters?week={week}")


async def test_a_week_in_numbers(admin: Person) -> None:
    """Projects by days, with how many are present or absent, and whether it is open or locked."""
    monday = date(2026, 11, 16)
    items = [
        {"person": "Ali", "status": "present"},
        {"person": "Sara", "status": "absent"},
        {"person": "Omar", "status": "replaced", "replaced_by": "Huda"},
    ]
    locked = await made(admin, day=monday, items=items)
    await admin.api.post(f"/v1/rosters/{locked['id']}/lock", {})
    await made(admin, "Ali", day=monday + 6 * DAY, project="Gate")
    await made(admin, "Ali", day=monday + 7 * DAY)
    page = await admin.get("/rosters?week=2026-11-18")
    assert page.rows("table.days") == [
        ["Desk", "3 people 1 present 1 absent 1 replaced locked", *["Add"] * 6],
        ["Gate", *["Add"] * 6, "1 person 1 planned open"],
    ]
    page = await admin.get(page.links()["Gate"])
    assert [row[0] for row in page.rows("table.days")] == ["Gate"]
    page = await admin.get(page.links()["Show all projects"])
    assert len(page.rows("table.days")) == 2
    page = await admin.get(page.links()["Week after"])
    assert [row[0] for row in page.rows("table.days")] == ["Desk"]
    page = await admin.get(page.links()["Week before"])
    file = await admin.http.get(page.links()["Download the week as CSV"])
    assert (file.status_code, len(file.text.splitlines())) == (200, 5)


async def test_what_should_be_locked_is_said(admin: Person) -> None:
    await made(admin, "Ali", day=today() - 3 * DAY)
    await made(admin, "Ali")
    page = await admin.get("/rosters")
    assert "1 roster of a day that is over is open. It locks by itself at" in page.text
    assert "A day is over at its midnight in UTC." in page.text


async def test_a_roster_is_made_and_copied(admin: Person) -> None:
    """A form that keeps what was typed; the people of another day are planned anew."""
    page = await admin.get("/rosters/new?day=2026-11-23&project=Gate")
    page = await admin.send(page, "/rosters/new", 422, project=" ", day="soon", notes="Rain")
    fields = page.fields("/rosters/new")
    assert (fields["notes"], fields["day"]) == ("Rain", "soon")
    assert "Give a day from 2000-01-01 to 2199-12-31" in page.text
    assert await admin.api.count("rosters") == 0
    page = await admin.send(page, "/rosters/new", project="Gate", day="2026-11-23")
    assert (page.title, page.note) == ("Gate, Monday 23 November 2026", "The roster is made")
    assert "Nobody is on this roster yet. Add the first person below." in page.text
    path = page.path
    page = await admin.send(
        page, f"{path}/items", person="Ali", role="Door", starts="22:00", ends="06:00"
    )
    assert page.rows("table.people")[0][:4] == [
        *("Ali", "Door", "22:00\N{EN DASH}06:00 the day after", "planned"),
    ]
    page = await admin.get(page.links()["Copy to another day"])
    fields = page.fields("/rosters/new")
    assert (fields["day"], fields["project"]) == ("2026-11-24", "Gate")
    taken = await admin.send(page, "/rosters/new", 409, day="2026-11-23")
    assert "There is a roster of 'Gate' on 2026-11-23 already" in taken.text
    page = await admin.send(page, "/rosters/new")
    assert page.title == "Gate, Tuesday 24 November 2026"
    assert page.rows("table.people")[0][:2] == ["Ali", "Door"]


async def test_a_duty_is_marked_by_a_button(admin: Person) -> None:
    """Present, absent, replaced by whom; what was done stands below."""
    roster = await made(admin, "Ali", "Sara", "Omar")
    path = f"/rosters/{roster['id']}"
    ali, sara, omar = (f"{path}/items/{item['id']}" for item in roster["items"])
    page = await admin.send(await admin.get(path), f"{ali}/present")
    assert page.note == "Ali is present"
    page = await admin.send(page, f"{sara}/absent")
    link = page.main.select_one(f"#replace-{roster['items'][2]['id']}")
    assert link is not None
    page = await admin.get(str(link["href"]))
    page = await admin.send(page, omar, 422)
    assert "Is needed: who did it instead" in page.text
    page = await admin.send(page, omar, replaced_by="Huda", note="bus")
    assert [row[3] for row in page.rows("table.people")] == [
        *("present", "absent", "replaced by Huda bus"),
    ]
    assert "3 people : 1 present, 1 absent, 1 replaced" in page.text
    assert "Omar: status planned → replaced, replaced by none → Huda, note" in page.text
    items = (await stored(admin, roster))["items"]
    assert [item["status"] for item in items] == ["present", "absent", "replaced"]
    assert items[2]["replaced_by"] == "Huda"


async def test_everybody_is_present(admin: Person) -> None:
    """Many at once: a page says how many first; who is absent stays so."""
    items = [{"person": "Ali"}, {"person": "Sara"}, {"person": "Omar", "status": "absent"}]
    roster = await made(admin, items=items)
    path = f"/rosters/{roster['id']}"
    page = await admin.get(path)
    token = page.fields("/logout")["csrf"]
    await admin.post(f"{path}/present", csrf=token)
    assert (await stored(admin, roster))["counts"]["planned"] == 2, "not without the question"
    page = await admin.get(page.links()["Mark all 2 planned present"])
    assert "2 people who are planned become present" in page.text
    page = await admin.send(page, f"{path}/present")
    assert page.note == "Everybody who was planned is present"
    assert [row[3] for row in page.rows("table.people")] == ["present", "present", "absent"]


async def test_an_item_is_edited_in_place(admin: Person) -> None:
    """Its form stands where it stood; what is wrong is said there, and what was typed stays."""
    roster = await made(admin, "Ali", "Sara")
    path, item = f"/rosters/{roster['id']}", roster["items"][0]
    page = await admin.get(f"{path}?edit={item['id']}&status=present")
    action = f"{path}/items/{item['id']}"
    assert (page.fields(action)["person"], page.fields(action)["status"]) == ("Ali", "present")
    page = await admin.send(page, action, 422, person="x" * 101, starts="25:00", replaced_by="Huda")
    fields = page.fields(action)
    assert (fields["person"], fields["replaced_by"]) == ("x" * 101, "Huda")
    assert "Is a time such as 08:30" in page.text
    assert (await stored(admin, roster))["items"] == roster["items"]
    values: dict[str, Any] = {"person": "Ali", "starts": "08:30", "replaced_by": ""}
    page = await admin.send(page, action, 422, **values, ends="")
    assert "Is needed: give both times or none" in page.text
    page = await admin.send(page, action, **values, ends="16:00")
    assert page.note == "Ali is saved"
    assert page.rows("table.people")[0][2:4] == ["08:30\N{EN DASH}16:00", "present"]


async def test_locked_pages_cannot_be_changed(admin: Person) -> None:
    """K036: no form is left but to copy and unlock; one that was open still is refused."""
    roster = await made(admin, "Ali", notes="Rain")
    path, item = f"/rosters/{roster['id']}", roster["items"][0]
    early = await admin.get(f"{path}?edit={item['id']}")
    page = await admin.get((await admin.get(path)).links()["Lock now"])
    assert "1 person, of whom 1 still is planned. Nobody can change anything" in page.text
    page = await admin.send(page, f"{path}/lock")
    assert page.note == "The roster is locked"
    assert "by ann: nothing of it can be changed." in page.text
    assert sent(page) == []
    late = await admin.send(early, f"{path}/items/{item['id']}", person="Sara")
    assert late.note.startswith("This roster is locked since")
    for act in ("lock", "delete", "present"):
        assert (await admin.get(f"{path}/{act}")).note == "This roster is locked"
    assert (await stored(admin, roster))["items"] == roster["items"]


async def test_an_unlock_asks_for_a_reason(admin: Person) -> None:
    """K036, K037: by those who may change settings; the reason stands in the history."""
    roster = await made(admin, "Ali", day=today() - DAY)
    path = f"/rosters/{roster['id']}"
    await admin.api.post(f"{path.replace('/rosters', '/v1/rosters')}/lock", {})
    page = await admin.get((await admin.get(path)).links()["Unlock"])
    assert "Its day is over, so it locks by itself again at" in page.text
    page = await admin.send(page, f"{path}/unlock", 422, reason="no")
    assert "Say why, in 3 to 500 characters" in page.text
    assert page.fields(f"{path}/unlock")["reason"] == "no"
    page = await admin.send(page, f"{path}/unlock", reason="Ali was there")
    assert page.note == "The roster is open again"
    assert "ann unlocked a roster Reason: Ali was there" in page.text


async def test_a_roster_is_deleted(admin: Person) -> None:
    roster = await made(admin, "Ali")
    path = f"/rosters/{roster['id']}"
    page = await admin.get((await admin.get(path)).links()["Delete"])
    assert "1 person and the notes go with it. This cannot be undone." in page.text
    page = await admin.send(page, f"{path}/delete")
    assert (page.title, page.note) == ("Rosters", "The roster is deleted")
    await admin.get(path, 404)
    assert await admin.api.count("roster_items") == 0


async def test_notes_and_removal(admin: Person) -> None:
    roster = await made(admin, "Ali")
    path, item = f"/rosters/{roster['id']}", roster["items"][0]
    page = await admin.send(await admin.get(path), f"{path}/notes", notes="Rain")
    assert (page.note, page.fields(f"{path}/notes")["notes"]) == ("The notes are saved", "Rain")
    page = await admin.send(page, f"{path}/notes", 422, notes="x" * 501)
    assert page.fields(f"{path}/notes")["notes"] == "x" * 501
    page = await admin.get(f"{path}?edit={item['id']}")
    page = await admin.send(page, f"{path}/items/{item['id']}/remove")
    assert page.note == "The person is off the roster"
    page = await admin.send(page, f"{path}/items", 422, person=" ", note="kept")
    assert page.fields(f"{path}/items")["note"] == "kept"
    assert ((await stored(admin, roster))["notes"], await admin.api.count("roster_items")) == (
        *("Rain", 0),
    )


async def test_who_may_only_read(admin: Person) -> None:
    """No button, no form; one that is sent all the same is refused; others' are not there."""
    await admin.log_in("bob", "content:read")
    key = await admin.api.new_key(Scope.CONTENT_READ, Scope.CONTENT_WRITE, user="bob")
    body = {"day": str(today()), "project": "Desk", "items": [{"person": "Ali"}]}
    mine = (await admin.api.post("/v1/rosters", body, key=key)).json()
    other = await made(admin, "Ali", project="Gate")
    page = await admin.get("/rosters")
    assert [row[0] for row in page.rows("table.days")] == ["Desk"]
    assert "New roster" not in page.links()
    assert "Add" not in page.links()
    page = await admin.get(f"/rosters/{mine['id']}")
    assert sent(page) == []
    token = page.fields("/logout")["csrf"]
    for path in ("items", "notes", "lock", "delete", "present"):
        reply = await admin.post(f"/rosters/{mine['id']}/{path}", csrf=token, confirmed="yes")
        assert reply.status_code == 403, path
    await admin.get("/rosters/new", 403)
    await admin.get(f"/rosters/{other['id']}", 404)
    assert (await stored(admin, mine))["status"] == "open"


async def test_who_may_write_but_not_unlock(admin: Person) -> None:
    """K036: the way to an unlock is hidden without settings:write, and refused."""
    await admin.log_in("bob", "content:read", "content:write")
    key = await admin.api.new_key(Scope.CONTENT_READ, Scope.CONTENT_WRITE, user="bob")
    body = {"day": str(today()), "project": "Desk", "items": [{"person": "Ali"}]}
    mine = (await admin.api.post("/v1/rosters", body, key=key)).json()
    path = f"/rosters/{mine['id']}"
    page = await admin.get(f"{path}/lock")
    assert "only somebody who may change settings can unlock it" in page.text
    page = await admin.send(page, f"{path}/lock")
    assert "Unlock" not in page.links()
    token = page.fields("/logout")["csrf"]
    await admin.get(f"{path}/unlock", 403)
    reply = await admin.post(f"{path}/unlock", csrf=token, confirmed="yes", reason="I want to")
    assert reply.status_code == 403
    assert (await stored(admin, mine))["status"] == "locked"


@pytest.mark.parametrize("words", [text[:100] for text in HOSTILE])
async def test_hostile_words(admin: Person, words: str) -> None:
    """They are text wherever they are shown."""
    items = [{"person": words, "role": words, "note": words}]
    roster = await made(admin, project=words, notes=words, items=items)
    for path in (
        "/rosters",
        "/rosters/new",
        f"/rosters/{roster['id']}",
        f"/rosters/{roster['id']}?edit={roster['items'][0]['id']}",
        f"/rosters/{roster['id']}/lock",
        f"/rosters/{roster['id']}/delete",
    ):
        page = await admin.get(path)
        assert page.main.select("script, img, [onerror]") == []
    page = await admin.get(f"/rosters/{roster['id']}")
    assert page.text.count(words) >= 4
