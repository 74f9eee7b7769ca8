"""`almanac jobs` and `almanac dead`: finding jobs, and steering them one by one."""

from datetime import timedelta

import pytest

from service.errors import Conflict, InvalidInput, NotFound
from service.kit.clock import now
from service.monitoring import jobs
from tests.api.test_workers import NAME, living
from tests.commands.terminal import Terminal
from tests.support import Installation
from tests.workers.history import a_run, write

pytestmark = pytest.mark.asyncio


async def audited(api: Installation, domain: str) -> list[tuple[str, str, str]]:
    """Return what the audit log has of a domain: actor, action and subject."""
    rows = await api.sql("SELECT actor, action, subject FROM audit_log ORDER BY id")
    return [tuple(row) for row in rows if row[1].startswith(f"{domain}.")]


async def deferred(api: Installation) -> str:
    """Queue a job for in an hour, and return its id."""
    call = jobs.clean().deferred(until=now() + timedelta(hours=1), job_id="tomorrow")
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(call)
    return "tomorrow"


async def test_what_is_scheduled_is_listed_without_a_worker(
    api: Installation, terminal: Terminal
) -> None:
    """G040, N023, T032: each deferred job with the time when it is due."""
    job_id = await deferred(api)
    (item,) = (await terminal.json("jobs", "list", "--state", "scheduled"))["items"]
    assert (item["id"], item["name"], item["state"]) == (job_id, "monitoring.clean", "deferred")
    shown = await terminal.shows("jobs", "list", "--state", "scheduled")
    assert f"{now() + timedelta(hours=1):%m-%d %H:}" in shown
    assert job_id in shown
    assert await terminal.shows("jobs", "list", "--state", "running") == "None\n"
    assert await terminal.shows("jobs", "list", "--state", "queued") == "None\n"


async def test_the_history_is_listed(api: Installation, terminal: Terminal) -> None:
    """`jobs list --json` is what the API shows; without, a table."""
    await write(
        api.runtime,
        a_run("good", name="a.job"),
        a_run("bad", name="b.job", state="failed"),
        a_run("old", name="b.job", state="failed", ago=timedelta(hours=3)),
    )
    listed = await terminal.json("jobs", "list", "--state", "failed", "--since", "1h")
    assert listed == (await api.get("/v1/jobs?state=failed&name=b.job")).json() | {
        "items": [item for item in listed["items"] if item["id"] == "bad"]
    }
    assert [item["id"] for item in listed["items"]] == ["bad"]
    table = await terminal.shows("jobs", "list", "--name", "b.job")
    assert [word for word in ("good", "bad", "old") if word in table] == ["bad", "old"]


async def test_a_job_that_waits_is_cancelled(api: Installation, terminal: Terminal) -> None:
    """G041: it never runs; the audit log tells who did it."""
    job_id = await deferred(api)
    assert job_id in await terminal.shows("jobs", "cancel", job_id)
    assert (await terminal.json("jobs", "show", job_id))["state"] == "cancelled"
    assert await api.queued("maintenance") == []
    (entry,) = await audited(api, "jobs")
    assert entry[0].startswith("cli:")
    assert entry[1:] == ("jobs.cancel", job_id)


async def test_a_deferred_post_is_cancelled(api: Installation, terminal: Terminal) -> None:
    """G041: never published, its delivery is cancelled."""
    post = await api.schedule(
        [await api.connect()], publish_at=f"{now() + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    )
    await terminal.shows("jobs", "cancel", post["deliveries"][0]["job_id"])
    assert (await api.read_post(post["id"]))["state"] == "cancelled"


async def test_what_cannot_be_cancelled_or_retried(api: Installation, terminal: Terminal) -> None:
    """Unknown ids and jobs that have ended: refused, and nothing happens."""
    assert isinstance(await terminal.refused("jobs", "cancel", "nobody"), NotFound)
    assert isinstance(await terminal.refused("jobs", "retry", "nobody"), NotFound)
    assert isinstance(await terminal.refused("jobs", "show", "nobody"), NotFound)
    job_id = await deferred(api)
    assert isinstance(await terminal.refused("jobs", "retry", job_id), Conflict)
    await terminal.shows("jobs", "cancel", job_id)
    assert isinstance(await terminal.refused("jobs", "cancel", job_id), Conflict)
    assert await api.queued("maintenance") == []


async def test_a_cancelled_job_runs_again(api: Installation, terminal: Terminal) -> None:
    """`jobs retry` lets it run, under its id."""
    job_id = await deferred(api)
    await terminal.shows("jobs", "cancel", job_id)
    await terminal.shows("jobs", "retry", job_id)
    await api.work("maintenance")
    assert (await terminal.json("jobs", "wait", job_id))["state"] == "succeeded"


async def test_enqueue_is_audited_and_carries_the_actor(
    api: Installation, terminal: Terminal
) -> None:
    """N033: the id is printed; the job and the audit log say who sent it."""
    job_id = (await terminal.shows("jobs", "enqueue", "posts.sweep")).strip()
    (entry,) = await audited(api, "jobs")
    assert entry[1:] == ("jobs.enqueue", job_id)
    assert (await api.get(f"/v1/jobs/{job_id}")).json()["actor"] == entry[0]
    assert isinstance(await terminal.refused("jobs", "enqueue", "posts.nothing"), InvalidInput)


async def test_a_running_job_names_its_worker(api: Installation, terminal: Terminal) -> None:
    """G039, N022, T031, K053, V089: the list of what runs is there, also when nothing does."""
    async with living(api):
        assert await terminal.json("jobs", "list", "--state", "active") == {
            "items": [],
            "next_cursor": None,
            "searched_to": None,
            "lost": 0,
        }
        (worker,) = (await terminal.json("workers", "show"))["items"]
        assert (worker["name"], worker["running"]) == (NAME, [])


async def test_dead_jobs(api: Installation, terminal: Terminal) -> None:
    """`dead list|replay|discard`: counts, and an audit entry each; nothing without a choice."""
    await api.runtime.queue.zadd("almanac:maintenance", {"unreadable": 5})
    await api.runtime.queue.set("arq:job:unreadable", b"\x80\x05 no JSON")
    await api.work("maintenance")
    (item,) = (await terminal.json("dead", "list"))["items"]
    assert item["id"] == "unreadable"
    assert "unreadable" in await terminal.shows("dead", "list")
    assert isinstance(await terminal.refused("dead", "discard"), InvalidInput)
    assert len((await terminal.json("dead", "list"))["items"]) == 1
    assert await terminal.json("dead", "discard", "unreadable") == {"discarded": 1}
    assert await terminal.shows("dead", "list") == "None\n"
    assert await terminal.json("dead", "replay", "--all") == {"replayed": 0, "left": 0}
    assert [entry[1] for entry in await audited(api, "dead")] == ["dead.discard", "dead.replay"]
