"""`cron(...)`: startup, unique and not, ids, zones, and what a worker without them does."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from arq import cron
from arq.cron import CronJob

from tests.compat.bench import Bench
from tests.compat.test_clients import Ctx, named

pytestmark = pytest.mark.asyncio


async def never(_ctx: Ctx) -> None:
    """Be no function that anybody calls."""
    raise AssertionError


def at(job: CronJob) -> datetime:
    """Return when a cron job comes next."""
    assert job.next_run is not None
    return job.next_run


async def test_a_tick_every_second(bench: Bench) -> None:
    """Each tick once, at its time and never early, by id `name:ms`."""
    seen: list[tuple[str, float]] = []

    async def tick(ctx: Ctx) -> None:
        seen.append((ctx["job_id"], datetime.now(UTC).timestamp()))

    job = cron(named(tick), second=set(range(60)), microsecond=0)
    async with bench.serving([], cron_jobs=[job]), asyncio.timeout(8):
        while len(seen) < 3:  # noqa: ASYNC110 - the job notes it
            await asyncio.sleep(0.01)
    for (job_id, moment), (following, _) in pairwise(seen):
        due = int(job_id.removeprefix("cron:tick:")) / 1000
        assert due <= moment < due + 0.6
        assert int(following.removeprefix("cron:tick:")) == due * 1000 + 1000
    await bench.redis.delete("arq:queue", *await bench.redis.keys("arq:job:*") or ["none"])


@pytest.mark.parametrize(("unique", "runs"), [(True, 1), (False, 2)])
async def test_unique_or_one_for_each_worker(bench: Bench, *, unique: bool, runs: int) -> None:
    """`unique=False` runs a tick in each worker's name; else the first to queue it wins."""
    ids: list[str] = []

    async def tick(ctx: Ctx) -> None:
        ids.append(ctx["job_id"])

    workers = []
    begin = datetime.now(UTC) + timedelta(seconds=0.3)
    for _ in range(2):
        job = cron(named(tick), hour=3, unique=unique, keep_result=60)
        job.next_run = begin
        workers.append(bench.worker([], burst=False, cron_jobs=[job], timezone=UTC))
    running = [asyncio.create_task(worker.async_run()) for worker in workers]
    await asyncio.sleep(1)
    for worker in workers:
        worker.handle_sig(signal.SIGTERM)
    await asyncio.wait(running)
    assert len(ids) == runs
    assert len(set(ids)) == runs
    await bench.redis.delete(*await bench.redis.keys("arq:in-progress:*"))


async def test_at_startup(bench: Bench) -> None:
    """`run_at_startup` runs once when a worker starts, then by the clock."""
    ids: list[str] = []

    async def tick(ctx: Ctx) -> None:
        ids.append(ctx["job_id"])

    job = cron(named(tick), hour=3, run_at_startup=True)
    async with bench.serving([], cron_jobs=[job]):
        await asyncio.sleep(0.3)
    assert len(ids) == 1
    assert (at(job).hour, at(job).minute) == (3, 0)


async def test_a_given_id(bench: Bench) -> None:
    """`job_id` makes every tick the same job: while one waits or runs there is no other."""
    job = cron(named(never), name="nightly", hour=3, job_id="nightly")
    job.next_run = datetime.now(UTC) + timedelta(days=1)
    worker = bench.worker([], cron_jobs=[job], timezone=UTC)
    for _ in range(2):
        await worker.run_cron(at(job), 0.5)
    assert await bench.redis.zrange("arq:queue", 0, -1) == [b"nightly"]
    await bench.redis.delete("arq:queue", "arq:job:nightly")


async def test_the_zone_of_a_schedule(bench: Bench) -> None:
    """`timezone` is the zone in which a schedule is meant."""
    zone = timezone(timedelta(hours=5, minutes=30))
    job = cron(named(never), hour=3, minute=0)
    async with bench.serving([], cron_jobs=[job], timezone=zone):
        await asyncio.sleep(0.1)
    assert at(job).utcoffset() == timedelta(hours=5, minutes=30)
    assert (at(job).hour, at(job).astimezone(UTC).strftime("%H:%M")) == (3, "21:30")


async def test_no_result_is_kept_unless_asked(bench: Bench) -> None:
    """A cron job's results are not kept by default, and its id is taken for a minute."""

    async def tick(_ctx: Ctx) -> int:
        return 1

    kept = cron(named(tick), name="kept", hour=3, run_at_startup=True, keep_result=60)
    gone = cron(named(tick), name="cron:gone", hour=3, run_at_startup=True)
    await bench.work([], cron_jobs=[kept, gone])
    results = [key.decode() for key in await bench.redis.keys("arq:result:*")]
    assert [key.startswith("arq:result:kept:") for key in results] == [True]
    guards = await bench.redis.keys("arq:in-progress:*")
    assert len(guards) == 2
    for guard in guards:
        assert 55_000 < await bench.redis.pttl(guard) <= 60_000
    await bench.redis.delete(*guards)


async def test_a_tick_that_could_not_be_queued_is_queued_later(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours only: when the server refuses a tick, it is queued, late, under its own id."""
    if bench.made.__module__ == "arq.worker":
        pytest.skip("arq's worker ends instead")
    ids: list[str] = []

    async def tick(ctx: Ctx) -> None:
        ids.append(ctx["job_id"])

    job = cron(named(tick), hour=3)
    job.next_run = due = datetime.now(UTC) + timedelta(seconds=1.3)
    try:
        async with bench.serving([], cron_jobs=[job], timezone=UTC):
            await asyncio.sleep(0.02)
            await bench.redis.config_set("maxmemory", 1)
            await asyncio.sleep(1.6)
            assert ids == []
            assert "cron waits for Redis" in caplog.text
            await bench.redis.config_set("maxmemory", 0)
            async with asyncio.timeout(5):
                while not ids:  # noqa: ASYNC110 - the job notes it
                    await asyncio.sleep(0.02)
    finally:
        await bench.redis.config_set("maxmemory", 0)
    assert ids == [f"cron:tick:{round(due.timestamp() * 1000)}"]
