"""`func(...)` and the worker's defaults: names, results, tries, limits of time."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from arq import Retry, func
from arq.jobs import Job, JobStatus
from arq.worker import JobExecutionFailed, RetryJob

from tests.compat.bench import PICKLE, Bench
from tests.compat.test_clients import Ctx, add, named, sent

pytestmark = pytest.mark.asyncio
DAY_MS = 86_400_000


async def kept(bench: Bench, job: Job) -> int:
    """Return for how many ms a result stays; -1 for good, -2 when there is none."""
    return int(await bench.redis.pttl(f"arq:result:{job.job_id}"))


async def test_names(bench: Bench) -> None:
    """A function is known by its qualified name, by its import path, or as it is named."""
    jobs = [
        await sent(bench, name, 1) for name in ("add", "tests.compat.test_clients.add", "plus one")
    ]
    await bench.work([add, "tests.compat.test_clients.add", func(named(add), name="plus one")])
    assert [await job.result() for job in jobs] == [2, 2, 2]


@pytest.mark.parametrize(
    ("worker", "function", "expected"),
    [
        ({}, {}, 3_600_000),
        ({"keep_result": 60}, {}, 60_000),
        ({"keep_result": 60}, {"keep_result": timedelta(days=1)}, DAY_MS),
        ({"keep_result": 60}, {"keep_result": 0}, -2),
        ({"keep_result": 60}, {"keep_result_forever": True}, -1),
        ({"keep_result_forever": True}, {}, -1),
        ({"keep_result_forever": True}, {"keep_result_forever": False, "keep_result": 5}, 5_000),
    ],
)
async def test_how_long_results_stay(
    bench: Bench, worker: dict[str, Any], function: dict[str, Any], expected: int
) -> None:
    """G059: the function's own `keep_result` and `keep_result_forever` win over the worker's.

    Where a worker keeps results for good, a function that does not must say so, as in arq.
    """
    job = await sent(bench, "add", 1)
    await bench.work([func(named(add), **function)], **worker)
    found = await kept(bench, job)
    assert found == expected or (expected > 0 and expected - 2_000 < found <= expected)


@pytest.mark.parametrize(
    ("function", "expected"),
    [({"keep_result": 5}, -1), ({"keep_result_forever": False}, 60_000)],
)
async def test_for_good_by_default(bench: Bench, function: dict[str, Any], expected: int) -> None:
    """A worker's `keep_result_forever` holds for all functions but those that say False."""
    job = await sent(bench, "add", 1)
    await bench.work([func(named(add), **function)], keep_result=60, keep_result_forever=True)
    found = await kept(bench, job)
    assert found == expected or (expected > 0 and expected - 2_000 < found <= expected)


async def test_retry_runs_again(bench: Bench) -> None:
    """`Retry` runs a job again, and each run knows which try it is."""
    tries = []

    async def again(ctx: Ctx) -> str:
        tries.append(ctx["job_try"])
        if ctx["job_try"] < 3:
            raise Retry
        return "done"

    job = await sent(bench, "again")
    worker = await bench.work([named(again)])
    assert (tries, await job.result()) == ([1, 2, 3], "done")
    assert (worker.jobs_complete, worker.jobs_retried, worker.jobs_failed) == (1, 2, 0)
    assert await bench.redis.exists(f"arq:retry:{job.job_id}") == 0


async def test_retry_waits(bench: Bench) -> None:
    """`Retry(defer=...)` waits so long; meanwhile the job is deferred."""
    starts = []
    loop = asyncio.get_running_loop()

    async def again(ctx: Ctx) -> None:
        starts.append(loop.time())
        if ctx["job_try"] == 1:
            raise Retry(defer=0.3)

    async with bench.serving([named(again)]):
        job = await sent(bench, "again")
        async with asyncio.timeout(5):
            while not starts or await job.status() is not JobStatus.deferred:  # noqa: ASYNC110 - in Redis
                await asyncio.sleep(0.01)
        await job.result(timeout=5, poll_delay=0.02)
    assert 0.29 <= starts[1] - starts[0] < 5


@pytest.mark.parametrize(("own", "runs"), [({}, 3), ({"max_tries": 2}, 2)])
async def test_tries_are_limited(bench: Bench, own: dict[str, Any], runs: int) -> None:
    """`max_tries`, of the function or else of the worker."""
    tries = []

    async def again(ctx: Ctx) -> None:
        tries.append(ctx["job_try"])
        raise Retry

    job = await sent(bench, "again")
    worker = await bench.work([func(named(again), **own)], max_tries=3)
    assert tries == list(range(1, runs + 1))
    with pytest.raises(JobExecutionFailed, match=f"max {runs} retries exceeded"):
        await job.result()
    assert (worker.jobs_retried, worker.jobs_failed) == (runs, 1)


@pytest.mark.parametrize("error", [RetryJob, asyncio.CancelledError])
async def test_a_cancelled_run_is_repeated(bench: Bench, error: type[BaseException]) -> None:
    """RetryJob and a CancelledError that nobody asked for run the job again."""

    async def again(ctx: Ctx) -> int:
        if ctx["job_try"] == 1:
            raise error
        return int(ctx["job_try"])

    job = await sent(bench, "again")
    await bench.work([named(again)])
    assert await job.result() == 2


async def test_without_retries_a_retry_is_a_failure(bench: Bench) -> None:
    """`retry_jobs=False`: what would run again fails."""

    async def again(_ctx: Ctx) -> None:
        raise Retry(defer=60)

    await sent(bench, "again")
    worker = await bench.work([named(again)], retry_jobs=False)
    assert (worker.jobs_complete, worker.jobs_retried, worker.jobs_failed) == (0, 0, 1)


async def test_an_ordinary_error_is_no_retry(bench: Bench) -> None:
    """A plain function that raises has failed: arq's rule, which only declared jobs change."""
    runs = []

    async def bad(_ctx: Ctx) -> None:
        runs.append(1)
        raise ZeroDivisionError

    job = await sent(bench, "bad")
    await bench.work([named(bad)])
    with pytest.raises(ZeroDivisionError):
        await job.result()
    assert runs == [1]


@pytest.mark.parametrize("own", [{}, {"timeout": timedelta(seconds=0.1)}])
async def test_time_is_limited(bench: Bench, own: dict[str, Any]) -> None:
    """`job_timeout` of the worker and `timeout` of a function end a run with TimeoutError."""

    async def slow(_ctx: Ctx) -> None:
        await asyncio.sleep(60)

    job = await sent(bench, "slow")
    await bench.work([func(named(slow), **own)], job_timeout=60 if own else 0.1)
    with pytest.raises(TimeoutError):
        await job.result()
    info = await job.result_info()
    assert info is not None
    assert 0.09 <= (info.finish_time - info.start_time).total_seconds() < 5


@pytest.mark.parametrize("codec", [PICKLE])
async def test_a_pickled_result_needs_nothing_of_ours(bench: Bench) -> None:
    """A client of arq that has not our package reads what the engine itself raises."""

    async def slow(_ctx: Ctx) -> None:
        await asyncio.sleep(60)

    job = await sent(bench, "slow")
    await bench.work([named(slow)], job_timeout=0.02)
    assert b"workers.engine" not in await bench.redis.get(f"arq:result:{job.job_id}")


async def test_so_many_jobs_run_at_a_time(bench: Bench) -> None:
    """G026: `max_jobs` overlap, and the next waits."""
    now, most = 0, 0

    async def overlap(_ctx: Ctx) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.03)
        now -= 1

    for _ in range(10):
        await sent(bench, "overlap")
    worker = await bench.work([named(overlap)], max_jobs=3)
    assert (most, worker.jobs_complete) == (3, 10)


async def test_a_result_that_cannot_be_written_is_a_failure(bench: Bench) -> None:
    """The job has run, and its result says what is wrong."""

    async def opaque(_ctx: Ctx) -> object:
        return object()

    job = await sent(bench, "opaque")
    await bench.work([named(opaque)])
    info = await job.result_info()
    assert info is not None
    assert not info.success
    assert await bench.redis.zcard("arq:queue") == 0


async def test_settings_that_cannot_be_are_refused(bench: Bench) -> None:
    """As arq: no function at all, a cron job that is none, no coroutine, no queue."""
    with pytest.raises(RuntimeError, match="at least one function or cron_job"):
        bench.worker([])
    with pytest.raises(RuntimeError, match="must be instances of CronJob"):
        bench.worker([add], cron_jobs=[add])
    with pytest.raises(RuntimeError, match="is not a coroutine function"):
        bench.worker([print])
    with pytest.raises(ValueError, match="redis_pool must be present"):
        bench.worker([add], queue_name=None, redis_pool=None)


async def test_the_queue_is_the_pools_by_default(bench: Bench) -> None:
    """`queue_name=None` means the pool's default."""
    bench.redis.default_queue_name = "arq:other"
    job = await sent(bench, "add", 1)
    worker = await bench.work([add], queue_name=None)
    assert worker.queue_name == "arq:other"
    assert await job.result() == 2
