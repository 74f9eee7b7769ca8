"""Queues over HTTP: how they are, pause, resume, purge."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.errors import Unavailable
from service.kit.clock import now
from service.monitoring import jobs, queue_views
from service.monitoring.runs import Run
from service.queue import connect, is_paused, queue_key
from service.queue.presence import WORKERS
from service.runtime import Runtime
from tests.queue.raw import raw
from tests.support import Installation, problems
from tests.workers.history import a_run, write

pytestmark = pytest.mark.asyncio
KEY = queue_key("maintenance")
SCHEDULED = timedelta(minutes=5)


async def send(api: Installation, *ids: str, later: bool = False, queue: str = KEY) -> None:
    """Queue jobs that belong to nothing."""
    by = SCHEDULED if later else None
    for job_id in ids:
        client = api.runtime.queue
        await client.enqueue_job("x", _job_id=job_id, _queue_name=queue, _defer_by=by)


async def queue(api: Installation, name: str = "maintenance") -> dict[str, Any]:
    """Return a queue as it is shown."""
    response = await api.get(f"/v1/queues/{name}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def audited(api: Installation) -> list[tuple[str, str]]:
    """Return what the audit log has of queues: action and subject."""
    rows = await api.sql("SELECT action, subject FROM audit_log ORDER BY id")
    return [(row[0], row[1]) for row in rows if row[0].startswith("queues.")]


async def test_what_a_queue_holds(api: Installation) -> None:
    """V042, T039, V052, V102, N054: each count is that of Redis."""
    await send(api, "a", "b", "held")
    await send(api, "c", later=True)
    client = api.runtime.queue
    await raw(client, "HSET", f"{KEY}:claims", "held", "w.1:1")
    await client.set("arq:in-progress:held", "w.1:1", px=60_000)
    await client.zadd(KEY, {"held": now().timestamp() * 1000 + 10_000})
    await client.zadd(f"{KEY}:dead", {"d": 1})
    shown = await queue(api)
    counts = {name: shown[name] for name in ("depth", "ready", "running", "deferred", "dead")}
    assert counts == {"depth": 4, "ready": 2, "running": 1, "deferred": 1, "dead": 1}
    assert shown["depth"] == await client.zcard(KEY)
    assert 0 <= shown["oldest_age"] < 60
    assert (shown["workers"], shown["paused"]) == (0, False)
    assert shown["problem"] == "no living worker"
    scale = await api.get("/v1/queues/maintenance/scale")
    assert scale.json() == {"value": 3}


async def test_how_fast_a_queue_goes(api: Installation) -> None:
    """From the last hour of the history: rate, waits of first runs, durations."""
    runs = [_took(n) for n in range(1, 22)]
    old = a_run("old", queue="webhooks", ago=timedelta(hours=2))
    await write(api.runtime, *runs, _took(50)._replace(attempt=2, job_id="again"), old)
    shown = await queue(api, "webhooks")
    assert shown["rate"] == 0.37
    assert shown["wait"] == {"p50": 22.0, "p95": 40.0}
    assert shown["duration"] == {"p50": 11.5, "p95": 20.95}
    assert shown["problem"] is None


def _took(seconds: int) -> Run:
    """Return a run of so many seconds that had waited for twice as long."""
    run = a_run(str(seconds), queue="webhooks", ago=timedelta(minutes=10))
    started = run.finished_at - timedelta(seconds=seconds)
    return run._replace(started_at=started, enqueued_at=started - timedelta(seconds=2 * seconds))


async def test_dead_jobs_are_counted_wherever_they_are(api: Installation) -> None:
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(jobs.clean())
    await api.sql("UPDATE durable_jobs SET state = 'failed', finished_at = now()")
    await api.runtime.queue.zadd(f"{KEY}:dead", {"d": 1})
    assert (await queue(api))["dead"] == 2


async def test_all_queues_and_their_server(api: Installation) -> None:
    """T041: which server it is, its memory, and what it does when that is full."""
    response = await api.get("/v1/queues")
    assert response.status_code == 200
    body = response.json()
    names = [item["name"] for item in body["items"]]
    assert names == sorted(names)
    assert {"publishing", "maintenance", "webhooks", "default"} <= set(names)
    info = await api.runtime.queue.info()
    server = body["server"]
    assert server["version"] == info.get("valkey_version", info["redis_version"])
    assert server["used_memory"] > 100_000
    assert (server["max_memory"], server["policy"]) == (info["maxmemory"], info["maxmemory_policy"])
    assert body["next_cursor"] is None


async def test_without_redis(runtime: Runtime) -> None:
    """It is told, and soon."""
    nowhere = connect("redis://127.0.0.1:1")
    for look in (queue_views.queues, queue_views.server):
        with pytest.raises(Unavailable, match="Redis did not answer within 5 s"):
            await look(replace(runtime, queue=nowhere))
    await nowhere.aclose()


async def test_the_status_of_celerys_tools(api: Installation) -> None:
    """V042, V031, V090: its shape to the letter."""
    await send(api, "a")
    await send(api, "b", "c", later=True, queue=queue_key("default"))
    seen = {f"{KEY}:worker:here:1": now().timestamp() * 1000}
    await api.runtime.queue.zadd(WORKERS, seen)
    status = (await api.get("/v1/queues/status")).json()
    assert set(status) == {"timestamp", "workers", "queues", "total_tasks"}
    assert status["workers"] == ["here:1"]
    waits = {"active": 0, "scheduled": 0, "reserved": 1, "pending": 1}
    later = {"active": 0, "scheduled": 2, "reserved": 0, "pending": 2}
    assert (status["queues"]["maintenance"], status["queues"]["default"]) == (waits, later)
    assert status["total_tasks"] == {"active": 0, "scheduled": 2, "reserved": 1, "pending": 3}


async def test_pause_and_resume(api: Installation) -> None:
    """V039: each noted before it is done."""
    await send(api, "a")
    paused = await api.post("/v1/queues/maintenance/pause", None)
    assert (paused.status_code, paused.json()) == (200, {"name": "maintenance", "paused": True})
    assert await is_paused(api.runtime.queue, KEY)
    assert (await queue(api))["problem"] == "paused"
    resumed = await api.post("/v1/queues/maintenance/resume", None)
    assert resumed.json() == {"name": "maintenance", "paused": False}
    assert not await is_paused(api.runtime.queue, KEY)
    subject = "queue:maintenance"
    assert await audited(api) == [("queues.pause", subject), ("queues.resume", subject)]


@pytest.mark.parametrize("body", [None, {}, {"confirm": "default"}, {"cancel_owners": True}])
async def test_no_purge_by_accident(api: Installation, body: object) -> None:
    """Without the queue's name it is refused, and nothing happened."""
    await send(api, "a")
    refused = await api.post("/v1/queues/maintenance/purge", body)
    assert refused.status_code == 422
    expected = "must be 'maintenance' (or ?yes=true) to purge this queue; nothing was removed"
    assert problems(refused) == {"confirm": expected}
    assert await api.queued("maintenance") == ["a"]
    assert await audited(api) == []


@pytest.mark.parametrize(
    ("query", "body"), [("", {"confirm": "maintenance"}), ("?yes=true", None), ("?yes=true", {})]
)
async def test_a_purge_empties_one_queue(api: Installation, query: str, body: object) -> None:
    """G056, G057, N051, V091: that queue alone; what belongs to rows is left to them."""
    await send(api, "a", "b")
    await send(api, "c", later=True)
    await send(api, "other", queue=queue_key("default"))
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(jobs.clean())
    done = await api.post(f"/v1/queues/maintenance/purge{query}", body)
    assert done.json() == {"removed": 3, "kept_owned": 1, "running_left": 0}
    assert len(await api.queued("maintenance")) == 1
    assert await api.queued("default") == ["other"]
    assert await audited(api) == [("queues.purge", "queue:maintenance")]


async def test_a_purge_with_owners_cancels_rows(api: Installation) -> None:
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(jobs.clean())
    body = {"confirm": "maintenance", "cancel_owners": True}
    done = await api.post("/v1/queues/maintenance/purge", body)
    assert done.status_code == 200, done.text
    assert await api.queued("maintenance") == []
    assert await api.sql("SELECT state FROM durable_jobs") == [("cancelled",)]


@pytest.mark.parametrize("name", ["nothing", "No-Queue", "almanac:maintenance", "%00"])
async def test_a_queue_that_is_none(api: Installation, name: str) -> None:
    """404, and nothing is made of it."""
    asked = [api.get(f"/v1/queues/{name}"), api.get(f"/v1/queues/{name}/scale")]
    asked += [api.post(f"/v1/queues/{name}/{verb}", None) for verb in ("pause", "resume")]
    asked += [api.post(f"/v1/queues/{name}/purge?yes=true", None)]
    answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [404] * 5
    assert await api.runtime.queue.keys("*") == []
    assert await audited(api) == []


async def test_who_may_not(api: Installation) -> None:
    """No key, and a key that only reads."""
    await send(api, "a")
    reader = await api.new_key("jobs:read")
    other = await api.new_key("posts:read", user="else")
    steering = ["pause", "resume", "purge?yes=true"]
    for path in steering:
        assert (await api.http.post(f"/v1/queues/default/{path}")).status_code == 401
        refused = await api.post(f"/v1/queues/default/{path}", None, key=reader)
        assert refused.status_code == 403
    for path in ("", "/status", "/default", "/default/scale"):
        assert (await api.http.get(f"/v1/queues{path}")).status_code == 401
        assert (await api.get(f"/v1/queues{path}", key=other)).status_code == 403
        assert (await api.get(f"/v1/queues{path}", key=reader)).status_code == 200
    assert await api.queued("maintenance") == ["a"]
    assert await audited(api) == []
