"""Workers as pages: who is there, how each is in plain words, and what they can be told."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from service.kit.clock import now
from service.monitoring import worker_routes
from service.queue import presence, queue_key
from service.queue.presence import Address, RunningJob, WorkerView
from tests.access.helpers import PASSWORD, new_user
from tests.api.test_workers import NAME, living
from tests.dashboard.person import Page, Person

pytestmark = pytest.mark.asyncio
HOSTILE = "<script>alert(1)</script>"


def a_worker(**values: Any) -> WorkerView:
    """Return a worker that was just seen, unless `values` say otherwise."""
    given: dict[str, Any] = {
        "name": "host:1", "host": "host", "pid": 1, "queue": "emails", "state": "running",
        "started_at": now() - timedelta(hours=10), "seen_at": now(), "open": 4, "most": 8,
        "running": [], "busy": 0, "done": 90, "failed": 6, "retried": 4, "memory_mib": 64.0,
        "loop_lag_ms": 3.0, "lease": "held", "leases_lost": 0, "lease_s": 30.0,
        "functions": ["emails.send"], "load_average": [0.5, 0.25, 0.125], "incarnation": "i",
    }  # fmt: skip
    return WorkerView(**(given | values))


async def told(person: Person, *views: WorkerView) -> None:
    """Have workers that said this."""
    async with person.api.runtime.queue.pipeline(transaction=False) as pipe:
        for view in views:
            presence.tell(pipe, Address(queue_key(view.queue), view.name), view)
        await pipe.execute()


async def state_of(person: Person, *views: WorkerView) -> str:
    """Return how the one worker is said to be."""
    await told(person, *views)
    (row,) = (await person.get("/workers")).rows("#live table")
    return row[0].removeprefix("host:1 ")


async def audited(person: Person) -> list[tuple[str, str]]:
    """Return what the audit log has of workers: action and subject."""
    rows = await person.api.sql("SELECT action, subject FROM audit_log ORDER BY id")
    return [(row[0], row[1]) for row in rows if row[0].startswith("workers.")]


def checks(page: Page) -> dict[str, list[str]]:
    """Return what was looked at, by name."""
    return {row[0]: row[1:] for row in page.rows("#live ~ table")}


async def test_nobody_is_there(admin: Person) -> None:
    """N057, T064: and what to do about it."""
    page = await admin.get("/workers")
    assert "No worker was seen in the last day. Start one: almanac worker publishing" in page.text


async def test_the_state_of_what_they_stand_on(admin: Person) -> None:
    """V026, T041: database, Redis, storage, workers and maintenance, as they truly are."""
    await admin.api.runtime.queue.enqueue_job("x", _job_id="a", _queue_name=queue_key("emails"))
    found = checks(await admin.get("/workers"))
    info = await admin.api.runtime.queue.info()
    assert found["Database"][:2] == ["well", "ok"]
    assert found["Redis"][0] == "well"
    assert str(info.get("valkey_version", info["redis_version"])) in found["Redis"][1]
    assert "MiB in use" in found["Redis"][1]
    assert found["Storage"][0] == "well"
    assert "is writable" in found["Storage"][1]
    assert found["Workers"][0] == "not well"
    assert "no worker of emails is alive" in found["Workers"][1]
    assert found["Maintenance"][0] == "not well"
    reply = await admin.http.get("/workers", headers={"HX-Request": "true"})
    assert "is writable" not in reply.text, "not again at every event"


async def test_a_process_is_one_row(admin: Person) -> None:
    """G028, V043, V039: its queues, jobs, totals, memory, lag and rate together."""
    job = RunningJob(id="j1", name=HOSTILE, started_at=now(), tries=1)
    await told(
        admin,
        a_worker(running=[job], busy=1),
        a_worker(queue="reports", done=10, failed=0, retried=0, loop_lag_ms=7.0),
    )
    page = await admin.get("/workers")
    (row,) = page.rows("#live table")
    assert row == [
        *("host:1 Runs 1 job", "emails , reports", HOSTILE, "1 of 8", "100", "6", "0.183"),
        *("64 MiB", "7 ms", "10 h"),
    ]
    assert page.links()[HOSTILE] == "/jobs/j1"
    assert page.links()["host:1"] == "/workers/host%3A1"
    assert page.main.select("script") == []


async def test_one_process(admin: Person) -> None:
    """V043: host, process, totals, load, leases, and every job that it can run."""
    job = RunningJob(id="j1", name="emails.send", started_at=now(), tries=2)
    await told(admin, a_worker(running=[job], busy=3, leases_lost=2))
    page = await admin.get("/workers/host:1")
    assert page.title == "Worker host:1"
    for fact in (
        "host, 1",
        "10 h, since",
        "90 succeeded, 6 failed, 4 tried again; 0.167 a minute",
        "64 MiB",
        "3 ms at the most, lately",
        "0.50, 0.25, 0.12",
        "It holds 3 jobs.",
    ):
        assert fact in page.text
    assert page.rows("#live table") == [["emails", "3", "4", "8", "held , 2 lost since its start"]]
    assert page.links()["emails.send"] == "/jobs/j1"
    assert [code.get_text() for code in page.main.select("code")] == ["emails.send"]


async def test_how_a_worker_is_in_words(admin: Person) -> None:
    """V039: the worst first; each is what an operator must know."""
    assert await state_of(admin, a_worker()) == "Listens"
    assert await state_of(admin, a_worker(busy=2)) == "Runs 2 jobs"
    assert await state_of(admin, a_worker(state="quiet")) == "Quiet: takes no new jobs"
    assert await state_of(admin, a_worker(loop_lag_ms=2500.0)) == (
        "Its event loop is late by 2.5 s"
    )
    assert await state_of(admin, a_worker(lease="lost")) == (
        "Runs a job that another worker has taken over"
    )
    late = now() - timedelta(seconds=33)
    assert (await state_of(admin, a_worker(seen_at=late))).startswith("Late: not heard of for 3")
    gone = now() - timedelta(minutes=2)
    assert (await state_of(admin, a_worker(seen_at=gone))).startswith("Dead: not heard of for 2")


async def test_one_that_lives_but_does_not_consume(admin: Person) -> None:
    """A job has been due for more than a minute beside a free slot."""
    client, key = admin.api.runtime.queue, queue_key("emails")
    await client.enqueue_job("x", _job_id="a", _queue_name=key)
    await client.zadd(key, {"a": now().timestamp() * 1000 - 90_000})
    expected = "Not consuming emails, though a slot is free"
    assert await state_of(admin, a_worker()) == expected
    assert await state_of(admin, a_worker(busy=4)) == "Runs 4 jobs"
    await client.set(f"{key}:paused", 1)
    assert await state_of(admin, a_worker()) == "Listens", "what is paused waits for a person"
    page = await admin.get("/queues/emails")
    assert page.links()["host:1"] == "/workers/host%3A1"


async def test_a_dead_one_can_be_told_nothing(admin: Person) -> None:
    await told(admin, a_worker(seen_at=now() - timedelta(minutes=2)))
    page = await admin.get("/workers/host:1")
    assert "Its jobs were given to others" in page.text
    assert not [action for action in page.forms() if "/workers" in action]
    token = page.fields("/logout")["csrf"]
    reply = await admin.post("/workers/host:1/quiet", csrf=token)
    assert "No worker &#39;host:1&#39; is alive" in reply.text
    await admin.get("/workers/nobody:1", 404)
    await admin.get("/workers/nobody:1/shutdown", 404)
    assert await audited(admin) == []


async def test_telling_a_worker(admin: Person) -> None:
    """V039, G028: a real worker answers; stopping it is confirmed first; all of it is audited."""
    path = f"/workers/{NAME.replace(':', '%3A')}"
    async with living(admin.api) as worker:
        page = await admin.send(await admin.get(path), f"{path}/ping")
        assert page.note.startswith(f"{NAME} answers; it runs 0 jobs, and its event loop is late")
        page = await admin.send(page, f"{path}/quiet")
        assert page.note.startswith(f"{NAME} takes no new jobs;")
        page = await admin.send(page, f"{path}/resume")
        assert page.note.startswith(f"{NAME} takes jobs;")
        asked = await admin.get(page.links()["Shut down…"])
        assert asked.title == f"Shut down {NAME}?"
        assert "It serves maintenance. It runs no job now." in asked.text
        token = asked.fields("/logout")["csrf"]
        again = await admin.post(f"{path}/shutdown", csrf=token)
        assert "Shut down" in again.text
        assert not worker.stopping
        page = await admin.send(asked, f"{path}/shutdown")
        assert page.note.startswith(f"{NAME} stops as soon as its jobs have ended;")
        async with asyncio.timeout(10):
            while await presence.workers(admin.api.runtime.queue):  # noqa: ASYNC110 - a key is no event
                await asyncio.sleep(0.02)
    verbs = ("ping", "quiet", "resume", "shutdown")
    assert await audited(admin) == [(f"workers.{verb}", f"worker:{NAME}") for verb in verbs]


async def test_one_that_does_not_answer(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says so, soon."""
    monkeypatch.setattr(worker_routes, "PATIENCE", 0.1)
    await told(admin, a_worker())
    page = await admin.send(await admin.get("/workers/host:1"), "/workers/host%3A1/ping")
    assert (page.path, page.note) == ("/workers", "'host:1' did not answer within 0.1 s")


async def test_who_may_do_what(stranger: Person) -> None:
    """V037: a reader nothing, an operator all but stopping; others' jobs are not named."""
    job = RunningJob(id="j1", name="x", started_at=now(), tries=1, actor="eve")
    await told(stranger, a_worker(running=[job], busy=1))
    await stranger.log_in("bob", "jobs:read")
    page = await stranger.get("/workers/host:1")
    assert "It holds jobs that are other people's" in page.text
    assert "j1" not in page.reply.text
    assert not [action for action in page.forms() if "/workers" in action]
    token = page.fields("/logout")["csrf"]
    for verb in ("ping", "quiet", "resume", "shutdown"):
        reply = await stranger.post(f"/workers/host:1/{verb}", csrf=token, confirmed="yes")
        assert reply.status_code == 403
    await new_user(stranger.api, "olga", "jobs:read", "jobs:operate")
    page = await stranger.send(page, "/logout")
    page = await stranger.send(page, "/login", name="olga", password=PASSWORD)
    page = await stranger.get("/workers/host:1")
    assert "/workers/host%3A1/quiet" in page.forms()
    assert "Shut down…" not in page.links()
    await stranger.get("/workers/host:1/shutdown", 403)
    token = page.fields("/logout")["csrf"]
    reply = await stranger.post("/workers/host:1/shutdown", csrf=token, confirmed="yes")
    assert reply.status_code == 403
    assert await audited(stranger) == []


async def test_without_jobs_read_there_is_no_page(stranger: Person) -> None:
    await stranger.log_in("bob", "posts:read")
    for path in ("/queues", "/queues/emails", "/workers", "/workers/host:1"):
        await stranger.get(path, 403)


async def test_names_of_another_release_break_nothing(admin: Person) -> None:
    """A queue that this release would not make, and a host with markup."""
    view = a_worker(name=f"{HOSTILE}:1", host=HOSTILE, queue="emails")
    odd = msgspec.structs.replace(view, queue="Odd Queue")
    async with admin.api.runtime.queue.pipeline(transaction=False) as pipe:
        presence.tell(pipe, Address("Odd Queue", odd.name), odd)
        await pipe.execute()
    page = await admin.get("/workers")
    assert "Odd Queue" in page.text
    assert page.main.select("script") == []
