"""Jobs run again, are cancelled, and say how far they are."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from service.queue import cancel
from tests.api.lifting import Gym, audited, durable, lift, shown
from tests.support import Installation
from workers.engine.identity import process_name

pytestmark = pytest.mark.asyncio
LATER = datetime.now(UTC) + timedelta(hours=3)


@pytest.mark.parametrize("kind", ["durable", "plain"])
@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_what_failed_or_was_cancelled_runs_again(
    api: Installation, kind: str, end: str
) -> None:
    """V014: under its id, as if it had never run."""
    gym = Gym()
    if kind == "durable":
        await durable(api, "a", 101, actor="ann")
    else:
        await api.runtime.queue.enqueue(lift(weight=101).deferred(job_id="a"))
    if end == "failed":
        await gym.train(api)
    else:
        assert (await api.post("/v1/jobs/a/cancel", None)).status_code == 202
    assert (await shown(api, "a"))["state"] == end
    gym.runs.clear()
    gym.strong = True
    assert (await api.post("/v1/jobs/a/retry", None)).status_code == 202
    await gym.train(api)
    again = await shown(api, "a")
    assert (again["state"], again["result"]["lifted"], gym.runs) == ("succeeded", 101, [101])
    assert again["actor"] == ("ann" if kind == "durable" else None)
    assert (await audited(api))[-1] == ("admin", "jobs.retry", "a")


async def test_what_needs_no_retry_is_refused(api: Installation) -> None:
    """It waits, it succeeded, nobody knows it: said, and nothing happens."""
    await durable(api, "a")
    reply = await api.post("/v1/jobs/a/retry", None)
    assert reply.status_code == 409
    assert reply.json()["detail"].endswith("this one is queued")
    gym = Gym()
    await gym.train(api)
    for verb, reason in (("retry", "runs again"), ("cancel", "is cancelled")):
        reply = await api.post(f"/v1/jobs/a/{verb}", None)
        assert reply.status_code == 409
        assert f"{reason}; this one is succeeded" in reply.json()["detail"]
        assert (await api.post(f"/v1/jobs/unknown/{verb}", None)).status_code == 404
    await gym.train(api)
    assert gym.runs == [1]


async def test_a_job_whose_function_is_gone_stays_dead(api: Installation) -> None:
    """V049: refused with the reason, on record, and nothing of it is lost."""
    await durable(api, "a", 101)
    await Gym().train(api)
    await api.sql("UPDATE durable_jobs SET name = 'tests.gone'")
    await api.runtime.queue.flushdb()
    before = await api.sql("SELECT * FROM durable_jobs")
    reply = await api.post("/v1/dead/replay", {"ids": ["a"]})
    reason = "this release has no job 'tests.gone'"
    refused = [{"id": "a", "reason": reason}]
    assert reply.json() == {"replayed": 0, "left": 1, "refused": refused}
    assert await api.sql("SELECT * FROM durable_jobs") == before
    assert await api.queued() == []
    assert [action for _, action, _ in await audited(api)] == ["dead.replay"]


async def test_many_are_cancelled_by_what_they_are(api: Installation) -> None:
    """V014: by name, queue and state; no filter is no selection."""
    for n in range(3):
        await durable(api, f"now-{n}")
        await api.runtime.queue.enqueue(lift(weight=2).deferred(LATER, f"later-{n}"))
    for body in ({}, {"all": True, "name": "tests.lift"}, {"queue": "No queue"}, {"state": "dead"}):
        assert (await api.post("/v1/jobs/cancel", body)).status_code == 422
    assert await audited(api) == []
    assert len(await api.queued()) == 6
    none = {"cancelled": 0, "left": 0, "more": False}
    assert (await api.post("/v1/jobs/cancel", {"name": "tests.other"})).json() == none
    assert (await api.post("/v1/jobs/cancel", {"queue": "media"})).json() == none
    reply = await api.post("/v1/jobs/cancel", {"state": "deferred"})
    assert reply.json() == {"cancelled": 3, "left": 0, "more": False}
    assert sorted(await api.queued()) == ["now-0", "now-1", "now-2"]
    reply = await api.post("/v1/jobs/cancel", {"all": True})
    assert reply.json()["cancelled"] == 3
    assert await api.queued() == []
    gym = Gym()
    await gym.train(api)
    assert gym.runs == []
    assert [a for _, a, _ in await audited(api)] == ["jobs.cancel"] * 4


async def test_a_running_job_says_how_far_it_is(api: Installation) -> None:
    """N056, G039: progress and the last lines, who runs it since when; kept after its end."""
    await durable(api, "a", actor="ann")
    await api.runtime.queue.enqueue(lift(weight=7).deferred(job_id="b"))
    door = asyncio.Event()
    gym = Gym(door=door)
    working = asyncio.create_task(gym.train(api))
    try:
        async with asyncio.timeout(30):
            while (job := await shown(api, "a"))["progress"] is None:  # noqa: ASYNC110 - a row's
                await asyncio.sleep(0.1)
            listed = (await api.get("/v1/jobs?state=running")).json()["items"]
    finally:
        door.set()
        await working
    assert (job["state"], job["progress"]) == ("running", {"percent": 25, "text": "warming up"})
    (line,) = job["log"]
    assert line.endswith("WARNING lifting 1 kg")
    found = {item["id"]: item for item in listed}
    assert found.keys() == {"a", "b"}
    assert {item["state"] for item in listed} == {"running"}
    assert found["a"]["progress"] == {"percent": 25, "text": "warming up"}
    assert found["a"]["started_at"] is not None
    assert {item["worker"] for item in listed} == {process_name()}
    assert found["a"]["arguments"] == {"weight": 1}
    ended = await shown(api, "a")
    assert (ended["state"], ended["log"]) == ("succeeded", [line])
    assert (await api.get("/v1/jobs?state=running")).json()["items"] == []


async def test_a_cancelled_job_without_result_says_what_to_do(api: Installation) -> None:
    """Its result has expired: there is nothing left that could run."""
    await api.runtime.queue.enqueue(lift(weight=1).deferred(job_id="a"))
    assert await cancel(api.runtime.queue, "a")
    await api.record()
    await api.runtime.queue.flushdb()
    reply = await api.post("/v1/jobs/a/retry", None)
    assert reply.status_code == 409
    assert reply.json()["detail"].endswith("send it anew")
