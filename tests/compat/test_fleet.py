"""arq's own workers beside ours on one queue, and after ours are gone."""

import asyncio
import json
import signal
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from arq import cron
from arq.connections import ArqRedis
from arq.jobs import Job, JobStatus

from service.queue import QueueClient
from tests.compat.bench import JSON, PICKLE, Bench, StockWorker, opened
from tests.compat.plain import KEEP_TICK
from tests.compat.programs import OURS, STOCK, Programs, until
from tests.compat.test_clients import Ctx, add, named, sent
from workers.engine import Worker

pytestmark = pytest.mark.asyncio
QUEUE = "arq:queue"
MIDNIGHT = datetime(2040, 1, 1, tzinfo=UTC)


async def send(redis: ArqRedis, count: int, seconds: float = 0.0) -> list[Job]:
    """Send so many jobs by arq's client."""
    jobs = await asyncio.gather(*(redis.enqueue_job("work", seconds) for _ in range(count)))
    return [job for job in jobs if job is not None]


@pytest.fixture
def kind() -> str:
    """The clients of these tests are arq's; their workers are named one by one."""
    return "arq"


@pytest.mark.parametrize("codec", [JSON, PICKLE], ids=["json", "pickle"])
async def test_a_mixed_fleet_drains_a_queue(bench: Bench, programs: Programs) -> None:
    """R29: 2,000 jobs, two workers of each kind: each job runs once, and all took part."""
    for number in range(2):
        programs.start(OURS, name=f"ours{number}")
        programs.start(STOCK, name=f"stock{number}")
    await programs.ready(4)
    jobs = await send(bench.redis, 2000, 0.01)
    assert len(jobs) == 2000
    await until(lambda: len(programs.lines("end")) >= 2000, 60)
    async with asyncio.timeout(10):
        while await bench.redis.zcard(QUEUE):  # noqa: ASYNC110 - it is in Redis
            await asyncio.sleep(0.02)
    starts = Counter(job_id for job_id, _ in programs.lines("start"))
    assert starts == Counter(job.job_id for job in jobs)
    by = Counter(name for _, name in programs.lines("end"))
    assert set(by) == {"ours0", "ours1", "stock0", "stock1"}
    results = await asyncio.gather(*(job.result(timeout=5) for job in jobs))
    assert Counter(results) == by


async def test_arq_finishes_what_ours_leave(
    bench: Bench, programs: Programs, client: QueueClient
) -> None:
    """R30: one of ours is told to stop, one is killed, jobs in flight; arq's run everything."""
    told = programs.start(OURS, name="told")
    killed = programs.start(OURS, name="killed")
    await programs.ready(2)
    jobs = await send(bench.redis, 60, 0.5)
    later = [await sent(bench, "work", _defer_by=1) for _ in range(5)]
    await until(lambda: len(programs.lines("start")) >= 15)
    killed.kill()
    told.send_signal(signal.SIGTERM)
    code, _ = await programs.ended(told)
    assert code == 0
    assert [name for _, name in programs.lines("stopped")] == ["told"]
    for number in range(2):
        programs.start(STOCK, name=f"stock{number}")
    handles = [*jobs, *later]
    results = await asyncio.gather(*(job.result(timeout=30, poll_delay=0.1) for job in handles))
    assert len(results) == 65
    assert await bench.redis.zcard(QUEUE) == 0
    ends = Counter(job_id for job_id, _ in programs.lines("end"))
    assert ends == Counter(job.job_id for job in handles)
    # arq knows nothing of our records of claims; our next worker's claim is what cleans them.
    await client.delete(f"{QUEUE}:claims", f"{QUEUE}:crashes")


async def test_ours_take_over_from_arqs(bench: Bench, programs: Programs) -> None:
    """The way in: arq's worker is killed; its jobs run here when its own keys have ended."""
    killed = programs.start(STOCK)
    await programs.ready(1)
    jobs = await send(bench.redis, 10, 0.5)
    await until(lambda: len(programs.lines("start")) >= 10)
    killed.kill()
    # arq holds a job for its time limit and ten seconds; the test does not wait so long.
    assert 10_000 < await bench.redis.pttl(f"arq:in-progress:{jobs[0].job_id}") <= 12_000
    for job in jobs:
        await bench.redis.pexpire(f"arq:in-progress:{job.job_id}", 300)
    programs.start(OURS)
    await programs.ready(2)
    await asyncio.sleep(0.4)
    jobs.append(await sent(bench, "work"))  # whatever wakes it; an idle worker looks every 30 s
    results = await asyncio.gather(*(job.result(timeout=15, poll_delay=0.05) for job in jobs))
    assert set(results) == {"ours"}


async def test_arq_does_not_see_what_we_hold(bench: Bench, valkey_socket_url: str) -> None:
    """A job that runs here is neither due nor free for arq's workers, also at score 1."""
    running, over, runs = asyncio.Event(), asyncio.Event(), []

    async def wait(ctx: Ctx) -> None:
        runs.append(ctx["job_try"])
        running.set()
        await over.wait()

    functions = [named(wait)]
    async with opened(valkey_socket_url, "ours", JSON) as ours, ours.serving(functions):
        job = await sent(bench, "wait")
        await asyncio.wait_for(running.wait(), 5)
        now = int(time.time() * 1000)
        assert await bench.redis.zrangebyscore(QUEUE, "-inf", now) == []
        assert await job.status() is JobStatus.in_progress
        async with bench.serving(functions):
            await asyncio.sleep(0.1)
            await bench.redis.zadd(QUEUE, {job.job_id: 1})
            await asyncio.sleep(0.3)
        over.set()
        assert await job.result(timeout=5, poll_delay=0.02) is None
    assert runs == [1]


async def test_each_leaves_the_others_running_jobs(bench: Bench, valkey_socket_url: str) -> None:
    """A job that runs at arq's worker is not claimed by ours."""
    running, over, runs = asyncio.Event(), asyncio.Event(), []

    async def wait(ctx: Ctx) -> None:
        runs.append(ctx["job_try"])
        running.set()
        await over.wait()

    functions = [named(wait), add]
    async with bench.serving(functions):
        job = await sent(bench, "wait")
        await asyncio.wait_for(running.wait(), 5)
        async with (
            opened(valkey_socket_url, "ours", JSON) as ours,
            ours.serving(functions) as worker,
        ):
            other = await sent(bench, "add", 1)
            await other.result(timeout=5, poll_delay=0.02)
            await asyncio.sleep(0.2)
            over.set()
            assert await job.result(timeout=5, poll_delay=0.02) is None
            assert set(worker.tasks) == set()
    assert runs == [1]


async def test_a_tick_fires_once_in_a_mixed_fleet(
    bench: Bench, programs: Programs, client: QueueClient
) -> None:
    """Rule 17: both kinds name a tick alike, `name:ms`, and each fires once."""
    settings = "tests.compat.ticking.Settings"
    programs.start(OURS, settings=settings)
    programs.start(STOCK, settings=settings)
    await programs.ready(2)
    await until(lambda: len(programs.lines("tick")) >= 4)
    ids = [job_id for job_id, _ in programs.lines("tick")]
    assert len(ids) == len(set(ids))
    assert all(job_id.startswith("cron:tick:") and job_id.endswith("123") for job_id in ids)
    times = sorted(int(job_id.rpartition(":")[2]) for job_id in ids)
    assert {b - a for a, b in pairwise(times)} == {1000}
    kept = await client.pttl(f"arq:result:{ids[0]}")
    assert (KEEP_TICK - 30) * 1000 < kept <= KEEP_TICK * 1000
    for process in programs.running:
        process.terminate()
        await programs.ended(process)
    await bench.redis.delete(QUEUE, *await bench.redis.keys("arq:job:cron:*") or ["none"])


async def test_ticks_have_arqs_ids(bench: Bench, client: QueueClient) -> None:
    """The same rule gives the same id in either kind of worker, whichever comes first."""

    async def tick(_ctx: Ctx) -> None:
        raise AssertionError

    found = []
    for made in (StockWorker, Worker):
        job = cron(named(tick), hour={3}, minute=7)
        worker = Bench(made, bench.redis, JSON).worker([], cron_jobs=[job])
        job.calculate_next(MIDNIGHT)
        assert job.next_run is not None
        await worker.run_cron(job.next_run, 0.5)
        found.append(await client.zrange(QUEUE, 0, -1))
    assert found == [[b"cron:tick:%d" % int(MIDNIGHT.timestamp() * 1000 + 11_220_123)]] * 2
    payload = json.loads(await client.get(f"arq:job:{found[0][0].decode()}"))
    assert payload["f"] == "cron:tick"
    await client.delete(QUEUE, f"arq:job:{found[0][0].decode()}")
