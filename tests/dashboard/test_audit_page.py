"""The page of the audit log: found by who, what, to what and when; and as a file."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from service.access.audit import note
from service.dashboard.access.deeds import Deed, deed
from service.dashboard.pages import audit
from tests.dashboard.person import Person

pytestmark = pytest.mark.asyncio
POST = "01a2001a-14f2-79d5-94f0-3314a2521ee8"
HOSTILE = '"><img src=x onerror=alert(1)>{{7*7}}'


async def write(person: Person, *entries: tuple[str, str, str], **detail: object) -> None:
    """Write entries into the log."""
    async with person.api.runtime.unit_of_work() as uow:
        for entry in entries:
            actor, action, subject = entry
            await note(uow.session, actor, action, subject, **detail)


async def file(person: Person, path: str = "/audit.csv") -> list[list[str]]:
    """Download the log; return its rows without the head."""
    reply = await person.http.get(path)
    assert reply.status_code == 200, reply.text
    head, *rows = csv.reader(io.StringIO(reply.text))
    assert head == ["at", "actor", "action", "subject", "detail", "address", "trace"]
    return rows


async def test_the_log_in_words_with_links(stranger: Person) -> None:
    await stranger.log_in()
    await write(stranger, ("bob", "posts.cancel", f"post:{POST}"), fields=["text", "link"], n=3)
    page = await stranger.get("/audit")
    first, second = page.rows()[:2]
    assert first[1:4] == ["bob", "cancelled a post", "post …a2521ee8"]
    assert "fields text, link" in first[4]
    assert "n 3" in first[4]
    assert second[1:3] == ["ann", "logged in"]
    assert page.links()["post …a2521ee8"] == f"/posts/{POST}"
    page = await stranger.get(page.links()["bob"])
    assert [row[1] for row in page.rows()] == ["bob"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("actor=bob", ["posts.cancel", "queues.pause"]),
        ("action=queues.pause", ["queues.pause"]),
        ("subject=queue:emails", ["queues.resume"]),
        ("actor=bob&subject=queue:publishing&action=", ["queues.pause"]),
        ("actor=nobody", []),
    ],
)
async def test_entries_are_found(admin: Person, query: str, found: list[str]) -> None:
    await write(
        admin,
        ("cli:root", "queues.resume", "queue:emails"),
        ("bob", "queues.pause", "queue:publishing"),
        ("bob", "posts.cancel", f"post:{POST}"),
    )
    page = await admin.get(f"/audit?{query}")
    assert [row[4].partition("Action ")[2].split()[0] for row in page.rows()] == found
    assert [row[2] for row in await file(admin, f"/audit.csv?{query}")] == found
    assert ("Nothing matches" in page.text) == (not found)


async def test_times_are_read_in_the_zone_of_the_person(admin: Person) -> None:
    await write(admin, ("bob", "queues.pause", "queue:publishing"))
    admin.http.cookies.set("almanac_zone", "Asia/Kathmandu")
    here = datetime.now(UTC) + timedelta(hours=5, minutes=45)
    before, after = (f"{here + timedelta(minutes=m):%Y-%m-%dT%H:%M}" for m in (-2, 2))
    page = await admin.get(f"/audit?actor=bob&since={before}&until={after}")
    assert len(page.rows()) == 1
    assert page.fields("/audit")["since"] == before
    assert (await admin.get(f"/audit?actor=bob&since={after}")).rows() == []
    assert (await admin.get(f"/audit?actor=bob&until={before}")).rows() == []


async def test_what_is_no_time_is_said_at_its_field(admin: Person) -> None:
    page = await admin.get("/audit?since=yesterday&actor=bob", 422)
    assert page.main.select_one("#since-hint").get_text().startswith("Is no date and time")  # type: ignore[union-attr] # it is there
    assert page.fields("/audit")["actor"] == "bob"
    page = await admin.get("/audit?since=2026-01-02T00:00&until=2026-01-01T00:00", 422)
    assert page.main.select_one("#until-hint").get_text() == "Is not after since"  # type: ignore[union-attr] # it is there
    assert (await admin.http.get("/audit.csv?since=yesterday")).status_code == 422
    await admin.get("/audit?since=0001-01-01T00:00&until=9999-12-31T23:59")


async def test_no_cell_of_the_file_is_a_formula(admin: Person) -> None:
    """A spreadsheet runs what begins with = + - @ or a control character."""
    evil = ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"]
    await write(admin, *[(actor, "jobs.enqueue", 'a, "b"\nc') for actor in evil], note="=1")
    rows = (await file(admin))[: len(evil)]
    assert [row[1] for row in reversed(rows)] == [f"'{actor}" for actor in evil]
    assert {row[3] for row in rows} == {'a, "b"\nc'}
    assert {row[4] for row in rows} == {'{"note":"=1"}'}
    reply = await admin.http.get("/audit.csv")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-disposition"].startswith('attachment; filename="audit-')


async def test_the_file_is_bounded_and_read_in_parts(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(admin, *[("bob", "jobs.enqueue", f"job{n}") for n in range(9)])
    monkeypatch.setattr(audit, "CHUNK", 2)
    assert [row[3] for row in await file(admin, "/audit.csv?actor=bob")] == [
        f"job{n}" for n in reversed(range(9))
    ]
    monkeypatch.setattr(audit, "MOST_IN_FILE", 5)
    assert len(await file(admin)) == 5


async def test_pages_go_on_with_the_same_filter(admin: Person) -> None:
    await write(admin, *[("bob", "jobs.enqueue", f"job{n}") for n in range(51)], ("ann", "x", "y"))
    page = await admin.get("/audit?actor=bob")
    assert len(page.rows()) == 50
    page = await admin.get(page.links()["Older"])
    assert [row[3] for row in page.rows()] == ["job job0"]
    assert "Older" not in page.links()


async def test_hostile_entries_are_text(admin: Person) -> None:
    long = "x" * 10_000
    await write(admin, (HOSTILE, HOSTILE, HOSTILE), field=HOSTILE, long=long)
    await write(admin, ("bob", "jobs.cancel", "../../logout?" + HOSTILE))
    page = await admin.get("/audit")
    assert page.soup.select("img[onerror], script:not([src])") == []
    assert page.rows()[1][2] == HOSTILE
    assert long[:241] not in str(page.main.select_one("summary bdi"))
    path = next(a["href"] for a in page.main.select("td a") if "logout" in str(a["href"]))
    assert str(path).startswith("/jobs/..%2F..%2Flogout%3F")


async def test_the_log_is_for_admins(stranger: Person) -> None:
    await stranger.log_in("bob", "settings:write", "jobs:operate")
    assert "needs the scope 'admin'" in (await stranger.get("/audit", 403)).text
    assert (await stranger.http.get("/audit.csv")).status_code == 403


@pytest.mark.parametrize(
    ("action", "subject", "shown"),
    [
        ("jobs.cancel", "import-1", Deed("cancelled a job", "job import-1", "/jobs/import-1")),
        ("jobs.cancel", "jobs", Deed("cancelled a job", "jobs", "/jobs")),
        ("dead.replay", "dead jobs", Deed("replayed dead jobs", "dead jobs", "/dead")),
        ("calls.ask", "import-1", Deed("asked for a call", "call import-1", "/jobs/import-1")),
        ("queues.pause", "queue:a b", Deed("paused a queue", "queue a b", "/queues/a%20b")),
        (
            "workflows.undo",
            POST,
            Deed("undid a workflow", "workflow …a2521ee8", f"/workflows/{POST}"),
        ),
        ("keys.revoke", f"key:{POST}", Deed("revoked an API key", "key …a2521ee8", None)),
        ("sessions.refuse", "user:(unknown)", Deed("was refused a login", "user (unknown)", None)),
        ("new.action", "thing", Deed("new.action", "thing", None)),
    ],
)
async def test_deeds_in_words(action: str, subject: str, shown: Deed) -> None:
    assert deed(action, subject) == shown
