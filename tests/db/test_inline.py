"""What the maintenance process runs while no worker can, and that it is never run twice."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from service.db.outbox import DurableJob
from service.monitoring import lookup, rows
from service.operator import OPERATOR
from service.queue import (
    Concurrency,
    JobCall,
    Rate,
    RetryPolicy,
    connect,
    inspect,
    job,
    pause,
    queue_key,
)
from service.runtime import Runtime
from tests.engine.bench import until
from tests.queue.leaks import leaked_keys
from workers import direct
from workers.engine import LEDGER, Context, Worker, run
from workers.inline import Fallback
from workers.ledger import JobLedger

pytestmark = pytest.mark.asyncio
HERE = "tests.db.test_inline"
KEY = queue_key("inline")
AT_ONCE = timedelta()


@job("tests.inline", queue="inline", coroutine=f"{HERE}.work", inline=True,
     retry=RetryPolicy(2, delay=0))  # fmt: skip
async def task(number: int) -> int:
    """Return twice the number; 13 fails, 99 takes long."""
    raise NotImplementedError


@job("tests.worker_only", queue="inline", coroutine=f"{HERE}.work")
async def worker_only(number: int) -> int:
    """Wait for a worker."""
    raise NotImplementedError


@job("tests.slow", queue="inline", coroutine=f"{HERE}.work", inline=True, timeout=0.2,
     retry=RetryPolicy(1))  # fmt: skip
async def slow(number: int) -> int:
    """Run into its time limit."""
    raise NotImplementedError


RUNS: list[int] = []


async def work(ctx: Context, number: int) -> int:
    """Do what the jobs of this module say."""
    RUNS.append(number)
    if number == 13:
        raise ValueError("bad luck")
    if number == 99:
        await asyncio.sleep(30)
    return 2 * number


FUNCTIONS = [run(task, work), run(worker_only, work), run(slow, work)]


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RUNS.clear()


@pytest_asyncio.fixture
async def cut_off(runtime: Runtime) -> AsyncIterator[Runtime]:
    """The same runtime as long as Redis is down."""
    nowhere = connect("redis://127.0.0.1:1", retries=0)
    yield replace(runtime, queue=nowhere)
    await nowhere.aclose()


async def enqueue(runtime: Runtime, *calls: JobCall) -> list[str]:
    async with runtime.unit_of_work() as uow:
        return uow.enqueue(*calls)


async def row(runtime: Runtime, job_id: str) -> DurableJob:
    found = await rows.find(runtime, job_id)
    assert found is not None
    return found


async def fall_back(runtime: Runtime, patience: timedelta = AT_ONCE) -> None:
    """Look once, and wait for what runs."""
    async with direct.running(runtime) as runner:
        fallback = Fallback(runtime, runner, patience)
        await fallback.look()
        await fallback.idle()


def worker(runtime: Runtime, **settings: Any) -> Worker:
    ledger = {LEDGER: JobLedger(runtime)}
    return Worker(
        functions=FUNCTIONS, queue_name=KEY, redis_pool=runtime.queue, ctx=ledger,
        **{"burst": True, "handle_signals": False, **settings},
    )  # fmt: skip


async def serve(runtime: Runtime) -> None:
    """Work off what is in the queue."""
    async with asyncio.timeout(30):
        await worker(runtime).async_run()
    assert await leaked_keys(runtime.queue) == []


@asynccontextmanager
async def serving(runtime: Runtime) -> AsyncIterator[None]:
    """Have a living worker, that has a place for one job."""
    living = worker(runtime, burst=False, max_jobs=1)
    running = asyncio.create_task(living.async_run())
    while not await runtime.queue.exists(living.health_check_key):  # noqa: ASYNC110 - a key is no event
        await asyncio.sleep(0.01)
    yield
    living.handle_sig(signal.SIGTERM)
    async with asyncio.timeout(30):
        await running


async def test_redis_down(
    runtime: Runtime, cut_off: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """K040, K041: the job runs inline; its row has path and result, the log its id."""
    caplog.set_level(logging.INFO)
    (job_id,) = await enqueue(cut_off, task(21))
    await fall_back(cut_off)
    ended = await row(runtime, job_id)
    assert (ended.state, ended.path, ended.tries, ended.error) == ("succeeded", "inline", 1, None)
    assert f"job {job_id} runs inline" in caplog.messages
    assert RUNS == [21]
    shown = await lookup.find(runtime, OPERATOR, job_id)
    assert shown is not None
    assert (shown.state, shown.result, shown.path) == ("succeeded", 42, "inline")
    await rows.sweep(runtime, everything=True)
    assert not await runtime.queue.exists(KEY)


async def test_the_queue_first(runtime: Runtime) -> None:
    """K039, K041: while Redis and a worker are there, the worker runs it."""
    (job_id,) = await enqueue(runtime, task(21))
    await serve(runtime)
    ended = await row(runtime, job_id)
    assert (ended.state, ended.path, RUNS) == ("succeeded", "queue", [21])


async def test_what_ran_inline_is_not_run_again_by_the_queue(
    runtime: Runtime, cut_off: Runtime
) -> None:
    """K040, never both: Redis still had the job when it came back."""
    (job_id,) = await enqueue(runtime, task(1))
    await fall_back(cut_off)
    assert await runtime.queue.zcard(KEY) == 1
    for present in (runtime, cut_off):
        shown = await lookup.find(present, OPERATOR, job_id)
        assert shown is not None
        assert (shown.state, shown.path) == ("succeeded", "inline"), "its row knows better"
    await serve(runtime)
    assert ((await row(runtime, job_id)).path, RUNS) == ("inline", [1])


async def test_no_worker(runtime: Runtime) -> None:
    """K040: Redis is up, nobody serves the queue: the job runs here, and leaves the queue."""
    (job_id,) = await enqueue(runtime, task(2))
    await fall_back(runtime, timedelta(seconds=30))
    assert RUNS == [], "it is not missed yet"
    await fall_back(runtime)
    assert ((await row(runtime, job_id)).path, RUNS) == ("inline", [2])
    assert not await runtime.queue.exists(KEY)
    view = await inspect(runtime.queue, job_id)
    assert view is not None
    assert (view.state, view.result) == ("succeeded", 4)
    assert await runtime.queue.xlen(f"{KEY}:events") == 1, "the history knows of it"
    assert await leaked_keys(runtime.queue) == []


async def test_a_worker_that_is_busy_is_not_missed(runtime: Runtime) -> None:
    """K040: it lives, so its jobs are its own, however late they are."""
    await enqueue(runtime, task(99))
    async with serving(runtime):
        await until(lambda: RUNS)
        (waits,) = await enqueue(runtime, task(3))
        await fall_back(runtime)
        assert RUNS == [99]
        assert (await row(runtime, waits)).state == "queued"


async def test_a_paused_queue_is_left_alone(runtime: Runtime) -> None:
    """Whoever paused it does not want its jobs to start."""
    await enqueue(runtime, task(1))
    await pause(runtime.queue, KEY)
    await fall_back(runtime)
    assert RUNS == []


async def test_other_jobs_wait_for_a_worker(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """K040, T068: what is not declared inline stays, and the log says that nobody serves it."""
    await enqueue(runtime, worker_only(1))
    async with direct.running(runtime) as runner:
        fallback = Fallback(runtime, runner, AT_ONCE)
        for _ in range(2):
            await fallback.look()
        await fallback.idle()
    assert RUNS == []
    lonely = [message for message in caplog.messages if message.startswith("no worker serves")]
    assert lonely == [f"no worker serves {KEY}, where jobs are due for more than 0 s"]


async def test_it_can_be_switched_off(runtime: Runtime, cut_off: Runtime) -> None:
    """K066: ALMANAC_INLINE_FALLBACK=off, with Redis up and down."""
    (job_id,) = await enqueue(runtime, task(1))
    for present in (runtime, cut_off):
        settings = present.settings.model_copy(update={"inline_fallback": False})
        await fall_back(replace(present, settings=settings))
    assert ((await row(runtime, job_id)).state, RUNS) == ("queued", [])


async def test_many_that_fall_back_beside_a_worker(runtime: Runtime, cut_off: Runtime) -> None:
    """K040, rule 12: 60 jobs, three processes and a worker at them: each runs once."""
    await enqueue(runtime, *(task(number) for number in range(100, 160)))

    async def until_all_ran() -> None:
        async with direct.running(cut_off) as runner:
            fallback = Fallback(cut_off, runner, AT_ONCE)
            while len(RUNS) < 60:
                await fallback.look()
                await fallback.idle()

    async with asyncio.timeout(60), serving(runtime):
        await asyncio.gather(*(until_all_ran() for _ in range(3)))
    assert sorted(RUNS) == list(range(100, 160))
    ended = await runtime.database.execute(
        text("SELECT count(*) FROM durable_jobs WHERE state = 'succeeded' AND tries = 1")
    )
    assert ended[0][0] == 60


async def test_its_policy_decides(runtime: Runtime, cut_off: Runtime) -> None:
    """An error retries; out of tries it is dead in its row, with the error."""
    (job_id,) = await enqueue(cut_off, task(13))
    await fall_back(cut_off)
    again = await row(runtime, job_id)
    assert (again.state, again.tries, again.error) == ("retrying", 1, "ValueError: bad luck")
    await fall_back(cut_off)
    dead = await row(runtime, job_id)
    assert (dead.state, dead.tries, dead.error) == ("failed", 2, "ValueError: bad luck")
    assert RUNS == [13, 13]
    await fall_back(cut_off)
    assert RUNS == [13, 13]


async def test_its_time_limit_ends_it(runtime: Runtime, cut_off: Runtime) -> None:
    (job_id,) = await enqueue(cut_off, slow(99))
    await fall_back(cut_off)
    dead = await row(runtime, job_id)
    assert (dead.state, dead.error) == ("failed", "TimeoutError: it ran longer than 0.2 s")


async def test_a_job_that_killed_the_process_waits_for_a_worker(
    runtime: Runtime, cut_off: Runtime
) -> None:
    """It must not take the schedules down again and again; workers count crashes."""
    (job_id,) = await enqueue(runtime, task(1))
    await runtime.database.execute(
        text(
            "UPDATE durable_jobs SET state = 'running', path = 'inline', claim_token = 'dead',"
            " claimed_until = now() - interval '1 second'"
        )
    )
    await fall_back(cut_off)
    assert RUNS == []
    await serve(runtime)
    assert ((await row(runtime, job_id)).path, RUNS) == ("queue", [1])


async def test_a_process_that_stops_leaves_it_to_others(runtime: Runtime, cut_off: Runtime) -> None:
    """No try is used, and the next one need not wait for the claim to end."""
    (job_id,) = await enqueue(cut_off, task(99))
    async with direct.running(cut_off) as runner:
        fallback = Fallback(cut_off, runner, AT_ONCE)
        await fallback.look()
        await until(lambda: RUNS)
        assert (await row(runtime, job_id)).state == "running"
        await fallback.close()
    left = await row(runtime, job_id)
    assert (left.state, left.tries, left.claimed_until) == ("queued", 0, None)


@pytest.mark.parametrize(
    "declaration",
    [
        {"owner": "service.posts.owner.DeliveryOwner"},
        {"rate": Rate(1, 1)},
        {"concurrency": Concurrency(1)},
    ],
    ids=lambda declaration: next(iter(declaration)),
)
async def test_what_cannot_run_inline_is_refused(declaration: dict[str, Any]) -> None:
    """Its row is another's, or its limits are where nobody can ask for them."""

    async def stub() -> None:
        """Do nothing."""

    declare = job("tests.refused", queue="inline", coroutine=HERE, inline=True, **declaration)
    with pytest.raises(ValueError, match="inline goes with no owner, rate or concurrency"):
        declare(stub)
