"""Subscribers in a browser: found, added, imported, let go."""

import pytest

from tests.dashboard.newsletters import CSV, publisher_of, without_elements
from tests.dashboard.person import HTML, Page, Person, _page
from tests.dashboard.planning import HOSTILE

pytestmark = pytest.mark.asyncio
NEW, IMPORT = "/subscribers/new", "/subscribers/import"


async def test_add_one(admin: Person) -> None:
    """Who has not said yes is asked by a mail; who has is told of with where."""
    newsletter = await publisher_of(admin).newsletter()
    page = await admin.send(
        await admin.get(NEW), NEW, 422, address="ada@example.com", newsletter=newsletter["id"]
    )
    assert "Is no newsletter of yours" in page.text
    await admin.api.sql("UPDATE newsletters SET owner_id = (SELECT id FROM users WHERE name='ann')")
    assert "There are no subscribers yet. Add one" in (await admin.get("/subscribers")).text
    page = await admin.send(await admin.get(NEW), NEW, 422, address="nobody")
    assert page.fields(NEW)["address"] == "nobody"
    assert len(page.main.select(".problem")) == 1
    assert await admin.api.count("subscribers") == 0
    page = await admin.send(
        page, NEW, address="ada@example.com", name=HOSTILE[0], newsletter=newsletter["id"]
    )
    assert page.note == "Added; they are asked by a mail to confirm"
    assert page.rows()[0][:2] == ["Garden News", "pending"]
    assert await admin.api.count("emails") == 1
    page = await admin.send(
        await admin.get(NEW),
        NEW,
        address="bob@example.com",
        tags="a, b",
        newsletter=newsletter["id"],
        consent="the shop's form",
    )
    assert page.note == "Added"
    assert "the shop's form" in page.text
    assert page.rows()[0][:2] == ["Garden News", "active"]
    assert await admin.api.count("emails") == 1


async def test_find(admin: Person) -> None:
    """By part of the address, newsletter, state and tag; hostile words are words."""
    publisher = publisher_of(admin)
    newsletter = await publisher.newsletter(name=HOSTILE[0])
    await publisher.readers(newsletter, 3, tags=["paying"])
    await admin.api.post("/v1/subscribers", {"address": "other@example.com", "name": HOSTILE[1]})
    page = await admin.get("/subscribers")
    assert len(page.rows()) == 4
    assert without_elements(page)
    for query, count in (
        ("search=READER1", 1),
        (f"newsletter={newsletter['id']}", 3),
        ("state=pending", 1),
        ("tag=paying", 3),
        ("tag=none", 0),
        ("search=%00", 4),
        ("newsletter=nonsense", 4),
    ):
        found = await admin.get(f"/subscribers?{query}")
        assert len(found.rows()) == count, query
    page = await admin.get("/subscribers?tag=paying&limit=2")
    assert "tag=paying" in page.links()["Older"]
    assert len((await admin.get(page.links()["Older"])).rows()) == 1
    page = await admin.get(f"/subscribers?newsletter={newsletter['id']}")
    reply = await admin.http.get(page.links()["Download these readers as CSV"])
    assert len(reply.text.splitlines()) == 4


@pytest.mark.parametrize(
    ("act", "state", "words"),
    [
        ("unsubscribe", "unsubscribed", "They get nothing from here on"),
        ("block", "blocked", "They are blocked: nothing is sent to them"),
        ("delete", None, "The person is deleted"),
    ],
)
async def test_let_go(admin: Person, act: str, state: str | None, words: str) -> None:
    """What cannot be taken back is confirmed first."""
    publisher = publisher_of(admin)
    await publisher.readers(await publisher.newsletter(), 1)
    (row,) = await admin.api.sql("SELECT id FROM subscribers")
    path = f"/subscribers/{row.id}"
    page = await admin.get(path)
    token = page.fields("/logout")["csrf"]
    assert "Read what follows first" in (await admin.post(f"{path}/{act}", csrf=token)).text
    assert [r.state for r in await admin.api.sql("SELECT state FROM subscribers")] == ["active"]
    page = await admin.send(await admin.get(f"{path}/confirm/{act}"), f"{path}/{act}")
    assert page.note == words
    states = [r.state for r in await admin.api.sql("SELECT state FROM subscribers")]
    assert states == ([state] if state else [])


async def send(admin: Person, content: str, do: str, newsletter: str, status: int = 200) -> Page:
    """Send the import's form with a file."""
    page = await admin.get(f"{IMPORT}?newsletter={newsletter}")
    data = {**page.fields(IMPORT), "do": do}
    data.pop("file", None)
    files = {"file": ("people.csv", content, "text/csv")}
    reply = await admin.http.post(IMPORT, data=data, files=files, headers=HTML)
    assert reply.status_code == status, reply.text[-2000:]
    return _page(reply)


async def test_import(admin: Person) -> None:
    """Nothing is stored by looking; bad lines are told of; a repeat changes nothing."""
    newsletter = (await publisher_of(admin).newsletter())["id"]
    page = await send(admin, CSV, "check", newsletter)
    assert "Nothing was imported yet. Of 3 lines, 2 would be new readers." in page.text
    assert page.rows()[0][0] == "4"
    assert await admin.api.count("subscribers") == 0
    page = await send(admin, CSV, "import", newsletter)
    assert "2 new readers imported, of 3 lines." in page.text
    page = await send(admin, CSV, "import", newsletter)
    assert "0 new readers imported, of 3 lines. 2 had it before." in page.text
    assert await admin.api.count("subscribers") == 2
    page = await send(admin, "city\nRome\n", "import", newsletter, 422)
    assert "Has no column 'address'" in page.text
    page = await send(admin, CSV, "import", "", 422)
    assert "Choose a newsletter" in page.text
    page = await send(admin, f'email\n"{HOSTILE[0]}"\n', "check", newsletter)
    assert without_elements(page)


async def test_one_person(admin: Person) -> None:
    """Their issues and mails; name and tags can be changed."""
    publisher = publisher_of(admin)
    newsletter = await publisher.newsletter()
    await publisher.readers(newsletter, 1)
    issue = await publisher.issue(newsletter, subject="Spring")
    await admin.api.sql(
        "INSERT INTO issue_deliveries (id, issue_id, subscriber_id, address, key, state, error,"
        " next_run_at) SELECT gen_random_uuid(), i.id, s.id, s.address, s.key, 'refused', :error,"
        " now() FROM issues i, subscribers s",
        error=HOSTILE[0],
    )
    (row,) = await admin.api.sql("SELECT id FROM subscribers")
    path = f"/subscribers/{row.id}"
    page = await admin.get(path)
    assert page.links()["Spring"] == f"/issues/{issue['id']}"
    assert HOSTILE[0] in page.text
    assert without_elements(page)
    page = await admin.send(page, f"{path}/edit", name="Ada", tags="x, y")
    assert page.note == "Changed"
    found = (await admin.api.get(f"/v1{path}")).json()
    assert (found["name"], found["tags"]) == ("Ada", ["x", "y"])


async def test_others_and_readers(admin: Person) -> None:
    """V081: somebody else's is not there; who may only read sees no button."""
    await admin.api.post("/v1/subscribers", {"address": "ada@example.com"})
    (row,) = await admin.api.sql("SELECT id FROM subscribers")
    await admin.log_in("bob", "content:read")
    await admin.get(f"/subscribers/{row.id}", 404)
    assert (await admin.get("/subscribers")).rows() == []
    await admin.api.sql("UPDATE subscribers SET owner_id = (SELECT id FROM users WHERE name='bob')")
    page = await admin.get(f"/subscribers/{row.id}")
    assert page.main.select("button") == []
    reply = await admin.post(
        f"/subscribers/{row.id}/delete", confirmed="yes", csrf=page.fields("/logout")["csrf"]
    )
    assert reply.status_code == 403
    assert await admin.api.count("subscribers") == 1
