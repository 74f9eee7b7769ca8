"""A job as Celery shows a task, at GET /v1/jobs/{id}/status."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.queue import JobCall
from tests.api.lifting import Gym, durable, lift
from tests.support import Installation
from workers.engine.identity import process_name

pytestmark = pytest.mark.asyncio
KEYS = [
    "task_id", "status", "result", "traceback", "children", "date_done", "task_name", "args",
    "kwargs", "worker", "retries", "eta", "progress",
]  # fmt: skip


async def status(api: Installation, job_id: str) -> Any:
    reply = await api.get(f"/v1/jobs/{job_id}/status")
    assert reply.status_code == 200, reply.text
    found = reply.json()
    assert list(found) == KEYS
    return found


@pytest.mark.parametrize("kind", ["durable", "plain"])
async def test_every_key_is_filled_truly(api: Installation, kind: str) -> None:
    """V040, V030, G038: what the job returns looks like a failure, and changes nothing."""
    if kind == "durable":
        await durable(api, "a", 5)
    else:
        await api.runtime.queue.enqueue(lift(weight=5).deferred(job_id="a"))
    waits = await status(api, "a")
    assert (waits["status"], waits["result"], waits["date_done"]) == ("PENDING", None, None)
    assert (waits["worker"], waits["progress"]) == (None, 0)
    await Gym().train(api)
    ended = await status(api, "a")
    assert datetime.fromisoformat(ended.pop("date_done")) <= datetime.now(UTC)
    assert ended == {
        "task_id": "a",
        "status": "SUCCESS",
        "result": {"status": "FAILURE", "state": "PENDING", "lifted": 5},
        "traceback": None,
        "children": [],
        "task_name": "tests.lift",
        "args": [],
        "kwargs": {"weight": 5},
        "worker": process_name(),
        "retries": 0,
        "eta": None,
        "progress": 100,
    }


async def test_a_failure_and_a_cancelled_one(api: Installation) -> None:
    """T037, K031: the reason and the traceback; retries are the runs after the first."""
    await durable(api, "bad", 101)
    later = datetime.now(UTC) + timedelta(hours=1)
    await api.runtime.queue.enqueue(lift(weight=1).deferred(later, "later"))
    eta = datetime.fromisoformat((await status(api, "later"))["eta"])
    assert abs(eta - later) < timedelta(milliseconds=2)
    await api.post("/v1/jobs/later/cancel", None)
    revoked = await status(api, "later")
    assert (revoked["status"], revoked["eta"], revoked["result"]) == ("REVOKED", None, None)
    await Gym().train(api)
    failed = await status(api, "bad")
    assert (failed["status"], failed["retries"]) == ("FAILURE", 1)
    assert failed["result"] == "ValueError: 101 kg is too heavy"
    assert "in lift" in failed["traceback"]


async def test_a_running_one_names_its_worker(api: Installation) -> None:
    """V040: while it runs; arguments that came by position stay so."""
    await api.runtime.queue.enqueue(JobCall("tests.lift", "publishing", args=(9,), job_id="a"))
    door = asyncio.Event()
    gym = Gym(door=door)
    working = asyncio.create_task(gym.train(api))
    try:
        async with asyncio.timeout(30):
            await gym.inside.wait()
            found = await status(api, "a")
    finally:
        door.set()
        await working
    assert (found["status"], found["args"], found["kwargs"]) == ("STARTED", [9], {})
    assert found["worker"] == process_name()


async def test_an_unknown_one_is_not_pending(api: Installation) -> None:
    """G038, V040: 404, whoever asks."""
    reply = await api.get("/v1/jobs/unknown/status")
    assert reply.status_code == 404
    assert (await api.get("/v1/jobs/a%00b/status")).status_code == 404
