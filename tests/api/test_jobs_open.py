"""Jobs that have not ended, in one list: durable ones and others, each once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.monitoring import open_jobs, scanning_queries
from service.queue import JobCall
from tests.api.lifting import Gym, durable, lift
from tests.support import Installation

pytestmark = pytest.mark.asyncio
BEGIN = datetime.now(UTC) + timedelta(hours=1)


def at(minutes: int) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


async def send_mixed(api: Installation, count: int) -> list[str]:
    """Send jobs for later, every second one durable; return their ids by their time."""
    ids = [f"{'durable' if n % 2 else 'plain'}-{n:02}" for n in range(count)]
    calls = [lift(weight=n).deferred(at(n), ids[n]) for n in range(count)]
    await api.runtime.queue.enqueue_many(calls[::2])
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(*calls[1::2])
    return ids


async def pages(api: Installation, query: str, key: str | None = None) -> list[list[str]]:
    found, cursor = [], ""
    while True:
        reply = await api.get(f"/v1/jobs?{query}{cursor}", key=key)
        assert reply.status_code == 200, reply.text
        body = reply.json()
        found.append([item["id"] for item in body["items"]])
        if body["next_cursor"] is None:
            return found
        cursor = f"&cursor={body['next_cursor']}"
        assert len(found) < 100


async def listed(api: Installation, query: str) -> list[Any]:
    items: list[Any] = (await api.get(f"/v1/jobs?{query}")).json()["items"]
    return items


@pytest.mark.parametrize("limit", [1, 3, 50])
@pytest.mark.parametrize("in_queue", [True, False])
async def test_what_is_deferred_is_listed_by_its_time(
    api: Installation, limit: int, in_queue: bool
) -> None:
    """G040: every deferred job once with its time, no worker up, in pages of any size.

    Durable ones may be in the queue too, or be rows alone as when they are due much later.
    """
    ids = await send_mixed(api, 11)
    assert set(ids[::2]) <= set(await api.queued())
    if in_queue:
        rows = await api.sql("SELECT id FROM durable_jobs")
        await api.runtime.queue.enqueue_many(
            JobCall("tests.lift", "publishing", kwargs={"weight": 1}, job_id=row.id,
                    run_at=at(int(row.id[-2:])), headers={"row": "1"}) for row in rows
        )  # fmt: skip
        assert sorted(await api.queued()) == sorted(ids)
    found = await pages(api, f"state=deferred&limit={limit}")
    assert [job_id for page in found for job_id in page] == ids
    assert max(map(len, found)) <= limit
    first, second = (await listed(api, "state=deferred"))[:2]
    for n, item in enumerate((first, second)):
        assert (item["name"], item["queue"], item["state"]) == (
            "tests.lift",
            "publishing",
            "deferred",
        )
        assert item["arguments"] == {"weight": n}
        assert (item["attempt"], item["finished_at"]) == (0, None)
        shown = datetime.fromisoformat(item["run_at"])
        assert timedelta() <= shown - at(n) < timedelta(milliseconds=1) or shown == at(n)
    assert await listed(api, "state=queued") == []
    assert await listed(api, "state=running") == []


async def test_jobs_of_one_instant_are_each_listed_once(api: Installation) -> None:
    """Many due at the same millisecond, durable or not: no page repeats or loses one."""
    when = at(0)
    calls = [lift(weight=n).deferred(when, f"{n:02}") for n in range(12)]
    await api.runtime.queue.enqueue_many(calls[:6])
    later = [
        lift(weight=n).deferred(when + timedelta(microseconds=12 - n), f"{n:02}")
        for n in range(6, 12)
    ]
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(*later)
    for limit in (1, 2, 5):
        found = await pages(api, f"state=deferred&limit={limit}")
        assert sorted(job_id for page in found for job_id in page) == [f"{n:02}" for n in range(12)]


@pytest.mark.parametrize("limit", [1, 2, 50])
@pytest.mark.parametrize("mine", ["every", "durable", "plain", "first", "last"])
async def test_rare_jobs_are_found_among_many(
    api: Installation, monkeypatch: pytest.MonkeyPatch, mine: str, limit: int
) -> None:
    """However few of them a request looks at: all are listed in the end, each once, in order."""
    monkeypatch.setattr(scanning_queries, "SCANNED", 3)
    monkeypatch.setattr(open_jobs, "PAGE", 2)
    monkeypatch.setattr(open_jobs, "PAGES", 2)
    ids = [f"{'durable' if n % 3 else 'plain'}-{n:02}" for n in range(20)]
    chosen = {
        "every": ids[::4],
        "durable": [job_id for job_id in ids[3:] if job_id[0] == "d"],
        "plain": [job_id for job_id in ids if job_id[0] == "p"],
        "first": ids[:2],
        "last": ids[-1:],
    }[mine]
    calls = [
        JobCall("tests.lift", "publishing", kwargs={"weight": n}, job_id=job_id, run_at=at(n),
                headers={"actor": "ann" if job_id in chosen else "bob"})
        for n, job_id in enumerate(ids)
    ]  # fmt: skip
    await api.runtime.queue.enqueue_many(calls[::3])
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(*(call for n, call in enumerate(calls) if n % 3))
    key = await api.new_key("jobs:read", user="ann")
    found = await pages(api, f"state=deferred&limit={limit}", key)
    assert [job_id for page in found for job_id in page] == chosen


async def test_what_runs_is_found_behind_many_that_wait(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G039: also a durable job that no worker holds in Redis, such as one that runs inline."""
    monkeypatch.setattr(scanning_queries, "SCANNED", 2)
    for n in range(6):
        await durable(api, f"{n}")
    await api.sql("UPDATE durable_jobs SET state = 'running', started_at = now() WHERE id = '5'")
    assert [item["id"] for item in await listed(api, "state=running")] == ["5"]


async def test_what_is_queued_is_found_by_name_and_actor(api: Installation) -> None:
    """T068: the age of what waits is seen from `run_at`."""
    await durable(api, "a", actor="ann")
    await durable(api, "b", actor="bob")
    await api.runtime.queue.enqueue(lift(weight=1).deferred(job_id="c"))
    assert {item["id"] for item in await listed(api, "state=queued")} == {"a", "b", "c"}
    assert [item["id"] for item in await listed(api, "state=queued&actor=bob")] == ["b"]
    assert await listed(api, "state=queued&name=tests.other") == []
    assert await listed(api, "state=queued&queue=media") == []
    waits = (await listed(api, "state=queued&actor=ann"))[0]
    assert datetime.fromisoformat(waits["run_at"]) <= datetime.now(UTC)
    await Gym().train(api)
    assert await listed(api, "state=queued") == []
    assert {item["id"] for item in await listed(api, "state=succeeded")} == {"a", "b", "c"}


async def test_a_row_knows_better_than_the_queue(api: Installation) -> None:
    """A durable job whose row has ended is not listed, though Redis has it still."""
    await durable(api, "a")
    await api.sql("UPDATE durable_jobs SET state = 'cancelled', finished_at = now()")
    assert await api.queued() == ["a"]
    assert await listed(api, "state=queued") == []
