"""The pages of schedules: read in words, made and changed by a form, paused, run."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from service.dashboard.pages import schedules
from service.schedules import ticking
from tests.dashboard.person import Page, Person
from workers import periodic

pytestmark = pytest.mark.asyncio
BODY = {"name": "at night", "job": "monitoring.ping", "cron": "30 2 * * *", "zone": "Europe/Paris"}
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{7*7}} ' + "x" * 25
MOMENT = datetime(2026, 3, 27, 12, tzinfo=UTC)


@pytest_asyncio.fixture(autouse=True)
async def code_rules(stranger: Person) -> AsyncIterator[None]:
    """The rules of the code are there, as in every installation whose workers ran once."""
    runtime = stranger.api.runtime
    await periodic.mirror(runtime, runtime.settings.model_copy(update={"periodic": "all"}))
    yield


async def made(person: Person, key: str | None = None, **values: Any) -> str:
    """Make a schedule through the API; return where its page is."""
    reply = await person.api.post("/v1/schedules", BODY | values, key=key)
    assert reply.status_code == 201, reply.text
    return f"/schedules/{reply.json()['id']}"


async def of_the_code(person: Person, name: str = "monitoring.clean") -> str:
    (row,) = await person.api.sql("SELECT id FROM schedules WHERE name = :name", name=name)
    return f"/schedules/{row.id}"


async def fire(person: Person, moment: datetime) -> int:
    """Decide about all schedules as if a tick of each came at this moment."""
    await person.api.sql("UPDATE schedules SET next_tick_at = :at", at=moment)
    return await ticking.fire_due(person.api.runtime, moment, periodic.NAMES)


def rows(page: Page) -> dict[str, list[str]]:
    """Return the rows of the list by the first word of their first cell."""
    return {row[0].split(" ")[0]: row for row in page.rows()}


async def test_every_periodic_job_is_listed_in_words(admin: Person) -> None:
    """N021: after a login, the periodic tasks: enabled, cron line, last run, run count."""
    path = await made(admin, name="weekdays", cron="0 8 * * mon-fri")
    page = await admin.get("/schedules")
    assert set(rows(page)) == {"weekdays", *(rule.name for rule in periodic.RULES)}
    name, words, _, last, results, count, *_ = rows(page)["weekdays"]
    assert name == "weekdays monitoring.ping enabled"
    assert words == "Weekdays at 08:00 0 8 * * mon-fri Europe/Paris"
    assert (last, results, count) == ("never", "No runs yet", "0")
    assert rows(page)["posts.sweep"][:2] == [
        "posts.sweep code enabled",
        "Every minute * * * * * UTC",
    ]
    assert page.links()["weekdays"] == path
    assert "No worker has ever looked for schedules" in page.text
    await ticking.look(admin.api.runtime, "tests", periodic.NAMES)
    assert "No worker has" not in (await admin.get("/schedules")).text


async def test_a_paused_schedule_does_not_fire(admin: Person) -> None:
    """N021: it is disabled on the page, and stops firing; enabled again, it fires."""
    await admin.api.sql("DELETE FROM schedules")
    path = await made(admin)
    page = await admin.send(await admin.get("/schedules"), f"{path}/pause")
    assert page.path == "/schedules", "back on the list"
    assert page.note == "at night: It is paused: it will not run by itself"
    assert rows(page)["at"][0].endswith("paused")
    assert rows(page)["at"][2] == "none"
    assert await fire(admin, MOMENT) == 0
    page = await admin.send(await admin.get(path), f"{path}/resume")
    assert page.note == "at night: It runs again, from its next time on"
    assert await fire(admin, MOMENT + timedelta(minutes=1)) == 1
    await admin.api.work("maintenance")
    page = await admin.get(path)
    assert [(row[1], row[2]) for row in page.rows()] == [
        ("succeeded", "job"),
        ("paused", "none was sent"),
    ]
    noted = await admin.api.sql("SELECT action FROM audit_log WHERE action LIKE 'schedules.%'")
    assert {row.action for row in noted} >= {"schedules.pause", "schedules.resume"}


async def test_running_now_sends_the_job_once(admin: Person) -> None:
    path = await made(admin)
    page = await admin.send(await admin.get(path), f"{path}/run")
    assert page.note == "at night: Its job is sent: it is the first of the last runs"
    assert page.rows()[0][1:3] == ["queued", "run by hand"]
    refused = await admin.send(page, f"{path}/run")
    assert "The job of the last run has not ended" in refused.note
    await admin.api.work("maintenance")
    page = await admin.get(path)
    assert len(page.rows()) == 1
    assert page.rows()[0][1] == "succeeded"
    assert page.links()["run by hand"].startswith("/jobs/cron")
    assert rows(await admin.get("/schedules"))["at"][5] == "1"


async def test_a_schedule_is_made_by_the_form(admin: Person) -> None:
    page = await admin.get((await admin.get("/schedules")).links()["New schedule"])
    jobs = [str(option["value"]) for option in page.main.select("select#job option")]
    assert "posts.sweep" in jobs
    assert "posts.publish" not in jobs, "it belongs to rows of its own"
    page = await admin.send(
        page, "/schedules/new", name="batches", job="posts.publish_batch", cron="*/15 0-5 * * *",
        arguments='{"batch_id": "01a2000b-0107-7693-9c2b-f5245663d976"}', zone="Europe/Paris",
        misfire="all", grace="7200", overlap="allow", jitter="30", paused="yes",
    )  # fmt: skip
    assert (page.note, page.title) == ("Schedule 'batches' is made", "batches")
    assert "Every 15 minutes from 00:00 to 05:45" in page.text
    for text in ("Run each that is not older than 2 h", "up to 30 s later", "paused"):
        assert text in page.text
    stored = (await admin.api.get(f"/v1{page.path}")).json()
    assert stored["arguments"] == {"batch_id": "01a2000b-0107-7693-9c2b-f5245663d976"}
    assert (stored["misfire"], stored["grace"], stored["overlap"], stored["jitter"]) == (
        "all", 7200, "allow", 30,
    )  # fmt: skip


async def test_every_refusal_stands_at_its_field(admin: Person) -> None:
    """Nothing is stored, and everything that was typed is still there."""
    page = await admin.get("/schedules/new")
    page = await admin.send(
        page, "/schedules/new", name="at night", job="posts.sweep", cron="0 8 * * *"
    )
    assert page.title == "at night"
    typed: dict[str, Any] = {
        "name": "at night",
        "job": "posts.sweep",
        "arguments": '{"speed": 3}',
        "cron": "61 * * * *",
        "zone": "Nowhere",
    }
    page = await admin.send(await admin.get("/schedules/new"), "/schedules/new", 422, **typed)
    assert problems(page) == {
        "name": "is that of another of your schedules",
        "arguments": "'speed' is unknown; posts.sweep takes: nothing",
        "cron": "cron line '61 * * * *': minute is not understood, or there is no such date",
        "zone": "zone 'Nowhere' is unknown: give an IANA name, as Asia/Riyadh",
    }
    assert {name: page.fields("/schedules/new")[name].strip() for name in typed} == typed
    page = await admin.send(
        page, "/schedules/new", 422, name="", arguments="{", grace="soon", jitter="-1"
    )
    assert set(problems(page)) == {"name", "arguments", "grace", "jitter", "cron", "zone"}
    assert problems(page)["arguments"].startswith("This is not JSON: ")
    assert page.main.select_one("details[open]") is not None, "where the problem is"
    for arguments in ("[1]", "NaN", '{"a": Infinity}', "[" * 100_000, '"\\ud800"'):
        page = await admin.send(page, "/schedules/new", 422, arguments=arguments)
        assert "arguments" in problems(page)
    assert await admin.api.count("schedules WHERE owner_id IS NOT NULL") == 1


def problems(page: Page) -> dict[str, str]:
    """Return what is said at the fields of a form."""
    found = page.main.select(".field .problem")
    return {str(p["id"]).removesuffix("-hint"): p.get_text(" ", strip=True) for p in found}


async def test_a_line_is_previewed_before_it_is_stored(admin: Person) -> None:
    """By a button, and by a part that is asked for while one types."""
    page = await admin.get("/schedules/new")
    page = await admin.send(
        page, "/schedules/new", cron="0 8 * * mon-fri", zone="Asia/Tokyo", preview="yes",
        name="kept", job="posts.publish_batch",
    )  # fmt: skip
    preview = " ".join(page.main.select_one("#preview").get_text(" ").split())  # type: ignore[union-attr] # it is there
    assert "Weekdays at 08:00 (Asia/Tokyo)" in preview
    assert "takes batch_id: UUID" in preview
    assert len(page.main.select("#preview li")) == 5
    assert page.fields("/schedules/new")["name"] == "kept"
    assert await admin.api.count("schedules WHERE owner_id IS NOT NULL") == 0
    headers = {"Accept": "text/html", "HX-Request": "true"}
    for query, said in (
        ("cron=61+*+*+*+*", "minute is not understood"),
        ("cron=0+8+*+*+*&zone=Nowhere", "is unknown: give an IANA name"),
        ("cron=", "Type a cron line"),
        (f"cron={'x' * 3000}&job=%00", "is not five fields"),
        ("cron=0+8+*+*+*&zone=%00", "is unknown"),
    ):
        reply = await admin.http.get(f"/schedules/preview?{query}", headers=headers)
        assert reply.status_code == 200
        assert said in reply.text
        assert "<h1>" not in reply.text


async def test_next_runs_are_told_over_a_change_of_the_clocks(admin: Person) -> None:
    path = await made(admin)
    await admin.api.sql(
        "UPDATE schedules SET next_tick_at = '2026-03-28 01:30Z' WHERE name = 'at night'"
    )
    page = await admin.get(path)
    told = [item.get_text(" ", strip=True) for item in page.main.select(".ticks li")]
    assert len(told) == 10
    assert told[0].startswith("Sat 28 Mar 2026, 02:30 CET")
    assert told[1].startswith("Sun 29 Mar 2026, 03:00 CEST"), "02:30 is jumped over"
    assert told[1].endswith("after the clocks change")
    assert told[2].startswith("Mon 30 Mar 2026, 02:30 CEST")
    assert "clocks" not in told[2]


async def test_the_last_results_are_bars_and_words(admin: Person) -> None:
    """Thirty runs of which two failed, and one tick that nobody was there for."""
    path = await made(admin)
    outcomes = ["succeeded"] * 27 + ["failed"] * 2
    await admin.api.sql(
        "INSERT INTO durable_jobs (version, looks, tries, id, name, queue, lane, payload, state,"
        " due_at, look_at, error, started_at, finished_at)"
        " SELECT 1, 0, 1, 'j' || n, 'monitoring.ping', 'q', 'normal', '', s, :at, :at,"
        " CASE s WHEN 'failed' THEN :error END, :at, CAST(:at AS timestamptz) + interval '2 s'"
        " FROM unnest(CAST(:states AS text[])) WITH ORDINALITY AS o(s, n)",
        at=MOMENT, states=outcomes, error=HOSTILE,
    )  # fmt: skip
    await admin.api.sql(
        "INSERT INTO schedule_runs (schedule_id, tick, state, job_id, reason)"
        " SELECT :id, CAST(:at AS timestamptz) + n * interval '1 min',"
        " CASE n WHEN 30 THEN 'missed' ELSE 'fired' END, CASE WHEN n < 30 THEN 'j' || n END,"
        " CASE n WHEN 30 THEN 'nobody ticked' END FROM generate_series(1, 30) AS n",
        id=path.rpartition("/")[2], at=MOMENT,
    )  # fmt: skip
    said = "27 of 30 succeeded, 2 failed, 1 missed"
    for place in ("/schedules", path):
        page = await admin.get(place)
        (spark,) = page.main.select("svg.spark")
        assert spark["aria-label"] == said
        bars = spark.select("rect")
        assert [str(bar["class"][0]) for bar in bars] == [*outcomes, "missed"]
        assert len({bar["height"] for bar in bars}) == 3, "not by their colour alone"
        assert "27 of 30 succeeded" in page.text
    assert page.rows()[0][1:] == ["missed", "none was sent", "–", "nobody ticked"]  # noqa: RUF001 - for nothing
    assert page.rows()[1][1:4] == ["failed", "job", "2 s"]
    assert page.rows()[1][4] == HOSTILE
    assert rows(await admin.get("/schedules"))["at"][3].endswith("failed"), "of the last job"
    await admin.api.sql("DELETE FROM durable_jobs")
    assert (await admin.get(path)).rows()[1][1] == "unknown"


async def test_changing_one(admin: Person) -> None:
    path = await made(admin, arguments={}, grace=60)
    page = await admin.get((await admin.get(path)).links()["Edit"])
    assert page.fields(f"{path}/edit") == page.fields(f"{path}/edit") | {
        "name": "at night", "job": "monitoring.ping", "cron": "30 2 * * *", "grace": "60",
    }  # fmt: skip
    before = (await admin.api.get(f"/v1{path}")).json()
    page = await admin.send(page, f"{path}/edit", 422, name="renamed", cron="0 0 30 2 *")
    assert set(problems(page)) == {"cron"}
    assert (await admin.api.get(f"/v1{path}")).json() == before, "nothing is changed"
    page = await admin.send(page, f"{path}/edit", cron="0 9 1 * *")
    assert page.note == "Schedule 'renamed' is changed"
    assert "On the 1st of the month at 09:00" in page.text
    shown = (await admin.api.get(f"/v1{path}")).json()
    assert (shown["name"], shown["version"], shown["zone"]) == ("renamed", 2, "Europe/Paris")


async def test_deleting_one_is_confirmed(admin: Person) -> None:
    path = await made(admin)
    page = await admin.get((await admin.get(path)).links()["Delete…"])
    assert page.title == "Delete schedule at night?"
    page = await admin.send(page, f"{path}/delete", confirmed=None)
    assert page.title == "Delete schedule at night?"
    assert await admin.api.count("schedules WHERE name = 'at night'") == 1
    page = await admin.send(page, f"{path}/delete")
    assert page.note == "Schedule 'at night' is deleted"
    assert await admin.api.count("schedules WHERE name = 'at night'") == 0
    await admin.get(path, 404)


async def test_a_rule_of_the_code_is_paused_and_run_but_not_changed(admin: Person) -> None:
    path = await of_the_code(admin)
    page = await admin.get(path)
    assert "part of the code" in page.text
    assert {"Edit", "Delete…"}.isdisjoint(page.links())
    for verb in ("edit", "delete"):
        await admin.get(f"{path}/{verb}", 409)
        reply = await admin.post(f"{path}/{verb}", csrf=page.fields("/logout")["csrf"],
                                 confirmed="yes", name="mine")  # fmt: skip
        assert reply.status_code == 409
    page = await admin.send(page, f"{path}/pause")
    assert "It is paused, so it does not run by itself." in page.text
    assert await admin.api.count("schedules WHERE name = 'monitoring.clean' AND paused") == 1


async def test_the_list_is_filtered_and_paged(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await admin.api.sql("DELETE FROM schedules")
    assert "No schedules yet." in (await admin.get("/schedules")).text
    for name in ("one", "two", "three_%"):
        await made(admin, name=name, paused=name == "two")
    page = await admin.send(await admin.get("/schedules"), "/schedules", q="ONE")
    assert list(rows(page)) == ["one"]
    page = await admin.send(page, "/schedules", q="_%")
    assert list(rows(page)) == ["three_%"], "no pattern"
    page = await admin.send(page, "/schedules", q="PING", show="active")
    assert list(rows(page)) == ["three_%", "one"]
    page = await admin.send(page, "/schedules", q="nothing")
    assert "No schedule matches." in page.text
    monkeypatch.setattr(schedules, "PAGE", 2)
    page = await admin.get("/schedules?q=monitoring")
    assert list(rows(page)) == ["three_%", "two"]
    assert list(rows(await admin.get(page.links()["Older"]))) == ["one"]


async def test_stored_text_is_text(admin: Person) -> None:
    """A name and arguments full of markup are shown as they are."""
    path = await made(admin, name=HOSTILE)
    await admin.api.sql(
        "UPDATE schedules SET arguments = jsonb_build_object('a', CAST(:text AS text))"
        " WHERE owner_id IS NOT NULL",
        text=HOSTILE * 100,
    )
    for place in ("/schedules", path, f"{path}/edit", f"{path}/delete"):
        page = await admin.get(place)
        assert page.main.select("script, img, [onerror]") == [], place
        assert HOSTILE in page.text or place.endswith("edit"), place
    typed = await admin.send(await admin.get("/schedules/new"), "/schedules/new", 422,
                             name=HOSTILE, cron=HOSTILE, job=HOSTILE, zone=HOSTILE)  # fmt: skip
    assert typed.main.select("script, img, [onerror]") == []
    assert typed.fields("/schedules/new")["cron"] == HOSTILE


async def test_others_see_the_codes_and_their_own(stranger: Person) -> None:
    """Without jobs:operate there is no button and no action; others' schedules do not exist."""
    theirs, common = await made(stranger), await of_the_code(stranger)
    await stranger.log_in("bob", "jobs:read")
    page = await stranger.get("/schedules")
    assert set(rows(page)) == {rule.name for rule in periodic.RULES}
    assert "New schedule" not in page.links()
    await stranger.get(theirs, 404)
    await stranger.get("/schedules/new", 403)
    page = await stranger.get(common)
    assert [form for form in page.forms() if form.startswith("/schedules")] == []
    token = page.fields("/logout")["csrf"]
    for verb in ("pause", "resume", "run", "edit", "delete"):
        reply = await stranger.post(f"{common}/{verb}", csrf=token, confirmed="yes")
        assert reply.status_code == 403
    assert await stranger.api.count("schedules WHERE paused") == 0
    assert await stranger.api.count("durable_jobs") == 0


async def test_somebody_who_operates_cannot_touch_others(stranger: Person) -> None:
    theirs = await made(stranger)
    page = await stranger.log_in("bob", "jobs:read", "jobs:operate")
    token = page.fields("/logout")["csrf"]
    for verb in ("pause", "resume", "run", "edit", "delete"):
        reply = await stranger.post(f"{theirs}/{verb}", csrf=token, confirmed="yes")
        assert reply.status_code == 404
    await stranger.get(f"/schedules/{uuid4()}", 404)
    assert await stranger.api.count("schedules WHERE name = 'at night' AND NOT paused") == 1
    assert await stranger.api.count("durable_jobs") == 0
