"""arq's own clients against a worker: every method of ArqRedis and Job, as JSON and as pickle."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arq.jobs import Job, JobStatus, ResultNotFound
from arq.worker import JobExecutionFailed

from tests.compat.bench import JSON, PICKLE, Bench

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.parametrize("codec", [JSON, PICKLE], ids=["json", "pickle"]),
]
Ctx = dict[Any, Any]


async def add(_ctx: Ctx, left: int, right: int = 1) -> int:
    """Return the sum."""
    return left + right


async def fail(_ctx: Ctx, text: str) -> None:
    """Raise."""
    raise ValueError(text)


async def when(_ctx: Ctx) -> float:
    """Return the time."""
    return time.time()


async def sent(bench: Bench, function: str, *args: Any, **options: Any) -> Job:
    """Send a job by arq's own client."""
    job = await bench.redis.enqueue_job(function, *args, **options)
    assert job is not None
    return job


async def test_result_and_info(bench: Bench) -> None:
    """R29: what arq's client sends runs, and all that it asks is answered."""
    job = await sent(bench, "add", 2, right=3)
    assert await job.status() is JobStatus.queued
    (queued,) = await bench.redis.queued_jobs()
    assert (queued.function, queued.job_id) == ("add", job.job_id)
    assert (tuple(queued.args), queued.kwargs) == ((2,), {"right": 3})
    await bench.work([add])
    assert await job.status() is JobStatus.complete
    assert await job.result() == 5
    info = await job.result_info()
    assert info is not None
    assert (info.function, tuple(info.args), info.kwargs) == ("add", (2,), {"right": 3})
    assert (info.success, info.result, info.job_try) == (True, 5, 1)
    assert (info.queue_name, info.job_id) == ("arq:queue", job.job_id)
    assert info.enqueue_time == queued.enqueue_time
    assert info.enqueue_time <= info.start_time <= info.finish_time
    assert await bench.redis.queued_jobs() == []
    assert [found.job_id for found in await bench.redis.all_job_results()] == [job.job_id]


async def test_a_waiting_client_gets_the_result(bench: Bench) -> None:
    """`Job.result` waits while the job is in the queue, also while it runs."""
    async with bench.serving([add]):
        job = await sent(bench, "add", 1)
        assert await job.result(timeout=5, poll_delay=0.01) == 2


async def test_an_error_is_raised_at_the_client(bench: Bench) -> None:
    """`Job.result` raises what the job raised; `result_info` does not."""
    job = await sent(bench, "fail", "no such thing")
    worker = await bench.work([fail])
    with pytest.raises(ValueError, match="no such thing"):
        await job.result()
    info = await job.result_info()
    assert info is not None
    assert (info.success, str(info.result)) == (False, "no such thing")
    assert (worker.jobs_complete, worker.jobs_failed, worker.jobs_retried) == (0, 1, 0)


@pytest.mark.parametrize("how", ["by", "until"])
async def test_deferred_jobs_start_at_their_time(bench: Bench, how: str) -> None:
    """`_defer_by` and `_defer_until`: deferred before, never early."""
    due = datetime.now(UTC) + timedelta(seconds=0.3)
    options = {"_defer_until": due} if how == "until" else {"_defer_by": timedelta(seconds=0.3)}
    begun = time.time()
    job = await sent(bench, "when", **options)
    assert await job.status() is JobStatus.deferred
    await bench.work([when])
    started = await job.result()
    # arq keeps milliseconds, rounded.
    assert 0.2985 <= started - begun < 5


async def test_an_id_is_taken_until_its_result_is_gone(bench: Bench) -> None:
    """A job of an id that waits, runs or has a result is refused."""
    job = await sent(bench, "add", 1, _job_id="once")
    assert await bench.redis.enqueue_job("add", 2, _job_id="once") is None
    await bench.work([add])
    assert await bench.redis.enqueue_job("add", 2, _job_id="once") is None
    await bench.redis.delete("arq:result:once")
    assert await bench.redis.enqueue_job("add", 2, _job_id="once") is not None
    await bench.work([add])
    assert await job.result() == 3


async def test_a_running_job(bench: Bench) -> None:
    """While it runs a job is `in_progress`, in the queue, and its id is taken."""
    running, over = asyncio.Event(), asyncio.Event()

    async def wait(_ctx: Ctx) -> None:
        running.set()
        await over.wait()

    async with bench.serving([named(wait)]):
        job = await sent(bench, "wait", _job_id="held")
        await asyncio.wait_for(running.wait(), 5)
        assert await job.status() is JobStatus.in_progress
        info = await job.info()
        assert info is not None
        assert info.score is not None
        assert await bench.redis.enqueue_job("wait", _job_id="held") is None
        with pytest.raises(TimeoutError):
            await job.result(timeout=0.02, poll_delay=0.01)
        over.set()
        assert await job.result(timeout=5, poll_delay=0.01) is None


async def test_a_job_past_its_time_is_not_run(bench: Bench) -> None:
    """`_expires`: its payload is gone, and that is its result."""
    job = await sent(bench, "add", 1, _expires=0.02)
    await asyncio.sleep(0.05)
    worker = await bench.work([add])
    with pytest.raises(JobExecutionFailed, match="job expired"):
        await job.result()
    assert (worker.jobs_complete, worker.jobs_failed) == (0, 1)


async def test_job_try_is_what_the_sender_says(bench: Bench) -> None:
    """`_job_try` counts on from earlier tries, and the limit counts with it."""

    async def tries(ctx: Ctx) -> int:
        return int(ctx["job_try"])

    third = await sent(bench, "tries", _job_try=3)
    sixth = await sent(bench, "tries", _job_try=6)
    await bench.work([named(tries)], max_tries=5)
    assert await third.result() == 3
    with pytest.raises(JobExecutionFailed, match="max 5 retries exceeded"):
        await sixth.result()


async def test_without_a_result_there_is_nothing_to_wait_for(bench: Bench) -> None:
    """`keep_result=0`: nothing is stored, and a client that asks is told."""
    job = await sent(bench, "add", 1)
    await bench.work([add], keep_result=0)
    assert await bench.redis.keys("arq:result:*") == []
    assert await job.status() is JobStatus.not_found
    with pytest.raises(ResultNotFound):
        await job.result()


async def test_another_queue_is_left_alone(bench: Bench) -> None:
    """`_queue_name` says who runs it."""
    job = await sent(bench, "add", 1, _queue_name="arq:other")
    worker = await bench.work([add])
    assert worker.jobs_complete == 0
    await bench.work([add], queue_name="arq:other")
    assert await job.result() == 2


async def test_abort_of_a_running_job(bench: Bench) -> None:
    """`Job.abort` cancels what runs; the job sees a CancelledError."""
    running, seen = asyncio.Event(), []

    async def wait(_ctx: Ctx) -> None:
        running.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async with bench.serving([named(wait)], allow_abort_jobs=True):
        job = await sent(bench, "wait")
        await asyncio.wait_for(running.wait(), 5)
        assert await job.abort(timeout=5, poll_delay=0.02)
        assert seen == ["cancelled"]
        info = await job.result_info()
        assert info is not None
        assert (info.success, type(info.result)) == (False, asyncio.CancelledError)


@pytest.mark.parametrize("delay", [0, 60])
async def test_abort_before_the_start(bench: Bench, delay: int) -> None:
    """A queued or deferred job that is aborted never runs."""
    job = await sent(bench, "add", 1, _defer_by=delay)
    abort = asyncio.create_task(job.abort(timeout=5, poll_delay=0.02))
    await asyncio.sleep(0.05)
    worker = await bench.work([add], allow_abort_jobs=True)
    assert await abort
    assert (worker.jobs_complete, worker.jobs_failed) == (0, 1)


def named(coroutine: Any) -> Any:
    """Name a local coroutine as if it were a module's; Any, as arq types functions too narrowly."""
    coroutine.__qualname__ = coroutine.__name__
    return coroutine
