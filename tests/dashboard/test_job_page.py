"""One job: its state in words, every try, why it does not run, and what is done about it."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from service.queue import JobCall
from service.queue.sealing import MASK
from tests.access.helpers import actions_noted
from tests.api.lifting import Gym, durable, lift
from tests.dashboard.person import Page, Person
from tests.dashboard.test_jobs_page import HOSTILE
from tests.support import in_seconds
from tests.workers.history import a_run, confide, write

pytestmark = pytest.mark.asyncio


def facts(page: Page) -> dict[str, str]:
    """Return the facts of a page by their names."""
    return {
        item.find("dt").get_text(" ", strip=True): item.find("dd").get_text(" ", strip=True)  # type: ignore[union-attr] # they are there
        for item in page.main.select(".facts > div")
    }


def timeline(page: Page) -> list[str]:
    return [" ".join(item.get_text(" ").split()) for item in page.main.select(".timeline li")]


def buttons(page: Page) -> list[str]:
    return [button.get_text(strip=True) for button in page.main.select("form button")]


async def open_job(person: Person, job_id: str, status: int = 200) -> Page:
    return await person.get(f"/jobs/{quote(job_id, safe='')}", status)


async def test_every_try_has_its_error_and_traceback(admin: Person) -> None:
    """N057, V039: what ran where, when, for how long, and what it died of; the last one open."""
    await durable(admin.api, "heavy", 101, actor="bob")
    await Gym().train(admin.api)
    page = await open_job(admin, "heavy")
    assert page.title == "tests.lift"
    standing = page.main.select_one(".standing")
    assert standing is not None
    assert standing.get_text(" ", strip=True) == (
        "dead It failed for good: it is not tried again by itself."
    )
    tries = page.main.select(".try")
    assert [found.select_one(".state").get_text() for found in tries] == ["failed", "retrying"]  # type: ignore[union-attr] # it is there
    assert all("101 kg is too heavy" in found.get_text() for found in tries)
    assert [found.find("details").has_attr("open") for found in tries] == [True, False]  # type: ignore[union-attr] # it is there
    assert all("in lift" in found.find("pre").get_text() for found in tries)  # type: ignore[union-attr] # it is there
    told = timeline(page)
    assert told[0].startswith("Sent by bob")
    assert told[1].startswith("Try 1 began on ")
    assert told[2].startswith("Try 1 failed; it was tried again after")
    assert told[4].startswith("Try 2 failed for good after")
    assert buttons(page) == ["Run again", "Discard"]
    assert "lifting 101 kg" in page.main.select_one(".log").get_text()  # type: ignore[union-attr] # it is there


async def test_all_that_a_status_has_is_on_the_page(admin: Person) -> None:
    """V040: id, state, result, traceback, end, name, arguments, worker, retries, time, progress."""
    await durable(admin.api, "light", 3, actor="bob")
    await Gym().train(admin.api)
    page = await open_job(admin, "light")
    status = (await admin.api.get("/v1/jobs/light/status")).json()
    shown = facts(page)
    assert shown["Id"] == status["task_id"] == "light"
    assert shown["weight"] == str(status["kwargs"]["weight"]) == "3"
    assert shown["Asked for by"] == "bob"
    assert shown["Tries"] == "1"
    assert ":" in shown["Ended"], "a time"
    assert '"lifted": 3' in page.text
    assert any(status["worker"] in line for line in timeline(page))
    bar = page.main.select_one(".told progress")
    assert bar is not None
    assert bar["value"] == "25"
    assert "warming up" in page.text
    assert page.links()["as Celery shows it"] == "/v1/jobs/light/status"
    assert buttons(page) == [], "it succeeded"


async def test_a_job_that_waits_says_why(admin: Person) -> None:
    """The queue is paused and nobody serves it: both are said, and who comes before it."""
    await durable(admin.api, "first")
    await durable(admin.api, "second")
    await admin.api.post("/v1/queues/publishing/pause", None)
    page = await open_job(admin, "second")
    assert "Why is it not running?" in page.text
    reasons = [found.get_text(" ", strip=True) for found in page.main.select(".reason")]
    assert reasons == [
        "The queue 'publishing' is paused. Resume it to let jobs start.",
        "No living worker serves the queue 'publishing'. Start one.",
        "1 job is before it in the queue.",
    ]
    later = datetime.now(UTC) + timedelta(hours=3, minutes=1)
    await admin.api.runtime.queue.enqueue(lift(weight=1).deferred(later, "later"))
    page = await open_job(admin, "later")
    assert "Its time has not come. It may start in 3 h" in page.text


async def test_a_job_is_cancelled_once_confirmed(admin: Person) -> None:
    await durable(admin.api, "waits")
    page = await open_job(admin, "waits")
    asked = await admin.send(page, "/jobs/waits/cancel")
    assert asked.title == "Cancel this job?"
    assert await admin.api.queued() == ["waits"]
    done = await admin.send(asked, "/jobs/waits/cancel")
    assert done.note == "It is cancelled, or will be as soon as its worker has stopped it."
    assert await admin.api.queued() == []
    assert buttons(done) == ["Run again"]
    again = await admin.send(asked, "/jobs/waits/cancel")
    assert "this one is cancelled" in again.note
    acts = [entry for entry in await actions_noted(admin.api) if entry[1] == "jobs.cancel"]
    assert acts == [("ann", "jobs.cancel", "waits")] * 2


async def test_a_dead_job_runs_again_or_is_discarded(admin: Person) -> None:
    await durable(admin.api, "heavy", 101)
    gym = Gym()
    await gym.train(admin.api)
    page = await open_job(admin, "heavy")
    gym.strong = True
    done = await admin.send(page, "/jobs/heavy/retry")
    assert done.note == "It runs again."
    await gym.train(admin.api)
    refused = await admin.send(page, "/jobs/heavy/retry")
    assert refused.note == (
        "Only a job that failed or was cancelled runs again; this one is succeeded"
    )
    await durable(admin.api, "worse", 200)
    gym.strong = False
    await gym.train(admin.api)
    page = await open_job(admin, "worse")
    asked = await admin.send(page, "/jobs/worse/discard")
    assert "They are forgotten for good" in asked.text
    done = await admin.send(asked, "/jobs/worse/discard")
    assert done.note == "It is discarded. What you see is what the history tells of it."
    assert buttons(done) == ["Run again"]
    refused = await admin.send(asked, "/jobs/worse/discard")
    assert refused.note == "Only a dead job is discarded; this one is none"


async def test_a_running_job_tells_how_far_it_is_and_who_runs_it(admin: Person) -> None:
    """N025: its progress and its log as it runs; the page listens to this job alone."""
    await durable(admin.api, "runs")
    gym = Gym(door=asyncio.Event())
    training = asyncio.create_task(gym.train(admin.api))
    try:
        await gym.inside.wait()
        page = await open_job(admin, "runs")
        assert "running" in page.text
        assert "Who runs it?" in page.text
        assert buttons(page) == ["Cancel"]
        assert timeline(page)[-1].startswith("Try 1 began")
        live = page.main.select_one("#live")
        assert live is not None
        assert live["data-live"] == "/live?job=runs"
    finally:
        assert gym.door is not None
        gym.door.set()
        await training
    part = await admin.http.get("/jobs/runs", headers={"HX-Request": "true"})
    assert "It succeeded." in part.text
    assert "<h1" not in part.text


async def test_it_leads_to_what_it_belongs_to(admin: Person) -> None:
    """The post of a delivery, the run of a step; nothing of what one may not see."""
    account = await admin.api.connect()
    post = await admin.api.schedule([account], publish_at=in_seconds(3600))
    delivery = post["deliveries"][0]["id"]
    page = await open_job(admin, f"publish:{delivery}:1")
    assert page.links()["the post on feed"] == f"/posts/{post['id']}"
    assert "Its time has not come." in page.text
    body = {"name": "w", "steps": [{"key": "a", "job": "tests.lift", "arguments": {"weight": 1}}]}
    reply = await admin.api.post("/v1/workflows", body)
    assert reply.status_code in {201, 202}, reply.text
    (row,) = await admin.api.sql("SELECT id FROM workflow_steps")
    page = await open_job(admin, f"step:{row.id}:1")
    assert page.links()["the workflow w"] == f"/workflows/{reply.json()['id']}"


async def test_a_sensitive_job_shows_nothing(admin: Person) -> None:
    await admin.api.runtime.queue.enqueue(confide(secret="hunter2").deferred(job_id="secret"))
    page = await open_job(admin, "secret")
    assert "hunter2" not in page.reply.text
    assert facts(page)["secret"] == MASK
    assert "This job is sensitive" in page.text


async def test_only_the_history_knows_it(admin: Person) -> None:
    run = a_run("old", state="failed", attempt=1, error_type="a.B", error="bad", traceback="at x",
                trace="0" * 31 + "1", worker="host:1", enqueued_at=datetime.now(UTC))  # fmt: skip
    await write(admin.api.runtime, run)
    page = await open_job(admin, "old")
    assert facts(page)["Kept"] == "in the history"
    assert facts(page)["Trace"] == "0" * 31 + "1"
    assert "at x" in page.text
    refused = await admin.send(page, "/jobs/old/retry")
    assert refused.note.startswith("This release has no job 'x.y'")


async def test_an_unreadable_job_is_shown_all_the_same(admin: Person) -> None:
    """Its arguments are of another release: the page says so instead of failing."""
    await durable(admin.api, "odd")
    payload = b'{"f":"tests.lift","a":[],"k":{"gone":1},"t":1,"et":1}'
    await admin.api.sql("UPDATE durable_jobs SET payload = :payload", payload=payload)
    await admin.api.runtime.queue.set("arq:job:odd", payload)
    page = await open_job(admin, "odd")
    assert page.title == "tests.lift"
    assert "Its arguments do not fit this release" in page.text


async def test_who_may_not_operate_has_no_buttons(stranger: Person) -> None:
    """V037: hidden, and refused; another's job is not found, whatever one may."""
    await durable(stranger.api, "mine", actor="bob")
    await durable(stranger.api, "hers", actor="ann")
    await stranger.log_in("bob", "jobs:read")
    page = await open_job(stranger, "mine")
    assert buttons(page) == []
    csrf = page.fields("/logout")["csrf"]
    for verb in ("cancel", "retry", "discard"):
        reply = await stranger.post(f"/jobs/mine/{verb}", csrf=csrf, confirmed="yes")
        assert reply.status_code == 403
    missing = await open_job(stranger, "hers", 404)
    assert "There is no such job" in missing.text
    assert sorted(await stranger.api.queued()) == ["hers", "mine"]


async def test_anothers_job_is_not_steered(stranger: Person) -> None:
    await durable(stranger.api, "hers", actor="ann")
    await stranger.log_in("bob", "jobs:read", "jobs:operate")
    page = await stranger.get("/jobs")
    csrf = page.fields("/logout")["csrf"]
    reply = await stranger.post("/jobs/hers/cancel", csrf=csrf)
    assert reply.status_code == 404
    reply = await stranger.post("/jobs/hers/cancel", csrf=csrf, confirmed="yes")
    assert reply.status_code == 404
    assert await stranger.api.queued() == ["hers"]


async def test_hostile_text_stays_text(admin: Person) -> None:
    """In the id, the name, arguments, errors, tracebacks, headers, worker and result."""
    for n, text in enumerate(HOSTILE):
        shown = text[:200]
        job_id = f"{n} {shown}"
        quoted = '"' + text.replace('"', '\\"') + '"'
        run = a_run(job_id, name=text, actor=text, queue=text, state="failed", worker=text,
                    trace=text, error_type=text, error=text, traceback=text, result=quoted,
                    arguments=f'{{"a": {quoted}}}')  # fmt: skip
        await write(admin.api.runtime, run)
        call = JobCall(shown, "publishing", kwargs={text: [text]}, job_id=f"open {job_id}",
                       headers={"x": text, "actor": text})  # fmt: skip
        await admin.api.runtime.queue.enqueue(call)
        for found in (job_id, f"open {job_id}"):
            page = await open_job(admin, found)
            assert shown in page.main.get_text()
            assert page.main.select("script, img") == []
            assert page.soup.select("[onerror], [style]") == []
            assert all(str(a["href"]).startswith("/") for a in page.main.select("a"))
            assert "49" not in page.title
