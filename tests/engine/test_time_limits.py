"""Soft and hard limits, and jobs that heed neither."""

import asyncio
import logging
import time

import pytest

from service.queue import JobState, QueueClient, RetryPolicy, dead_jobs, job, wait
from tests.engine.bench import HERE, KEY, QUEUE, seen, send, serving, until, work
from workers.engine import Context, deadlines, run

pytestmark = pytest.mark.asyncio
ONCE = RetryPolicy(tries=1)


@job("engine.slow", queue=QUEUE, coroutine=f"{HERE}.slow", timeout=0.3, retry=ONCE)
async def slow() -> str:
    """Take longer than allowed."""
    raise NotImplementedError


@job(
    "engine.patient",
    queue=QUEUE,
    coroutine=f"{HERE}.patient",
    timeout=0.6,
    soft_timeout=0.2,
    retry=ONCE,
)
async def patient() -> str:
    """Take longer than its soft limit."""
    raise NotImplementedError


@job(
    "engine.slow_once",
    queue=QUEUE,
    coroutine=f"{HERE}.slow_once",
    timeout=0.2,
    retry=RetryPolicy(tries=2, delay=0),
)
async def slow_once() -> str:
    """Take too long in the first try."""
    raise NotImplementedError


async def hang(ctx: Context) -> str:
    """Sleep longer than allowed."""
    await asyncio.sleep(30)
    return "never"


async def test_the_hard_limit_stops_a_job(client: QueueClient) -> None:
    """G009, G051, K014: a sleeping job is stopped at its limit and recorded as timed out."""
    job_id = await send(client, slow())
    began = time.monotonic()
    await work(client, run(slow, hang))
    assert 0.3 <= time.monotonic() - began < 6
    view = await seen(client, job_id)
    assert (view.state, view.tries) == (JobState.FAILED, 1)
    assert view.error is not None
    assert view.error.type.endswith("TimeoutError")
    assert view.error.message == "it ran longer than 0.3 s"


async def test_a_timeout_is_retried_by_policy(client: QueueClient) -> None:
    """G009: a run beyond its limit is a failure as others."""

    async def hang_once(ctx: Context) -> str:
        if ctx["job_try"] == 1:
            await asyncio.sleep(30)
        return "in time"

    job_id = await send(client, slow_once())
    await work(client, run(slow_once, hang_once))
    view = await seen(client, job_id)
    assert (view.state, view.tries, view.result) == (JobState.SUCCEEDED, 2, "in time")


async def test_the_soft_limit_lets_a_job_clean_up(client: QueueClient) -> None:
    """G052, K015: it is cancelled once, has until the hard limit, and may still succeed."""
    stages: list[str] = []

    async def tidy(ctx: Context) -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            stages.append("warned")
            await asyncio.sleep(0.2)
            stages.append("cleaned up")
            return "half of it"
        return "never"

    job_id = await send(client, patient())
    await work(client, run(patient, tidy))
    assert stages == ["warned", "cleaned up"]
    view = await seen(client, job_id)
    assert (view.state, view.result) == (JobState.SUCCEEDED, "half of it")


async def test_after_the_soft_limit_comes_the_hard_one(client: QueueClient) -> None:
    """G051, G052: a clean-up that takes too long is stopped."""
    stages: list[str] = []

    async def dawdle(ctx: Context) -> str:
        began = time.monotonic()
        for stage in ("soft", "hard"):
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                stages.append(f"{stage} {time.monotonic() - began:.1f}")
        raise asyncio.CancelledError

    job_id = await send(client, patient())
    await work(client, run(patient, dawdle))
    assert [stage.split()[0] for stage in stages] == ["soft", "hard"]
    soft, hard = (float(stage.split()[1]) for stage in stages)
    assert 0.2 <= soft < hard < 5
    view = await seen(client, job_id)
    assert view.state is JobState.FAILED
    assert len(await dead_jobs(client, KEY)) == 1


async def test_waiting_has_a_limit(client: QueueClient) -> None:
    """T080: whoever waits for a job waits no longer than they say."""
    job_id = await send(client, patient())
    began = time.monotonic()
    view = await wait(client, job_id, 0.3)
    assert 0.3 <= time.monotonic() - began < 5
    assert view is not None
    assert view.state is JobState.QUEUED


async def test_who_ignores_all_limits_loses_the_slot(
    client: QueueClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A zombie is counted and named; the only slot goes to the next job."""
    monkeypatch.setattr(deadlines, "AFTER_LIMIT", 0.3)
    free = asyncio.Event()

    async def ignore(ctx: Context) -> str:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue
        return "too late"

    async def quick(ctx: Context) -> str:
        return "next"

    deaf, other = await send(client, slow(), "1"), await send(client, slow_once(), "2")
    functions = run(slow, ignore), run(slow_once, quick)
    with caplog.at_level(logging.ERROR):
        async with serving(client, *functions, max_jobs=1) as worker:
            try:
                view = await wait(client, other, 5)
                assert view is not None
                assert view.state is JobState.SUCCEEDED
                assert worker.turns is not None
                assert worker.turns.zombies == 1
                assert (await seen(client, deaf)).state is JobState.FAILED
            finally:
                free.set()
            await until(lambda: worker.turns is not None and worker.turns.zombies == 0)
    (line,) = [r.getMessage() for r in caplog.records if "ignores" in r.getMessage()]
    assert f"job {deaf} ignores its time limit" in line
    assert (await seen(client, deaf)).state is JobState.FAILED
