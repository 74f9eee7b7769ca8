"""The list of jobs: searched in one line, acted on in numbers."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from bs4 import BeautifulSoup

from service.dashboard.jobs import acts as job_acts
from service.dashboard.pages import jobs
from service.monitoring import scanning_queries
from service.queue import JobCall
from tests.access.helpers import actions_noted
from tests.api.lifting import Gym, durable, lift
from tests.dashboard.person import Page, Person
from tests.support import Installation
from tests.workers.history import a_run, write

pytestmark = pytest.mark.asyncio
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "javascript:alert(1)",
    "\u202etxt.exe",
    "x" * 10_000,
)


def names(page: Page) -> list[str]:
    """Return the ids of the jobs of a list, in its order."""
    return [str(a["href"]).removeprefix("/jobs/") for a in page.main.select("table .what a")]


async def find(person: Person, query: str, status: int = 200) -> Page:
    return await person.get(f"/jobs?q={quote(query)}", status)


async def acts(api: Installation) -> list[tuple[str, str, str]]:
    """Return what the audit log has of jobs."""
    return [entry for entry in await actions_noted(api) if entry[1].startswith(("jobs", "dead"))]


async def fail_two(api: Installation) -> None:
    """Leave two jobs that failed, one that succeeded, and one that waits."""
    await durable(api, "heavy", 101, actor="bob")
    await durable(api, "heavier", 102)
    await durable(api, "light", 1)
    await Gym().train(api)
    await durable(api, "waits", 5)


async def test_an_empty_history_says_what_comes_next(admin: Person) -> None:
    page = await admin.get("/jobs")
    assert "No job has run yet. Schedule a post" in page.text
    assert "Nothing runs at the moment." in (await find(admin, "state:running")).text
    assert "No run in the history matches." in (await find(admin, "name:posts.sweep")).text
    assert "No job is dead." in (await find(admin, "state:dead")).text


async def test_one_line_finds_them_all(admin: Person) -> None:
    """N025, N057, V039: what waits, ran, failed and died, from one box, by what it is."""
    await fail_two(admin.api)
    assert set(names(await admin.get("/jobs"))) == {"heavy", "heavier", "light"}
    for query, wanted in (
        ("state:queued", ["waits"]),
        ("state:queued name:tests.lift queue:publishing", ["waits"]),
        ("state:succeeded", ["light"]),
        ("args.weight:101 state:failed", ["heavy"]),
        ("actor:bob state:failed", ["heavy"]),
        ('error:"102 kg is too heavy" state:failed', ["heavier"]),
        ("error:ValueError state:failed since:1h", ["heavier", "heavy"]),
        ("state:failed until:1h", []),
        ("state:dead", ["heavier", "heavy"]),
        ("state:dead error:ValueError queue:publishing", ["heavier", "heavy"]),
        ("state:dead error:KeyError", []),
        ("state:dead args.weight:101 error:heavy", ["heavy"]),
        ("state:dead actor:bob since:1h", ["heavy"]),
        ("state:dead until:1h", []),
        ("queue:emails", []),
        ("state:succeeded tests.lift", ["light"]),
    ):
        found = await find(admin, query)
        assert sorted(names(found)) == wanted, query
    row = (await find(admin, "state:succeeded")).rows()[0]
    assert row[:3] == ["tests.lift weight=1", "succeeded", "publishing"]
    assert row[5] == "1", "it took one try"
    assert "ValueError: 101 kg is too heavy" in (await find(admin, "actor:bob")).text


async def test_quick_filters_keep_the_rest_of_the_search(admin: Person) -> None:
    page = await find(admin, "queue:publishing state:failed")
    links = page.links()
    assert links["Running"] == "/jobs?q=state%3Arunning+queue%3Apublishing"
    assert links["Ended"] == "/jobs?q=queue%3Apublishing"
    (current,) = page.main.select(".tabs [aria-current]")
    assert current.get_text() == "Failed"


async def test_an_id_leads_to_its_job(admin: Person) -> None:
    await durable(admin.api, "waits")
    assert (await find(admin, "waits")).path == "/jobs/waits"
    odd = "a/b ü?#%"
    await admin.api.runtime.queue.enqueue(lift(weight=1).deferred(job_id=odd))
    page = await find(admin, f'"{odd}"')
    assert page.title == "tests.lift"
    assert odd in page.text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("colour:red", "There is no field 'colour'. Fields are state, queue, name"),
        ("nonsense", "'nonsense' is neither the id of a job nor the name of one."),
        ("a b", "give one id or one name of a job"),
        ("state:running error:x", "error: goes with runs that ended; these are running"),
        ("state:running args.a:b", "args: goes with runs that ended; these are running"),
        ("state:queued queue:No", "queue name 'No': it starts with a lowercase letter"),
    ],
)
async def test_what_is_wrong_stands_under_the_box(admin: Person, query: str, message: str) -> None:
    """The search stays as it was typed."""
    page = await find(admin, query, 422)
    problem = page.main.select_one("#q-hint.problem")
    assert problem is not None
    assert message in problem.get_text()
    box = page.main.select_one("#q")
    assert box is not None
    assert (box["value"], box["aria-invalid"]) == (query, "true")
    assert page.main.select("table") == []


async def test_words_are_completed_without_scripts_too(admin: Person) -> None:
    page = await admin.get("/jobs")
    hints = [str(option["value"]) for option in page.main.select("datalist option")]
    assert {"state:dead", "queue:publishing", "name:posts.publish", "since:1h"} <= set(hints)


async def test_lists_go_on(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LIMIT", 2)
    runs = [a_run(f"run-{n}", ago=timedelta(minutes=n)) for n in range(5)]
    await write(admin.api.runtime, *runs)
    page = await admin.get("/jobs")
    seen = names(page)
    while "More" in page.links():
        page = await admin.get(page.links()["More"])
        seen += names(page)
    assert seen == [f"run-{n}" for n in range(5)]
    assert page.links()["Back to the first"] == "/jobs"
    later = [lift(weight=n).deferred(datetime.now(UTC) + timedelta(hours=n + 1), f"later-{n}")
             for n in range(3)]  # fmt: skip
    await admin.api.runtime.queue.enqueue_many(later)
    page = await find(admin, "state:deferred")
    assert names(page) == ["later-0", "later-1"]
    assert names(await admin.get(page.links()["More"])) == ["later-2"]


async def test_a_search_that_stopped_says_how_far_it_came(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An honest bound: what was not looked at is not said to be absent."""
    monkeypatch.setattr(scanning_queries, "SCANNED", 3)
    runs = [a_run(f"run-{n}", ago=timedelta(minutes=n)) for n in range(5)]
    await write(admin.api.runtime, *runs, a_run("rare", ago=timedelta(hours=1), name="x.rare"))
    page = await find(admin, "args.a:b")
    assert "Searched back to" in page.text
    assert "Nothing matches so far." in page.text
    for _ in range(2):
        page = await admin.get(page.links()["Look further back"])
    assert "Look further back" not in page.links()
    assert "That is all." in page.text
    refused = await admin.get("/jobs?cursor=nonsense", 422)
    assert "is not a cursor of this list" in refused.text


async def test_a_running_job_shows_how_far_it_is(admin: Person) -> None:
    await durable(admin.api, "runs")
    await admin.api.sql(
        "UPDATE durable_jobs SET state = 'running', started_at = now(), progress = 40, "
        "progress_text = 'step <b>2</b>', claimed_until = now() + interval '1 min'"
    )
    page = await find(admin, "state:running")
    bar = page.main.select_one("table progress")
    assert bar is not None
    assert bar["value"] == "40"
    assert "step <b>2</b>" in page.text


async def test_a_selection_is_cancelled_once_confirmed(admin: Person) -> None:
    """Asked first, with what and how many; then done, and in the audit log."""
    for job_id in ("one", "two", "three"):
        await durable(admin.api, job_id)
    page = await find(admin, "state:queued")
    asked = await admin.send(page, "/jobs/many", do="cancel", job=["one", "two"])
    assert asked.title == "Cancel 2 jobs?"
    assert {"one", "two"} <= set(asked.links())
    assert len(await admin.api.queued()) == 3, "nothing has happened yet"
    assert await acts(admin.api) == []
    reply = await admin.post("/jobs/many", **_repeat(asked))
    assert reply.status_code == 200
    assert await admin.api.queued() == ["three"]
    assert sorted(await acts(admin.api)) == [
        ("ann", "jobs.cancel", "one"),
        ("ann", "jobs.cancel", "two"),
    ]
    assert "2 jobs cancelled." in reply.text


def _repeat(page: Page, action: str = "/jobs/many") -> dict[str, object]:
    """Return the fields of a form, repeated ones as lists."""
    forms = [form for form in page.main.select("form") if form.get("action") == action]
    found: dict[str, list[str]] = {}
    for field in forms[0].select("input[name]"):
        found.setdefault(str(field["name"]), []).append(str(field.get("value", "")))
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


async def test_all_that_match_are_cancelled(admin: Person) -> None:
    for n in range(3):
        await durable(admin.api, f"now-{n}")
    await admin.api.runtime.queue.enqueue(
        lift(weight=1).deferred(datetime.now(UTC) + timedelta(hours=1), "later")
    )
    page = await find(admin, "state:queued name:tests.lift")
    asked = await admin.send(page, "/jobs/many", do="cancel-all")
    assert asked.title == "Cancel all 3 jobs that match?"
    done = await admin.send(asked, "/jobs/many")
    assert done.note == "3 jobs cancelled."
    assert await admin.api.queued() == ["later"]
    assert done.path == "/jobs?q=state%3Aqueued+name%3Atests.lift"


async def test_what_was_refused_is_listed_with_the_reason(admin: Person) -> None:
    """A job that succeeded is not run again, one that is gone neither; the failed ones are."""
    await fail_two(admin.api)
    page = await admin.get("/jobs")
    asked = await admin.send(page, "/jobs/many", do="retry", job=["heavy", "light", "gone"])
    done = await admin.post("/jobs/many", **_repeat(asked))
    assert done.status_code == 200
    page = Page(done, BeautifulSoup(done.text, "html.parser"))
    assert page.note == "1 job sent again. 2 jobs stayed as before."
    assert dict(page.rows()) == {
        "light": "Only a job that failed or was cancelled runs again; this one is succeeded",
        "gone": "There is no such job, or its result has expired",
    }
    assert set(await admin.api.queued()) == {"heavy", "waits"}


async def test_one_act_has_a_bound_and_says_so(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_acts, "MOST", 2)
    monkeypatch.setattr(job_acts, "PAGE", 2)
    for n in range(5):
        await durable(admin.api, f"now-{n}")
    page = await find(admin, "state:queued")
    asked = await admin.send(page, "/jobs/many", do="cancel-all")
    assert asked.title == "Cancel the first 2 jobs that match?"
    done = await admin.send(asked, "/jobs/many")
    assert "2 jobs cancelled." in done.text
    assert "There may be more that match." in done.text
    assert len(await admin.api.queued()) == 3


async def test_dead_jobs_are_replayed_and_discarded_by_search(admin: Person) -> None:
    await fail_two(admin.api)
    page = await find(admin, "state:dead error:ValueError")
    asked = await admin.send(page, "/jobs/many", do="replay-all")
    assert asked.title == "Run all 2 jobs that match again?"
    done = await admin.send(asked, "/jobs/many")
    assert done.note == "2 jobs sent again."
    assert set(await admin.api.queued()) == {"heavy", "heavier", "waits"}
    await Gym().train(admin.api)
    page = await find(admin, "state:dead")
    asked = await admin.send(page, "/jobs/many", do="discard", job="heavy")
    done = await admin.send(asked, "/jobs/many")
    assert done.note == "1 job discarded."
    assert names(done) == ["heavier"]
    assert [row[1] for row in await acts(admin.api)] == ["dead.replay", "dead.discard"]


async def test_nothing_selected_is_nothing_done(admin: Person) -> None:
    await durable(admin.api, "waits")
    page = await find(admin, "state:queued")
    done = await admin.send(page, "/jobs/many", do="cancel")
    assert done.note == "Nothing was selected, so nothing was done."
    assert await admin.api.queued() == ["waits"]
    await admin.send(page, "/jobs/many", 422, do="explode", job="waits")
    await admin.api.runtime.queue.flushdb()
    await admin.api.sql("DELETE FROM durable_jobs")
    done = await admin.send(page, "/jobs/many", do="cancel-all")
    assert done.note == "Nothing matches any more, so nothing was done."


async def test_who_only_reads_has_no_buttons_and_may_not_act(stranger: Person) -> None:
    """V037: hidden, and refused anyway; nothing happens."""
    await durable(stranger.api, "waits")
    await stranger.log_in("bob", "jobs:read")
    page = await find(stranger, "state:queued")
    assert names(page) == ["waits"]
    assert page.main.select("button[name=do], input[type=checkbox]") == []
    csrf = page.fields("/logout")["csrf"]
    reply = await stranger.post("/jobs/many", csrf=csrf, do="cancel-all", confirmed="yes")
    assert reply.status_code == 403
    assert await stranger.api.queued() == ["waits"]
    assert await acts(stranger.api) == []


async def test_somebody_elses_jobs_do_not_exist(stranger: Person) -> None:
    """V081: neither in a list, nor for an act on a selection or on all that match."""
    for job_id, actor in (("hers", "ann"), ("his", "bob")):
        await durable(stranger.api, job_id, actor=actor)
    await stranger.log_in("ann", "jobs:read", "jobs:operate")
    page = await find(stranger, "state:queued")
    assert names(page) == ["hers"]
    assert "'his' is neither the id" in (await find(stranger, "his", 422)).text
    asked = await stranger.send(page, "/jobs/many", do="cancel", job="his")
    done = await stranger.send(asked, "/jobs/many")
    assert "There is no such job" in done.text
    asked = await stranger.send(page, "/jobs/many", do="cancel-all")
    assert asked.title == "Cancel the one job that matches?"
    await stranger.send(asked, "/jobs/many")
    assert await stranger.api.queued() == ["his"]


async def test_hostile_text_stays_text(admin: Person) -> None:
    """In names, arguments, errors, ids, actors and the search line itself."""
    for n, text in enumerate(HOSTILE):
        run = a_run(f"run-{n}-{text[:60]}", name=text, actor=text, queue=text, state="failed",
                    error_type=text, error=text, arguments=f'{{"a": {_json(text)}}}')  # fmt: skip
        await write(admin.api.runtime, run)
        call = JobCall(text[:60], "publishing", kwargs={text: text}, job_id=f"open-{n}")
        await admin.api.runtime.queue.enqueue(call)
    for query in ("", "state:failed", "state:queued"):
        page = await find(admin, query)
        assert len(names(page)) >= len(HOSTILE) - 1
        _is_harmless(page)
        assert "<script>alert(1)</script>" in page.main.get_text()
    for text in HOSTILE[:5]:
        _is_harmless(await find(admin, f'error:"{text.replace(chr(34), chr(92) + chr(34))}"'))
    _is_harmless(await find(admin, HOSTILE[1], 422))


def _json(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def _is_harmless(page: Page) -> None:
    assert page.main.select("script, img, b") == []
    assert page.soup.select("[onerror], [style]") == []
    assert not [a for a in page.main.select("a") if not str(a["href"]).startswith("/")]
    assert "49" not in [cell for row in page.rows() for cell in row]


async def test_only_the_live_part_is_asked_for_again(admin: Person) -> None:
    """V039: it changes by itself; the box that somebody types in stays."""
    await durable(admin.api, "waits")
    page = await find(admin, "state:queued queue:publishing")
    live = page.main.select_one("#live")
    assert live is not None
    assert live["data-live"] == "/live?queue=publishing"
    part = await admin.http.get(str(live["hx-get"]), headers={"HX-Request": "true"})
    assert "waits" in part.text
    assert "<h1" not in part.text
    assert 'id="numbers"' in part.text
