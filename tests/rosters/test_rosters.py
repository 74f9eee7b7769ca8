"""Rosters by the API: made, copied, changed by the item and by the list, read, exported."""

import csv
import io
from typing import Any
from uuid import uuid4

import pytest

from service.access.caller import Scope
from tests.rosters.helpers import Desk, people
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio
NONE = {"planned": 0, "present": 0, "absent": 0, "replaced": 0}
HOSTILE = ("<script>alert(1)</script>", '"><img src=x>', "{{7*7}}", "\u202eright to left")


async def test_a_roster_is_made_and_read(desk: Desk) -> None:
    """Table daily_schedule: a day and a project once, with people in their order."""
    body = {
        "day": "2026-11-23",
        "project": "  Gate  ",
        "notes": "Rain",
        "items": [
            {"person": "Ali", "role": "Door", "starts": "22:00", "ends": "06:00"},
            {"person": "Sara", "status": "replaced", "replaced_by": "Omar", "note": "ill"},
        ],
    }
    headers = {"Idempotency-Key": "one"}
    made = await desk.api.post("/v1/rosters", body, headers=headers)
    again = await desk.api.post("/v1/rosters", body, headers=headers)
    assert (made.status_code, again.status_code, again.json()) == (201, 201, made.json())
    roster = made.json()
    assert (roster["day"], roster["project"], roster["status"]) == ("2026-11-23", "Gate", "open")
    assert (roster["locked_at"], roster["locked_by"], roster["notes"]) == (None, None, "Rain")
    assert roster["counts"] == {**NONE, "planned": 1, "replaced": 1}
    first, second = roster["items"]
    assert (first["starts"], first["ends"], first["updated_by"]) == ("22:00", "06:00", "admin")
    assert (second["replaced_by"], second["note"], second["role"]) == ("Omar", "ill", "")
    assert await desk.read(roster) == roster
    other = await desk.api.post("/v1/rosters", body)
    assert (other.status_code, other.json()["detail"]) == (
        409,
        "There is a roster of 'Gate' on 2026-11-23 already",
    )
    assert await desk.api.count("rosters") == 1
    (noted,) = await desk.noted("rosters.create")
    assert (noted.actor, noted.subject) == ("admin", f"roster:{roster['id']}")
    assert noted.detail["day"] == "2026-11-23"


async def test_every_problem_at_once(desk: Desk) -> None:
    """All problems of a request in one answer; nothing is written."""
    items: list[dict[str, Any]] = [
        {"person": "Ali", "status": "replaced"},
        {"person": "Sara", "starts": "08:00"},
        {"person": "Omar", "starts": "08:00", "ends": "08:00", "replaced_by": "Ali"},
    ]
    body = {"day": "2026-11-23", "project": "Gate", "items": items}
    reply = await desk.api.post("/v1/rosters", body)
    assert reply.status_code == 422
    assert problems(reply) == {
        "items[0].replaced_by": "is needed: who did it instead",
        "items[1].ends": "is needed: give both times or none",
        "items[2].replaced_by": "is only for the status 'replaced'",
        "items[2].ends": "is the same time as starts; for the whole day leave both out",
    }
    bad = {"day": "1999-12-31", "project": "x" * 101, "items": [{"person": " "}], "who": "me"}
    reply = await desk.api.post("/v1/rosters", bad)
    assert set(problems(reply)) == {"day", "project", "items[0].person", "who"}
    many = {"day": "2026-11-23", "project": "Gate", "items": [{"person": "Ali"}] * 201}
    assert (await desk.api.post("/v1/rosters", many)).status_code == 422
    assert await desk.api.count("rosters") == await desk.api.count("roster_items") == 0
    assert await desk.noted("rosters.create") == []


async def test_a_roster_is_copied_to_another_day(desk: Desk) -> None:
    """The same people are planned again; how it went on that day stays there."""
    items = [{"person": "Ali", "role": "Door", "status": "absent", "note": "ill"}]
    roster = await desk.make("2026-11-23", items=items)
    await desk.lock(roster)
    copy = await desk.make("2026-11-24", "Desk", "Sara", copy_from=roster["id"])
    assert people(copy) == [("Ali", "planned"), ("Sara", "planned")]
    assert (copy["items"][0]["role"], copy["items"][0]["note"]) == ("Door", "")
    assert people(await desk.read(roster)) == [("Ali", "absent")]
    body = {"day": "2026-11-25", "project": "Desk", "copy_from": str(uuid4())}
    assert (await desk.api.post("/v1/rosters", body)).status_code == 404
    assert await desk.api.count("rosters") == 2


async def test_items_one_by_one(desk: Desk) -> None:
    """Add, change, delete; who did it and when stands at the item and in the audit log."""
    roster = await desk.make("2026-11-23", "Desk", "Ali")
    path = f"/v1/rosters/{roster['id']}/items"
    headers = {"Idempotency-Key": "once"}
    sara = await desk.api.post(path, {"person": "Sara"}, headers=headers)
    await desk.api.post(path, {"person": "Sara"}, headers=headers)
    one = f"{path}/{sara.json()['id']}"
    refused = await desk.api.request("PATCH", one, json={"status": "replaced"})
    assert problems(refused) == {"replaced_by": "is needed: who did it instead"}
    body = {"status": "replaced", "replaced_by": "Omar"}
    changed = await desk.api.request("PATCH", one, json=body)
    assert (changed.json()["status"], changed.json()["replaced_by"]) == ("replaced", "Omar")
    same = await desk.api.request("PATCH", one, json=body)
    assert same.json() == changed.json(), "nothing has changed, not even when"
    back = await desk.api.request("PATCH", one, json={"status": "present"})
    assert (back.json()["status"], back.json()["replaced_by"]) == ("present", None)
    assert (await desk.api.request("PATCH", one, json={})).status_code == 422
    assert people(await desk.read(roster)) == [("Ali", "planned"), ("Sara", "present")]
    assert (await desk.api.request("DELETE", one)).status_code == 204
    assert (await desk.api.request("DELETE", one)).status_code == 404
    assert people(await desk.read(roster)) == [("Ali", "planned")]
    assert [entry.detail["changes"] for entry in await desk.noted("rosters.change")] == [
        ["added Sara"],
        ["Sara: status planned → replaced, replaced by none → Omar"],
        ["Sara: status replaced → present, replaced by Omar → none"],
        ["removed Sara"],
    ]


async def test_a_whole_list(desk: Desk) -> None:
    """In the order given; what has an id stays and changes, the others are new or go."""
    roster = await desk.make("2026-11-23", "Desk", "Ali", "Sara", "Omar")
    ali, sara, omar = roster["items"]
    path = f"/v1/rosters/{roster['id']}/items"
    wanted = [
        {"person": "Huda"},
        {"id": omar["id"], "person": "Omar", "status": "present"},
        {"id": ali["id"], "person": "Ali"},
    ]
    reply = await desk.api.request("PUT", path, json={"items": wanted})
    assert reply.status_code == 200, reply.text
    assert people(reply.json()) == [("Huda", "planned"), ("Omar", "present"), ("Ali", "planned")]
    assert [item["id"] for item in reply.json()["items"]][1:] == [omar["id"], ali["id"]]
    assert reply.json()["items"][2]["updated_at"] == ali["updated_at"]
    (noted,) = await desk.noted("rosters.change")
    assert noted.detail["changes"] == [
        *("added Huda", "Omar: status planned → present", "removed Sara"),
    ]
    bad = [
        {"id": sara["id"], "person": "Sara"},
        {"id": ali["id"], "person": "Ali"},
        {"id": ali["id"], "person": "Ali", "status": "replaced"},
    ]
    refused = await desk.api.request("PUT", path, json={"items": bad})
    assert problems(refused) == {
        "items[0].id": "is no item of this roster",
        "items[2].id": "is in the list twice",
        "items[2].replaced_by": "is needed: who did it instead",
    }
    assert await desk.read(roster) == reply.json()


async def test_a_roster_is_full_at_200(desk: Desk) -> None:
    roster = await desk.make("2026-11-23", "Desk", *(f"Person {n}" for n in range(200)))
    refused = await desk.api.post(f"/v1/rosters/{roster['id']}/items", {"person": "One more"})
    assert problems(refused) == {"items": "are at most 200"}
    copied = {"day": "2026-11-24", "project": "Desk", "items": [{"person": "One more"}]}
    refused = await desk.api.post("/v1/rosters", {**copied, "copy_from": roster["id"]})
    assert problems(refused) == {"items": "are at most 200"}
    assert (await desk.api.count("roster_items"), await desk.api.count("rosters")) == (200, 1)


async def test_notes_and_deletion(desk: Desk) -> None:
    roster = await desk.make("2026-11-23", "Desk", "Ali")
    path = f"/v1/rosters/{roster['id']}"
    changed = await desk.api.request("PATCH", path, json={"notes": " Rain "})
    assert changed.json()["notes"] == "Rain"
    assert (await desk.api.request("DELETE", path)).status_code == 204
    assert (await desk.api.get(path)).status_code == 404
    assert await desk.api.count("roster_items") == 0
    (noted,) = await desk.noted("rosters.delete")
    assert noted.detail == {"day": "2026-11-23", "project": "Desk"}


async def test_lists_are_filtered_and_paged(desk: Desk) -> None:
    """By days (both ends are wanted), project and status; the cursor goes on while rows come."""
    made = [await desk.make(f"2026-11-{day}", "Desk", "Ali") for day in range(20, 25)]
    await desk.make("2026-11-20", "Gate")
    await desk.lock(made[0])

    async def days(query: str) -> list[str]:
        items = (await desk.api.get(f"/v1/rosters?{query}")).json()["items"]
        return [f"{item['project']} {item['day'][-2:]}" for item in items]

    assert await days("from=2026-11-21&to=2026-11-22") == ["Desk 22", "Desk 21"]
    assert await days("project=Gate") == ["Gate 20"]
    assert await days("status=locked") == ["Desk 20"]
    first = (await desk.api.get("/v1/rosters?limit=4&project=Desk")).json()
    await desk.make("2026-11-25")
    rest = await days(f"limit=4&project=Desk&cursor={first['next_cursor']}")
    assert ([item["day"][-2:] for item in first["items"]], rest) == (
        ["24", "23", "22", "21"],
        ["Desk 20"],
    )
    assert first["items"][0]["counts"] == {**NONE, "planned": 1}
    for query, field in (
        ("from=2026-11-22&to=2026-11-21", "to"),
        ("status=shut", "status"),
        ("from=soon", "from"),
        ("cursor=x", "cursor"),
    ):
        assert list(problems(await desk.api.get(f"/v1/rosters?{query}"))) == [field]


async def test_somebody_elses_rosters(desk: Desk, api: Installation) -> None:
    """Without admin they do not exist: not in lists, not in files, not to copy from."""
    roster = await desk.make("2026-11-23", "Desk", "Ali")
    key = await api.new_key(Scope.CONTENT_READ, Scope.CONTENT_WRITE, user="bob")
    assert (await api.get("/v1/rosters", key=key)).json()["items"] == []
    file = await api.get("/v1/rosters.csv?from=2026-11-01&to=2026-11-30", key=key)
    assert len(file.text.splitlines()) == 1
    body = {"day": "2026-11-24", "project": "Desk", "copy_from": roster["id"]}
    assert (await api.post("/v1/rosters", body, key=key)).status_code == 404
    del body["copy_from"]
    assert (await api.post("/v1/rosters", body, key=key)).status_code == 201
    assert len((await api.get("/v1/rosters")).json()["items"]) == 2
    reader = await api.new_key(Scope.CONTENT_READ, user="bob")
    assert (await api.post("/v1/rosters", body, key=reader)).status_code == 403


async def test_a_file_of_some_days(desk: Desk) -> None:
    """A line for each duty by day and project; nothing that a spreadsheet would run."""
    late = await desk.make("2026-11-23", "Gate", *HOSTILE, "=1+1")
    await desk.make("2026-11-09", "Desk")
    await desk.make(
        "2026-11-09", "Archive", items=[{"person": "Ali", "starts": "08:00", "ends": "16:30"}]
    )
    await desk.make("2026-12-01", "Gate", "Nobody")
    await desk.lock(late)
    reply = await desk.api.get("/v1/rosters.csv?from=2026-11-09&to=2026-11-30")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [(row["day"], row["project"], row["person"]) for row in rows] == [
        ("2026-11-09", "Archive", "Ali"),
        ("2026-11-09", "Desk", None),
        *(("2026-11-23", "Gate", person) for person in HOSTILE),
        ("2026-11-23", "Gate", "'=1+1"),
    ]
    assert (rows[0]["starts"], rows[0]["ends"], rows[0]["roster"]) == ("08:00", "16:30", "open")
    assert (rows[-1]["locked_by"], rows[-1]["status"]) == ("admin", "planned")
    refused = await desk.api.get("/v1/rosters.csv")
    assert problems(refused) == {"from": "is needed", "to": "is needed"}
    refused = await desk.api.get("/v1/rosters.csv?from=2026-01-01&to=2027-01-02")
    assert problems(refused) == {"to": "is more than 366 days after 'from'"}
    only = await desk.api.get("/v1/rosters.csv?from=2026-11-09&to=2026-11-30&project=Archive")
    assert len(only.text.splitlines()) == 2
