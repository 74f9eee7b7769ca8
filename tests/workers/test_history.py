"""The history of runs: every attempt, found again by whatever one knows of it, and cleaned."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arq.jobs import Job

from service.kit.ids import uuid7_at
from service.monitoring import jobs as monitoring_jobs
from service.queue import JobCall, JobState, cancel, inspect
from service.queue.instants import to_ms
from tests.support import Installation, problems
from tests.workers.history import FUNCTIONS, a_run, add, confide, write
from workers.engine.identity import process_name

pytestmark = pytest.mark.asyncio
DAY = timedelta(days=1)


async def send(api: Installation, call: JobCall, **headers: str) -> str:
    handle = await api.runtime.queue.enqueue(
        JobCall(call.name, call.queue, kwargs=call.kwargs, headers=headers)
    )
    assert isinstance(handle, Job)
    return handle.job_id


async def search(api: Installation, query: str = "") -> list[Any]:
    reply = await api.get(f"/v1/jobs?{query}")
    assert reply.status_code == 200, reply.text
    items: list[Any] = reply.json()["items"]
    return items


async def ids(api: Installation, query: str) -> list[str]:
    return [item["id"] for item in await search(api, query)]


async def test_every_attempt_is_shown(api: Installation) -> None:
    """Issue 4.2: error, traceback, timings and worker of each, also when Redis has forgotten."""
    job_id = await send(api, add(7))
    await api.work(functions=FUNCTIONS)
    assert await api.record() == 2
    for forgotten in (False, True):
        if forgotten:
            await api.runtime.queue.flushdb()
        shown = (await api.get(f"/v1/jobs/{job_id}")).json()
        assert (shown["state"], shown["tries"], shown["result"]) == ("succeeded", 2, 7)
        first, second = shown["attempts"]
        assert (first["attempt"], first["state"]) == (1, "retrying")
        assert (first["error"]["type"], first["error"]["message"]) == (
            "ValueError",
            "bad luck with 7",
        )
        assert "add_up" in first["error"]["traceback"]
        assert (second["attempt"], second["state"], second["error"]) == (2, "succeeded", None)
        assert {first["worker"], second["worker"]} == {process_name()}
        assert first["started_at"] <= first["finished_at"] <= second["finished_at"]


async def test_it_is_found_by_what_one_knows(api: Installation) -> None:
    """Issue 4.2: by name, state, queue, argument, actor, error and time."""
    began = datetime.now(UTC)
    good = await send(api, add(1, "one"), actor="ada", trace="t-1")
    bad = await send(api, add(13, "two"))
    await api.work(functions=FUNCTIONS)
    await api.record()
    assert sorted(await ids(api, "name=tests.add")) == sorted([good, bad, bad])
    assert await ids(api, "name=tests.other") == []
    assert await ids(api, "state=succeeded") == [good]
    assert await ids(api, "state=failed") == [bad]
    assert await ids(api, "state=retrying&queue=publishing") == [bad]
    assert await ids(api, "queue=other") == []
    assert await ids(api, "argument=number:1") == [good]
    assert await ids(api, "argument=number:13&state=failed&argument=word:two") == [bad]
    assert await ids(api, "argument=number:1&argument=word:two") == []
    assert await ids(api, "actor=ada") == [good]
    assert await ids(api, "error=ValueError&state=failed") == [bad]
    assert await ids(api, "error=LUCK with&state=failed") == [bad]
    assert await ids(api, "error=bad%25luck") == []
    since = began.isoformat().replace("+", "%2B")
    assert len(await ids(api, f"since={since}")) == 3
    assert await ids(api, f"until={since}") == []
    (found,) = await search(api, "actor=ada")
    assert (found["trace"], found["arguments"]) == ("t-1", {"number": 1, "word": "one"})
    (failed,) = await search(api, "state=failed")
    assert failed["error"] == {
        "type": "ValueError",
        "message": "bad luck with two",
        "traceback": None,
    }


async def test_pages_hold_still_while_runs_are_added(api: Installation) -> None:
    """Newest first over the borders of days; each once, also those of one instant."""
    old = [a_run(f"old {n}", ago=timedelta(hours=7 * n)) for n in range(1, 13)]
    when = old[5].finished_at
    twins = [
        a_run(f"twin {n}")._replace(finished_at=when, id=uuid7_at(to_ms(when))) for n in range(5)
    ]
    await write(api.runtime, *old, *twins)
    seen: list[str] = []
    cursor = ""
    while True:
        reply = (await api.get(f"/v1/jobs?limit=3{cursor}")).json()
        seen += [item["id"] for item in reply["items"]]
        await write(api.runtime, a_run("new"))
        if reply["next_cursor"] is None:
            break
        cursor = f"&cursor={reply['next_cursor']}"
    assert sorted(seen) == sorted(run.job_id for run in (*old, *twins))
    assert [job for job in seen if job.startswith("old")] == [f"old {n}" for n in range(1, 13)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("argument=number", "argument"),
        ("argument=:1", "argument"),
        ("state=pending", "state"),
        ("state=queued&error=ValueError", "error"),
        ("state=running&argument=number:1", "argument"),
        ("state=deferred&cursor=nonsense", "cursor"),
        ("state=deferred&cursor=WzEsMl0", "cursor"),
        ("state=queued&queue=No queue", "queue"),
        ("since=yesterday", "since"),
        ("since=2031-05-01T12:00:00", "since"),
        ("until=0001-01-01T00:00:00%2B14:00", "until"),
        ("cursor=nonsense", "cursor"),
        ("limit=0", "limit"),
        ("name=%00", "name"),
    ],
)
async def test_a_search_that_means_nothing_is_refused(
    api: Installation, query: str, field: str
) -> None:
    reply = await api.get(f"/v1/jobs?{query}")
    assert reply.status_code == 422
    assert field in next(iter(problems(reply)))


@pytest.mark.parametrize("value", ["1e999", '"\\u0000"', "13" * 200, "{}", "null", "\\"])
async def test_any_argument_may_be_looked_for(api: Installation, value: str) -> None:
    """Nothing that is asked for is an error of the server."""
    reply = await api.request("GET", "/v1/jobs", params={"argument": f"number:{value}"})
    assert (reply.status_code, reply.json()["items"]) == (200, [])


async def test_a_search_needs_the_scope(api: Installation) -> None:
    key = await api.new_key("posts:read")
    assert (await api.get("/v1/jobs", key=key)).status_code == 403


async def test_each_kind_of_end_has_its_name(api: Installation) -> None:
    """K031, V047: every uncaught error is one row, and tells what went wrong."""
    queue = api.runtime.queue
    good = await send(api, add(1))
    failed = await send(api, add(13))
    wrong = await queue.enqueue_job("tests.add", "no number", _queue_name="almanac:publishing")
    assert wrong is not None
    waiting = await queue.enqueue(add(2).deferred(datetime.now(UTC) + DAY))
    assert waiting is not None
    assert await cancel(queue, waiting.job_id)
    await api.work(functions=FUNCTIONS)
    await api.record()
    found = {
        item["id"]: (item["state"], item["error"] and item["error"]["type"])
        for item in await search(api)
        if item["state"] != "retrying"
    }
    assert found == {
        good: ("succeeded", None),
        failed: ("failed", "ValueError"),
        wrong.job_id: ("failed", "service.queue.errors.DecodeError"),
        waiting.job_id: ("cancelled", "asyncio.exceptions.CancelledError"),
    }
    assert len(await ids(api, "state=failed")) == 2


async def test_a_cancelled_run_is_recorded(api: Installation) -> None:
    """By the worker that stopped it."""
    job_id = await send(api, add(99))
    working = asyncio.create_task(api.work(functions=FUNCTIONS))
    async with asyncio.timeout(20):
        while (view := await inspect(api.runtime.queue, job_id)) is None or (  # noqa: ASYNC110
            view.state is not JobState.RUNNING
        ):
            await asyncio.sleep(0.02)
        assert await cancel(api.runtime.queue, job_id)
        await working
    await api.record()
    (found,) = await search(api)
    assert (found["id"], found["state"], found["worker"]) == (job_id, "cancelled", process_name())


async def test_secrets_stay_ciphertext(api: Installation) -> None:
    """Neither the table nor the API shows them; an error has its class only."""
    ids_sent = [await send(api, confide(secret)) for secret in ("good grief", "bad luck")]
    await api.work(functions=FUNCTIONS)
    await api.record()
    rows = await api.sql("SELECT job_runs::text AS row FROM job_runs")
    assert len(rows) == 2
    assert not [row for row in rows if "grief" in row.row or "luck" in row.row]
    (dead,) = await api.sql("SELECT payload, errors FROM dead_jobs")
    assert not [part for part in (dead.payload, *dead.errors) if b"luck" in part]
    for forgotten in (False, True):
        if forgotten:
            await api.runtime.queue.flushdb()
            await api.sql("DELETE FROM dead_jobs")
        good, bad = [(await api.get(f"/v1/jobs/{job_id}")).json() for job_id in ids_sent]
        assert good["arguments"] == bad["arguments"] == {"secret": "‹sensitive›"}  # noqa: RUF001
        assert good["result"] == "‹sensitive›"  # noqa: RUF001
        assert (bad["error"]["type"], bad["attempts"][0]["error"]["traceback"]) == (
            "ValueError",
            None,
        )


async def clean(api: Installation) -> Any:
    """Run `monitoring.clean`; return its result."""
    handle = await api.runtime.queue.enqueue(monitoring_jobs.clean())
    assert handle is not None
    await api.work("maintenance")
    return (await api.get(f"/v1/jobs/{handle.job_id}")).json()["result"]


async def test_cleaning_deletes_old_runs_only(api: Installation) -> None:
    """G012, T028, T086: 10 runs older than 7 days and 3 newer: 10 gone, 3 left, counted."""
    ages = [8] * 10 + [6] * 3
    await write(api.runtime, *(a_run(str(n), ago=age * DAY) for n, age in enumerate(ages)))
    assert (await clean(api))["job_runs"] == 10
    assert await api.count("job_runs WHERE name = 'x.y'") == 3
    assert (await clean(api))["job_runs"] == 0


async def test_failures_are_kept_for_longer(api: Installation) -> None:
    """Each state for its time; days of which nothing is kept are dropped whole."""
    for state in ("succeeded", "cancelled", "failed", "retrying"):
        runs = [a_run(f"{state} {age}", ago=age * DAY, state=state) for age in (1, 10, 29, 31, 40)]
        await write(api.runtime, *runs)
    assert (await clean(api))["job_runs"] == 2 * 4 + 2 * 2
    left = {row.job_id for row in await api.sql("SELECT job_id FROM job_runs WHERE name = 'x.y'")}
    assert left == {"succeeded 1", "cancelled 1"} | {
        f"{state} {age}" for state in ("failed", "retrying") for age in (1, 10, 29)
    }
    days = await api.sql("SELECT 1 FROM pg_inherits WHERE inhparent = 'job_runs'::regclass")
    assert len(days) <= 5, "two of the five days are gone; today and tomorrow may be there"
