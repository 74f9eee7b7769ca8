"""arq's `Job.abort` against our worker, which wakes faster than arq's ever does."""

import asyncio

import pytest

from service.queue import JobState, QueueClient, inspect
from tests.compat.bench import Bench
from tests.compat.test_clients import Ctx, add, named, sent
from workers.engine import Worker

pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("kind", ["ours"])]
TIMES = 100


async def test_a_deferred_job_that_is_aborted_never_runs(bench: Bench, client: QueueClient) -> None:
    """Rule 1: abort makes the job due before it marks it; we are awake in between, 100 times."""
    runs: list[str] = []

    async def act(ctx: Ctx) -> None:
        runs.append(ctx["job_id"])

    for first in range(0, TIMES, 10):  # few for each worker: many futile wake-ups make it slower
        async with bench.serving([named(act)]) as worker:
            for number in range(first, first + 10):
                job = await sent(bench, "act", _job_id=f"week{number}", _defer_by=7 * 86_400)
                assert await job.abort(timeout=5, poll_delay=0.002)
                view = await inspect(client, f"week{number}")
                assert view is not None
                assert view.state is JobState.CANCELLED
        assert (worker.jobs_complete, worker.jobs_failed) == (0, 10)
    assert runs == []
    # The second step of a client that we overtook marks a job that has ended.
    await client.delete("arq:abort")


async def test_half_an_abort_is_an_abort(bench: Bench) -> None:
    """Rule 1: a client that dies between its two steps has cancelled the job all the same."""
    async with bench.serving([add]) as worker:
        job = await sent(bench, "add", 1, _defer_by=60)
        async with bench.redis.pipeline(transaction=True) as pipe:
            pipe.zrem("arq:queue", job.job_id)
            pipe.zadd("arq:queue", {job.job_id: 1})
            await pipe.execute()
        with pytest.raises(asyncio.CancelledError):
            await job.result(timeout=5, poll_delay=0.01)
    assert worker.jobs_complete == 0


async def test_abort_needs_no_setting(bench: Bench) -> None:
    """Stricter than arq: marks are heeded also without `allow_abort_jobs`."""
    running = asyncio.Event()

    async def wait(_ctx: Ctx) -> None:
        running.set()
        await asyncio.sleep(60)

    async with bench.serving([named(wait)], allow_abort_jobs=False):
        job = await sent(bench, "wait")
        await asyncio.wait_for(running.wait(), 5)
        assert await job.abort(timeout=5, poll_delay=0.01)


async def test_many_running_jobs_are_aborted_at_once(bench: Bench) -> None:
    """Each is cancelled, no other is."""
    running = 0

    async def wait(_ctx: Ctx, seconds: float) -> str:
        nonlocal running
        running += 1
        await asyncio.sleep(seconds)
        return "done"

    async with bench.serving([named(wait)], max_jobs=40):
        spared = [await sent(bench, "wait", 0.5) for _ in range(20)]
        jobs = [await sent(bench, "wait", 60) for _ in range(20)]
        async with asyncio.timeout(5):
            while running < 40:  # noqa: ASYNC110 - the jobs count
                await asyncio.sleep(0.01)
        aborted = await asyncio.gather(*(job.abort(timeout=5, poll_delay=0.02) for job in jobs))
        results = await asyncio.gather(*(job.result(timeout=5, poll_delay=0.02) for job in spared))
    assert aborted == [True] * 20
    assert results == ["done"] * 20


async def test_a_late_abort_leaves_nothing(bench: Bench) -> None:
    """Rule 11: an abort of a job that has ended says so, and its mark does not stay for good."""
    async with bench.serving([add]) as worker:
        job = await sent(bench, "add", 1)
        await job.result(timeout=5, poll_delay=0.01)
        assert not await job.abort(timeout=1, poll_delay=0.01)
        assert await bench.redis.zcard("arq:abort") == 1
        assert isinstance(worker, Worker)
        assert worker.turns is not None
        await worker.turns.broker.tend(0)  # a worker does so every few minutes
        assert await bench.redis.exists("arq:abort") == 0
