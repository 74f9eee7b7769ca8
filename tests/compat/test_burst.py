"""Burst mode, `run_check`, and one worker that runs more than once."""

import asyncio
import signal
from typing import Any

import arq.worker
import pytest
from arq import Retry, cron
from arq.connections import RedisSettings
from arq.worker import FailedJobs

from tests.compat.bench import Bench
from tests.compat.test_clients import Ctx, add, fail, named, sent

pytestmark = pytest.mark.asyncio


async def test_a_burst_ends_with_the_queue(bench: Bench) -> None:
    """It waits for deferred jobs too: it ends when no job is left."""
    jobs = [await sent(bench, "add", n, _defer_by=delay) for n, delay in enumerate((0, 0, 0.2))]
    worker = await bench.work([add])
    assert [await job.result() for job in jobs] == [1, 2, 3]
    assert worker.jobs_complete == 3
    assert await bench.redis.zcard("arq:queue") == 0


async def test_a_burst_runs_what_its_jobs_send(bench: Bench) -> None:
    """`ctx["redis"]` is the worker's pool; a job may send others."""

    async def parent(ctx: Ctx) -> str:
        job = await ctx["redis"].enqueue_job("add", 41)
        assert job is not None
        return str(job.job_id)

    job = await sent(bench, "parent")
    worker = await bench.work([named(parent), add])
    assert worker.jobs_complete == 2
    results = {found.job_id: found.result for found in await bench.redis.all_job_results()}
    assert results == {job.job_id: await job.result(), await job.result(): 42}


async def run_check(worker: arq.worker.Worker, **settings: Any) -> int:
    """Run a worker's check, in bounds."""
    async with asyncio.timeout(10):
        return await worker.run_check(**settings)


async def test_run_check_counts(bench: Bench) -> None:
    """`run_check` returns how many jobs have ended well."""
    for number in range(5):
        await sent(bench, "add", number)
    assert await run_check(bench.worker([add])) == 5


async def test_run_check_raises_the_failures(bench: Bench) -> None:
    """FailedJobs has their number and their results."""
    await sent(bench, "add", 1)
    await sent(bench, "fail", "first")
    await sent(bench, "fail", "second")
    worker = bench.worker([add, fail])
    with pytest.raises(FailedJobs) as caught:
        await run_check(worker)
    assert caught.value.count == 2
    assert {str(found.result) for found in caught.value.job_results} == {"first", "second"}
    assert all(found.function == "fail" for found in caught.value.job_results)
    assert str(caught.value).startswith("2 jobs failed:\n")
    await bench.redis.delete(*await bench.redis.keys("arq:result:*"))
    await sent(bench, "fail", "alone")
    with pytest.raises(FailedJobs, match=r"1 job failed ValueError\('alone'\)"):
        await run_check(bench.worker([fail]))


async def test_run_check_without_retries(bench: Bench) -> None:
    """`run_check(retry_jobs=False)` makes a Retry a failure."""

    async def again(_ctx: Ctx) -> None:
        raise Retry(defer=60)

    await sent(bench, "again")
    with pytest.raises(FailedJobs, match="1 job failed"):
        await run_check(bench.worker([named(again)]), retry_jobs=False)


async def test_a_burst_of_so_many(bench: Bench) -> None:
    """`max_burst_jobs`: so many are run, the others stay queued."""
    for number in range(10):
        await sent(bench, "add", number)
    assert await run_check(bench.worker([add]), max_burst_jobs=2) == 2
    assert await bench.redis.zcard("arq:queue") == 8
    assert await run_check(bench.worker([add]), max_burst_jobs=0) == 0
    assert await run_check(bench.worker([add])) == 8


async def test_a_worker_runs_twice(bench: Bench) -> None:
    """`async_run` again serves again, and the counts go on."""
    worker = bench.worker([add])
    for number in range(3):
        job = await sent(bench, "add", number)
        async with asyncio.timeout(5):
            await worker.async_run()
        assert await job.result() == number + 1
        assert worker.jobs_complete == number + 1


async def test_a_stopped_worker_runs_again(bench: Bench) -> None:
    """As `arq --watch` has it: told to stop, closed, and run again on a pool of its own."""
    for number in range(2):
        async with bench.serving([add], cron_jobs=[]) as worker:
            job = await sent(bench, "add", number)
            assert await job.result(timeout=5, poll_delay=0.01) == number + 1
    running = asyncio.create_task(worker.async_run())
    job = await sent(bench, "add", 5)
    assert await job.result(timeout=5, poll_delay=0.01) == 6
    worker.handle_sig(signal.SIGUSR1)
    await asyncio.wait([running])


async def test_one_process_runs_many_workers(bench: Bench) -> None:
    """Two workers of one queue share its jobs without running any twice."""
    runs: list[int] = []

    async def note(_ctx: Ctx, number: int) -> None:
        runs.append(number)
        await asyncio.sleep(0.005)

    for number in range(60):
        await sent(bench, "note", number)
    workers = [bench.worker([named(note)], max_jobs=5) for _ in range(2)]
    async with asyncio.timeout(10):
        await asyncio.gather(*(worker.async_run() for worker in workers))
    assert sorted(runs) == list(range(60))
    assert sum(worker.jobs_complete for worker in workers) == 60


async def test_a_cron_job_of_a_burst(bench: Bench) -> None:
    """`run_at_startup` is queued before a burst looks whether the queue is empty."""
    runs = []

    async def tick(ctx: Ctx) -> None:
        runs.append(ctx["job_id"].rpartition(":")[0])

    job = cron(named(tick), hour=3, run_at_startup=True)
    await bench.work([], cron_jobs=[job])
    assert runs == ["cron:tick"]


async def test_a_worker_opens_its_own_pool(bench: Bench, valkey_socket_url: str) -> None:
    """With `redis_settings` the worker connects by itself, and `close` ends that."""
    path = valkey_socket_url.removeprefix("unix://")
    job = await sent(bench, "add", 1)
    worker = bench.worker(
        [add], redis_pool=None, redis_settings=RedisSettings(unix_socket_path=path)
    )
    assert worker._pool is None
    assert await run_check(worker) == 1
    assert worker.pool.default_queue_name == "arq:queue"
    await worker.close()
    assert worker._pool is None
    assert await job.result() == 2
