"""Jobs of every kind through real workers: results, records, failures, limits, periodic rules."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from arq.cron import CronJob

from service.posts import jobs as posts_jobs
from service.queue import JobState, RetryPolicy, inspect, job
from tests.support import Installation
from workers import maintenance, publishing
from workers.engine import Context, run, snooze

pytestmark = pytest.mark.asyncio

ONCE = RetryPolicy(tries=1)


@job("tests.double", queue="publishing", coroutine="tests.workers.test_jobs.double_it", timeout=5)
async def double(number: int) -> int:
    """Return twice the number."""
    raise AssertionError


@job("tests.fail", queue="publishing", coroutine="tests.workers.test_jobs.fail_it", retry=ONCE)
async def fail(word: str) -> None:
    """Raise."""


@job(
    "tests.sleep",
    queue="publishing",
    coroutine="tests.workers.test_jobs.sleep_on",
    timeout=0.5,
    retry=ONCE,
)
async def sleep() -> None:
    """Sleep longer than allowed."""


@job("tests.nap", queue="publishing", coroutine="tests.workers.test_jobs.take_nap", timeout=60)
async def nap() -> None:
    """Sleep until cancelled."""


SNOOZED: set[str] = set()


async def double_it(ctx: Context, number: int) -> int:
    """Return twice the number, in the second run."""
    if ctx["job_id"] not in SNOOZED:
        SNOOZED.add(ctx["job_id"])
        raise snooze(timedelta(milliseconds=50))
    return number * 2


async def fail_it(ctx: Context, word: str) -> None:
    """Raise."""
    raise ValueError(f"bad {word}")


async def sleep_on(ctx: Context) -> None:
    """Sleep longer than allowed."""
    await asyncio.sleep(30)


async def take_nap(ctx: Context) -> None:
    """Sleep until cancelled."""
    await asyncio.sleep(60)


FUNCTIONS = [run(double, double_it), run(fail, fail_it), run(sleep, sleep_on), run(nap, take_nap)]


async def test_a_jobs_states_up_to_its_result(api: Installation) -> None:
    """G003, G007, G038, T010: queued, then succeeded with its result, readable by id."""
    handle = await api.runtime.queue.enqueue(double(number=21))
    assert handle is not None
    path = f"/v1/jobs/{handle.job_id}"
    assert (await api.get(path)).json()["state"] == "queued"
    await api.work(functions=FUNCTIONS)
    shown = (await api.get(path)).json()
    assert (shown["state"], shown["result"], shown["tries"]) == ("succeeded", 42, 1)
    assert (shown["name"], shown["queue"]) == ("tests.double", "publishing")
    assert shown["arguments"] == {"number": 21}

    # Redis forgets; the history does not.
    assert await api.record() == 1
    await api.runtime.queue.flushdb()
    recorded = (await api.get(path)).json()
    assert (recorded["state"], recorded["result"]) == ("succeeded", 42)


async def test_a_failed_job_keeps_its_traceback(
    api: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """G075: state failed, stack trace in the log and in the record."""
    handle = await api.runtime.queue.enqueue(fail(word="luck"))
    assert handle is not None
    with caplog.at_level(logging.ERROR):
        await api.work(functions=FUNCTIONS)
    shown = (await api.get(f"/v1/jobs/{handle.job_id}")).json()
    assert shown["state"] == "failed"
    assert shown["error"]["type"].endswith("ValueError")
    assert shown["error"]["message"] == "bad luck"
    (record,) = [r for r in caplog.records if r.name == "workers.engine.execution"]
    assert record.exc_text is not None or record.exc_info is not None
    await api.record()
    (row,) = await api.sql("SELECT state, error_type, error, traceback FROM job_runs")
    assert (row.state, row.error_type, row.error) == ("failed", "ValueError", "bad luck")
    assert "fail_it" in row.traceback


async def test_a_job_is_stopped_at_its_limit(api: Installation) -> None:
    """G076: the time limit ends the job and is recorded."""
    began = datetime.now(UTC)
    handle = await api.runtime.queue.enqueue(sleep())
    assert handle is not None
    await api.work(functions=FUNCTIONS)
    assert datetime.now(UTC) - began < timedelta(seconds=10)
    shown = (await api.get(f"/v1/jobs/{handle.job_id}")).json()
    assert (shown["state"], shown["error"]["type"]) == (
        "failed",
        "TimeoutError",
    )


async def test_cancelling_a_running_job(api: Installation) -> None:
    """G041: a running job stops within seconds, its state is cancelled."""
    handle = await api.runtime.queue.enqueue(nap())
    assert handle is not None
    working = asyncio.create_task(api.work(functions=FUNCTIONS))
    async with asyncio.timeout(10):
        while True:
            view = await inspect(api.runtime.queue, handle.job_id)
            assert view is not None
            if view.state is JobState.RUNNING:
                break
            await asyncio.sleep(0.02)
        assert (await api.post(f"/v1/jobs/{handle.job_id}/cancel", {})).status_code == 202
        shown = (await api.get(f"/v1/jobs/{handle.job_id}?wait=5")).json()
        await working
    assert shown["state"] == "cancelled"


async def test_waiting_replies_when_the_job_has_ended(api: Installation) -> None:
    """`?wait=` answers at the end, not at the end of the time."""
    post = await api.schedule([await api.connect()])
    job_id = post["deliveries"][0]["job_id"]
    waiting = asyncio.create_task(api.get(f"/v1/jobs/{job_id}?wait=30"))
    await api.work()
    async with asyncio.timeout(5):
        reply = (await waiting).json()
    assert reply["state"] == "succeeded"
    assert reply["result"]["url"].startswith("http://almanac.test/feeds/")


async def test_batch_waits_without_a_slot(api: Installation) -> None:
    """A batch's report does not block the only slot its deliveries need."""
    account = await api.connect()
    draft = await api.schedule([], "draft")
    body = {"posts": [draft["id"]], "accounts": [account]}
    started = (await api.post("/v1/posts/batch", body)).json()
    async with asyncio.timeout(10):
        await api.work(max_jobs=1)
    report = (await api.get(f"/v1/jobs/{started['job_id']}")).json()["result"]
    assert (report["published"], report["failed"]) == (1, 0)


def next_runs(cron: CronJob, count: int) -> list[datetime]:
    """Return the next times of a cron job from a fixed instant."""
    moment, runs = datetime(2031, 5, 1, 12, 0, 30, tzinfo=UTC), []
    for _ in range(count):
        cron.calculate_next(moment)
        assert cron.next_run is not None
        moment = cron.next_run
        runs.append(moment)
    return runs


async def test_the_sweep_runs_every_minute(api: Installation) -> None:
    """G011, G035: its rule fires 60 s apart, in the publishing and the maintenance worker."""
    for settings in (publishing.WorkerSettings, maintenance.WorkerSettings):
        crons = {cron.name: cron for cron in settings.cron_jobs}
        runs = next_runs(crons["cron:posts.sweep"], 3)
        assert [b - a for a, b in pairwise(runs)] == [timedelta(minutes=1)] * 2
        assert all(run_at.second == 0 for run_at in runs)


async def test_a_tick_fires_once_with_two_workers(api: Installation) -> None:
    """The tick's id is its name and time: whoever comes second finds it taken."""
    due = datetime(2031, 5, 1, 12, 1, tzinfo=UTC)
    for queue in ("publishing", "maintenance"):
        worker = api.worker(queue, cron_jobs=None)
        settings = {"publishing": publishing, "maintenance": maintenance}[queue].WorkerSettings
        worker.cron_jobs = [c for c in settings.cron_jobs if c.name == "cron:posts.sweep"]
        for cron in worker.cron_jobs:
            cron.next_run = due
        await worker.run_cron(due, 0.5)
    queued = [await api.queued(queue) for queue in ("publishing", "maintenance")]
    assert queued == [[f"cron:posts.sweep:{int(due.timestamp() * 1000)}"], []]


async def test_every_job_states_its_limit() -> None:
    """G076: no job runs without a time limit."""
    for declared in (posts_jobs.publish, posts_jobs.publish_batch, posts_jobs.sweep):
        assert 0 < declared.timeout <= 3600
