"""Subscribers by the API and from files: nobody is added against their will."""

import io
from typing import Any

import pytest

from tests.commands.terminal import Terminal
from tests.newsletters.publisher import Publisher
from tests.newsletters.test_readers import confirm_link, states
from tests.support import problems

pytestmark = pytest.mark.asyncio
CSV = (
    "\ufeffE-mail;Name;Tags;City\r\n"
    'ada@example.com;"Lovelace; Ada";"press, paying";London\r\n'
    "bob@example.com;Bob;;\r\n"
    "\r\n"
    "not an address;Eve;;\r\n"
    "ADA@example.com;again;;\r\n"
)


async def imported(publisher: Publisher, newsletter: Any, text: str | bytes, **query: Any) -> Any:
    """Import a file; return the answer."""
    content = text.encode() if isinstance(text, str) else text
    return await publisher.api.request(
        "POST",
        "/v1/subscribers/import",
        params={"newsletter_id": newsletter["id"], **query},
        files={"file": ("people.csv", io.BytesIO(content), "text/csv")},
    )


async def test_who_is_added_is_asked(publisher: Publisher) -> None:
    """By the API a person is asked by a mail, or the consent is written down."""
    newsletter = await publisher.newsletter()
    body = {"address": "Ada@Example.com", "newsletters": [newsletter["id"]], "tags": ["a", "a"]}
    found = await publisher.ok(await publisher.api.post("/v1/subscribers", body), 201)
    assert (found["address"], found["state"], found["tags"]) == (
        "Ada@example.com",
        "pending",
        ["a"],
    )
    assert found["subscriptions"][0]["state"] == "pending"
    await publisher.api.http.post(await confirm_link(publisher))
    assert await states(publisher) == [("Ada@example.com", "active", "active")]

    body = {**body, "address": "bob@example.com", "consent": "signed a list at the fair"}
    found = await publisher.ok(await publisher.api.post("/v1/subscribers", body), 201)
    assert (found["state"], found["subscriptions"][0]["state"]) == ("active", "active")
    assert await publisher.run() == []


async def test_a_bad_subscriber_is_refused(publisher: Publisher) -> None:
    """All problems at once; somebody else's newsletter is none; nothing is written."""
    theirs = await publisher.newsletter()
    key = await publisher.api.new_key("content:write", "content:read")
    body = {"address": "nobody", "name": "A\r\nB", "newsletters": [theirs["id"]]}
    refused = await publisher.api.post("/v1/subscribers", body, key=key)
    assert set(problems(refused)) == {"address", "name", "newsletters.0"}
    suppressed = {"address": "gone@example.com", "reason": "bounce"}
    await publisher.ok(await publisher.api.post("/v1/emails/suppressions", suppressed), 201)
    body = {"address": "GONE@example.com", "consent": "they said so"}
    refused = await publisher.api.post("/v1/subscribers", body)
    assert "suppressions" in problems(refused)["address"]
    assert await publisher.api.count("subscribers") == 0


async def test_a_file_is_imported_once(publisher: Publisher) -> None:
    """BOM, semicolons, quotes, other names of columns; bad lines are told, a repeat adds none."""
    newsletter = await publisher.newsletter()
    dry = (await imported(publisher, newsletter, CSV, consent="old list", dry_run=True)).json()
    assert await publisher.api.count("subscribers") == 0
    told = (await imported(publisher, newsletter, CSV, consent="old list")).json()
    assert {**dry, "dry_run": False} == told
    assert {name: told[name] for name in ("lines", "added", "bad", "repeated", "asked")} == {
        "lines": 4,
        "added": 2,
        "bad": 1,
        "repeated": 1,
        "asked": 0,
    }
    (bad,) = told["problems"]
    assert (bad["line"], bad["field"]) == (5, "address")
    found = (await publisher.api.get("/v1/subscribers?search=lovelace")).json()["items"][0]
    assert (found["name"], found["tags"]) == ("Lovelace; Ada", ["press", "paying"])
    assert (found["attributes"], found["consent"]) == ({"city": "London"}, "old list")

    again = (await imported(publisher, newsletter, CSV, consent="old list")).json()
    assert (again["added"], again["known"]) == (0, 2)
    assert await publisher.api.count("subscribers") == 2
    assert await publisher.run() == []


async def test_an_import_without_consent_asks(publisher: Publisher) -> None:
    """Each person gets one mail, also if the file is imported twice."""
    newsletter = await publisher.newsletter()
    for _ in range(2):
        assert (await imported(publisher, newsletter, CSV)).status_code == 200
    await publisher.run()
    assert publisher.got() == {"ada@example.com": 1, "bob@example.com": 1}
    assert {state for _, _, state in await states(publisher)} == {"pending"}


async def test_an_import_brings_nobody_back(publisher: Publisher) -> None:
    """Who has left, is blocked, or has bounced stays away, whatever a file says of consent."""
    newsletter = await publisher.newsletter()
    await imported(publisher, newsletter, CSV, consent="old list")
    people = (await publisher.api.get("/v1/subscribers")).json()["items"]
    ada = next(each for each in people if each["name"] != "Bob")
    path = f"/v1/subscribers/{ada['id']}"
    left = await publisher.api.request("PATCH", path, json={"state": "unsubscribed"})
    assert left.json()["state"] == "unsubscribed"
    suppressed = {"address": "bob@example.com", "reason": "complaint"}
    await publisher.ok(await publisher.api.post("/v1/emails/suppressions", suppressed), 201)
    told = (await imported(publisher, newsletter, CSV, consent="new list")).json()
    assert (told["refused"], told["added"], told["known"]) == (2, 0, 0)
    assert (await states(publisher))[0] == ("ada@example.com", "unsubscribed", "unsubscribed")
    refused = await publisher.api.request("PATCH", path, json={"state": "active"})
    assert refused.status_code == 409


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name\r\nJosé\r\n".encode("latin-1"), "UTF-8"),
        (b"name,city\r\nAda,London\r\n", "address"),
        (b"", "empty"),
        (b'address\r\n"a@example.com\r\n', "CSV"),
        (b"\x00\x01\x02", "binary"),
    ],
)
async def test_a_bad_file_is_refused_whole(
    publisher: Publisher, content: bytes, message: str
) -> None:
    """latin-1, no column of addresses, nothing, half a quote, no text: told in words."""
    newsletter = await publisher.newsletter()
    refused = await imported(publisher, newsletter, content)
    assert refused.status_code == 422, refused.text
    assert message in problems(refused)["file"]
    assert await publisher.api.count("subscribers") == 0


async def test_an_export_harms_no_spreadsheet(publisher: Publisher) -> None:
    """Cells that a spreadsheet would run are text; an export can be imported again."""
    newsletter = await publisher.newsletter()
    body = {
        "address": "ada@example.com",
        "name": "=cmd|' /C calc'!A0",
        "newsletters": [newsletter["id"]],
        "attributes": {"city": "Köln"},
        "consent": "+said so",
    }
    await publisher.ok(await publisher.api.post("/v1/subscribers", body), 201)
    path = f"/v1/newsletters/{newsletter['id']}/subscribers.csv"
    text = (await publisher.api.get(path)).text
    assert "'=cmd" in text
    assert "'+said so" in text
    again = (await imported(publisher, newsletter, text)).json()
    assert (again["known"], again["bad"]) == (1, 0)
    (row,) = await publisher.api.sql("SELECT name, attributes FROM subscribers")
    assert tuple(row) == ("=cmd|' /C calc'!A0", {"city": "Köln"})


async def test_deleted_people_leave_only_figures(publisher: Publisher) -> None:
    """What was sent to a person stays counted, without address and name."""
    issue, _ = await publisher.sending(2)
    await publisher.run()
    people = (await publisher.api.get("/v1/subscribers?search=reader0@")).json()["items"]
    gone = await publisher.api.request("DELETE", f"/v1/subscribers/{people[0]['id']}")
    assert gone.status_code == 204
    rows = await publisher.api.sql("SELECT address, name FROM issue_deliveries ORDER BY 1")
    assert [tuple(row) for row in rows] == [("", ""), ("reader1@example.com", "Reader reader1")]
    assert (await publisher.read(issue))["counts"]["sent"] == 2


async def test_the_command_imports_a_file(
    publisher: Publisher, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`almanac subscribers import FILE --newsletter SLUG`: as the API does, of any size."""
    await publisher.newsletter()
    file = tmp_path / "people.csv"
    file.write_text(CSV, encoding="utf-8")
    terminal = Terminal(publisher.api, monkeypatch)
    arguments = ("subscribers", "import", str(file), "--newsletter", "garden-news")
    told = await terminal.json(*arguments, "--consent", "old list")
    assert (told["added"], told["bad"]) == (2, 1)
    shown = await terminal.shows(*arguments, "--consent", "old list")
    assert "line 5" in shown
    refused = await terminal.refused("subscribers", "import", str(file), "--newsletter", "none")
    assert "newsletter" in str(refused)
