"""Workers over HTTP: who is there, what they are told."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

from service.kit.clock import now
from service.queue import presence, queue_key
from service.queue.presence import WORKERS, Address, RunningJob, WorkerView
from tests.support import Installation
from workers.engine import Worker

pytestmark = pytest.mark.asyncio
NAME = f"{socket.gethostname()}:{os.getpid()}"


@asynccontextmanager
async def living(api: Installation, queue: str = "maintenance") -> AsyncIterator[Worker]:
    """Have a worker of a queue."""
    worker = api.worker(queue, burst=False)
    task = asyncio.create_task(worker.async_run())
    async with asyncio.timeout(15):
        while not await presence.workers(api.runtime.queue):  # noqa: ASYNC110 - a key is no event
            await asyncio.sleep(0.02)
    try:
        yield worker
    finally:
        worker.handle_sig(signal.SIGTERM)
        async with asyncio.timeout(15):
            await task


async def dead_worker(api: Installation, name: str) -> None:
    """Remember a worker that died two minutes ago."""
    address, seen = Address(queue_key("maintenance"), name), now() - timedelta(minutes=2)
    (living_one,) = await presence.workers(api.runtime.queue)
    view = msgspec.structs.replace(living_one, name=name, pid=1, seen_at=seen)
    async with api.runtime.queue.pipeline(transaction=False) as pipe:
        presence.tell(pipe, address, view)
        await pipe.execute()


async def audited(api: Installation) -> list[tuple[str, str]]:
    """Return what the audit log has of workers: action and subject."""
    rows = await api.sql("SELECT action, subject FROM audit_log ORDER BY id")
    return [(row[0], row[1]) for row in rows if row[0].startswith("workers.")]


async def test_workers_are_listed(api: Installation) -> None:
    """G028, G054, N019, N024, T033, T035, V051: the living and the dead, each with what it said."""
    async with living(api) as worker:
        await dead_worker(api, "gone:1")
        body = (await api.get("/v1/workers")).json()
        found = {item["name"]: item for item in body["items"]}
        assert {name: item["state"] for name, item in found.items()} == {
            NAME: "running",
            "gone:1": "offline",
        }
        assert body["next_cursor"] is None
        mine = found[NAME]
        assert (mine["queue"], mine["pid"], mine["lease"]) == ("maintenance", os.getpid(), "held")
        assert mine["functions"] == sorted(worker.functions)
        assert "monitoring.clean" in mine["functions"]
        assert set(mine) == set(WorkerView.__struct_fields__) - {"lease_s"}
        one = await api.get(f"/v1/workers/{NAME}")
        assert [item["name"] for item in one.json()["items"]] == [NAME]
    assert (await api.get(f"/v1/workers/{NAME}")).status_code == 404


async def test_other_peoples_jobs_are_not_named(api: Installation) -> None:
    """Only how many there are."""
    ada = await api.new_key("jobs:read", user="ada")
    async with living(api):
        (view,) = await presence.workers(api.runtime.queue)
        actors = {"a": "ada", "b": "eve", "c": None, "d": "schedule:nightly"}
        jobs = [
            RunningJob(id=job_id, name="x", started_at=now(), tries=1, actor=actor)
            for job_id, actor in actors.items()
        ]
        shown = msgspec.structs.replace(view, running=jobs, busy=4)
        async with api.runtime.queue.pipeline(transaction=False) as pipe:
            presence.tell(pipe, Address(queue_key("maintenance"), NAME), shown)
            await pipe.execute()
        for path in ("", f"/{NAME}"):
            for key, expected in ((ada, "acd"), (api.key, "abcd")):
                found = (await api.get(f"/v1/workers{path}", key=key)).json()["items"][0]
                assert [job["id"] for job in found["running"]] == list(expected)
                assert found["busy"] == 4


async def test_the_statistics_of_celerys_tools(api: Installation) -> None:
    """V043: status, totals, pool, uptime, load and registered jobs of each worker."""
    async with living(api) as worker:
        body = (await api.get("/v1/workers/stats")).json()
        assert set(body) == {"timestamp", "workers"}
        assert set(body["workers"]) == {NAME}
        stat = body["workers"][NAME]
        assert stat["status"] == "running"
        assert stat["total_tasks"] == {"all": 0, "succeeded": 0, "failed": 0, "retried": 0}
        slots = worker.slots
        pool = {"open": slots.open, "most": slots.most, "busy": 0, "processes": [os.getpid()]}
        assert stat["pool"] == pool
        assert 0 <= stat["uptime"] < 60
        assert len(stat["load_avg"]) == 3
        assert stat["registered_tasks"] == sorted(worker.functions)
        assert stat["queues"] == ["maintenance"]


async def test_a_worker_is_told(api: Installation) -> None:
    """N050, N052: it answers, and each command is noted before."""
    async with living(api) as worker:
        for verb, said in (("ping", "pong"), ("quiet", "quiet"), ("resume", "running")):
            answer = await api.post(f"/v1/workers/{NAME}/{verb}", None)
            assert answer.status_code == 200, answer.text
            assert (answer.json()["worker"], answer.json()["said"]) == (NAME, said)
        answer = await api.post(f"/v1/workers/{NAME}/shutdown", None)
        assert answer.json()["said"] == "stopping"
        assert worker.stopping
    verbs = ("ping", "quiet", "resume", "shutdown")
    assert await audited(api) == [(f"workers.{verb}", f"worker:{NAME}") for verb in verbs]


async def test_who_is_not_there_is_told_nothing(api: Installation) -> None:
    """404 for the unknown and the dead; one that does not answer is 503."""
    async with living(api) as worker:
        await dead_worker(api, "gone:1")
        for name in ("nobody:1", "gone:1"):
            for verb in ("ping", "quiet", "resume", "shutdown"):
                assert (await api.post(f"/v1/workers/{name}/{verb}", None)).status_code == 404
        assert await audited(api) == []
        deaf = Address(queue_key("maintenance"), "deaf:1").status
        await api.runtime.queue.zadd(WORKERS, {deaf: now().timestamp() * 1000})
        refused = await api.post("/v1/workers/deaf:1/ping", None)
        assert refused.status_code == 503
        assert refused.json()["detail"] == "'deaf:1' did not answer within 3 s"
        assert not worker.stopping


async def test_who_may_not(api: Installation) -> None:
    """No key, a key that only reads, and a shutdown by anybody but an admin."""
    operator = await api.new_key("jobs:operate", "jobs:read")
    reader = await api.new_key("jobs:read", user="reader")
    other = await api.new_key("posts:read", user="else")
    async with living(api) as worker:
        for verb in ("ping", "quiet", "resume", "shutdown"):
            path = f"/v1/workers/{NAME}/{verb}"
            assert (await api.http.post(path)).status_code == 401
            assert (await api.post(path, None, key=reader)).status_code == 403
        refused = await api.post(f"/v1/workers/{NAME}/shutdown", None, key=operator)
        assert refused.status_code == 403
        assert not worker.stopping
        assert await audited(api) == []
        assert (await api.post(f"/v1/workers/{NAME}/ping", None, key=operator)).status_code == 200
        for path in ("", "/stats", f"/{NAME}"):
            assert (await api.http.get(f"/v1/workers{path}")).status_code == 401
            assert (await api.get(f"/v1/workers{path}", key=other)).status_code == 403
            assert (await api.get(f"/v1/workers{path}", key=reader)).status_code == 200
