"""How many jobs run at a time, in which order, and when a worker is replaced."""

import asyncio
import time

import pytest

from service.queue import JobState, Lane, QueueClient, job, pause, resume, wait
from tests.engine.bench import HERE, KEY, QUEUE, make_worker, seen, send, serving, until, work
from workers.engine import Context, run
from workers.engine.slots import Slots

pytestmark = pytest.mark.asyncio


@job("engine.hold", queue=QUEUE, coroutine=f"{HERE}.hold")
async def hold(number: int) -> None:
    """Take a slot."""


class Gate:
    """Jobs that hold their slots until they are let go, and the order in which they came."""

    def __init__(self, *, opened: bool = False) -> None:
        self.started: list[int] = []
        self.now = 0
        self.most = 0
        self.open = asyncio.Event()
        if opened:
            self.open.set()
        self.function = run(hold, self.hold)

    async def hold(self, ctx: Context, number: int) -> None:
        """Wait for the gate."""
        self.started.append(number)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.open.wait()
        finally:
            self.now -= 1


@pytest.mark.parametrize("slots", [4, 8])
async def test_so_many_overlap(client: QueueClient, slots: int) -> None:
    """G026, G049: N jobs run at once, the next one waits in the queue."""
    gate = Gate()
    await client.enqueue_many([hold(n).deferred(job_id=f"{n:02}") for n in range(slots + 1)])
    async with serving(client, gate.function, max_jobs=slots):
        await until(lambda: gate.now == slots)
        await asyncio.sleep(0.1)
        assert gate.now == slots
        assert (await seen(client, f"{slots:02}")).state is JobState.QUEUED
        gate.open.set()
        view = await wait(client, f"{slots:02}", 5)
    assert view is not None
    assert view.state is JobState.SUCCEEDED
    assert gate.most == slots


async def test_without_prefetch_others_get_the_rest(client: QueueClient) -> None:
    """G050: while a worker is busy, what waits goes to an idle second one."""
    busy, idle = Gate(), Gate(opened=True)
    await send(client, hold(1), "1")
    async with serving(client, busy.function, max_jobs=1):
        await until(lambda: busy.now)
        await send(client, hold(2), "2")
        async with serving(client, idle.function, max_jobs=1):
            view = await wait(client, "2", 5)
            assert view is not None
            assert view.state is JobState.SUCCEEDED
        busy.open.set()
    assert (busy.started, idle.started) == ([1], [2])


async def test_prefetch_reserves_so_many(client: QueueClient) -> None:
    """G050, T045: with a prefetch of 2 two jobs wait claimed beside the one that runs."""
    gate = Gate()
    await client.enqueue_many([hold(n).deferred(job_id=str(n)) for n in range(5)])
    async with serving(client, gate.function, max_jobs=1, prefetch=2):
        await until(lambda: gate.now)
        await asyncio.sleep(0.2)
        states = [(await seen(client, str(n))).state for n in range(5)]
        now = gate.now
        gate.open.set()
        assert (states.count(JobState.RUNNING), now) == (3, 1)
        await until(lambda: len(gate.started) == 5)
    assert gate.most == 1


async def test_slots_follow_the_load(client: QueueClient) -> None:
    """T015: from 3 up to 10 while jobs wait, visible in the health key."""
    gate = Gate()
    await client.enqueue_many([hold(n) for n in range(12)])
    functions, limits = gate.function, {"min_jobs": 3, "max_jobs": 10}
    async with serving(client, functions, **limits, health_check_interval=0.5) as worker:
        await until(lambda: gate.now >= 3)
        assert gate.now <= 4
        await until(lambda: gate.now == 10, 15)
        await asyncio.sleep(1.2)
        assert gate.now == 10
        health = await client.get(worker.health_check_key)
        assert b" slots=10 " in health
        assert b"j_ongoing=10 " in health
        gate.open.set()
        await until(lambda: len(gate.started) == 12)


async def test_idle_slots_are_given_up() -> None:
    """T015: after ten calm seconds one slot less, down to the least."""
    slots = Slots(3, 10)
    slots.open = 5
    for second in range(40):
        slots.adapt(float(second), lambda: False)
        assert slots.open == (5 if second <= 10 else max(3, 15 - second))


async def test_high_jobs_start_first(client: QueueClient) -> None:
    """G080: with a backlog on low and normal, a high job starts first, low ones last."""
    gate = Gate(opened=True)
    lanes: dict[int, Lane] = {**dict.fromkeys(range(5), "low"), 10: "high"}
    calls = [hold(n).in_lane(lanes.get(n, "normal")).deferred(job_id=f"{n:02}") for n in range(11)]
    await client.enqueue_many(calls)
    await work(client, gate.function, max_jobs=1)
    assert gate.started == [10, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4]


async def test_low_jobs_age(client: QueueClient) -> None:
    """G080: a low job that has waited for five minutes goes before a normal one of now."""
    gate = Gate(opened=True)
    await send(client, hold(2), "normal")
    await send(client, hold(1).in_lane("low"), "low")
    began = time.time() * 1000 - 310_000
    await client.zadd(KEY, {"low": began + 300_000})
    await client.zadd(f"{KEY}:low", {"low": began})
    await work(client, gate.function, max_jobs=1)
    assert gate.started == [1, 2]


async def test_a_stream_of_high_jobs_starves_nobody(client: QueueClient) -> None:
    """G080: a tenth of the claims goes by time alone, whatever the lane."""
    gate = Gate(opened=True)
    await send(client, hold(1000), "normal")
    await asyncio.sleep(0.005)
    await client.enqueue_many([hold(n).in_lane("high") for n in range(60)])
    await work(client, gate.function, max_jobs=1)
    assert gate.started.index(1000) <= 12


async def test_a_worker_is_replaced_after_so_many_jobs(client: QueueClient) -> None:
    """N054, T046: with N = 5 it stops by itself, and says why; no job is lost."""
    started: list[int] = []

    async def briefly(ctx: Context, number: int) -> None:
        started.append(number)
        await asyncio.sleep(0 if len(started) > 10 else 0.3)

    await client.enqueue_many([hold(n) for n in range(15)])
    function = run(hold, briefly)
    worker = make_worker(
        client, function, burst=False, recycle_after=5, max_jobs=1, job_completion_wait=5
    )
    async with asyncio.timeout(10):
        await worker.async_run()
    assert worker.recycled
    # Whether it is time is looked at once a second.
    assert 5 <= len(started) <= 10
    assert await client.zcard(KEY) == 15 - len(started)
    await work(client, function)
    assert sorted(started) == list(range(15))


async def test_a_worker_above_its_memory_stops(client: QueueClient) -> None:
    """V057: it takes no further jobs and ends; what runs may finish."""
    gate = Gate()
    await client.enqueue_many([hold(n) for n in range(3)])
    worker = make_worker(
        client, gate.function, burst=False, recycle_above=1, max_jobs=1, job_completion_wait=5
    )
    task = asyncio.create_task(worker.async_run())
    await until(lambda: worker.recycled)
    await asyncio.sleep(0.1)
    gate.open.set()
    await task
    assert len(gate.started) <= 1
    assert await client.zcard(KEY) == 3 - len(gate.started)


@pytest.mark.parametrize("pauses", [2, 4])
async def test_the_tenth_comes_whatever_came_before(client: QueueClient, pauses: int) -> None:
    """G080: the share of the other lanes does not depend on how often a worker found nothing."""
    gate = Gate(opened=True)
    async with serving(client, gate.function, max_jobs=1):
        await asyncio.sleep(0.1)
        for _ in range(pauses):
            await pause(client, KEY)
            await asyncio.sleep(0.05)
            await resume(client, KEY)
            await asyncio.sleep(0.05)
        await pause(client, KEY)
        await send(client, hold(1000), "normal")
        await asyncio.sleep(0.005)
        await client.enqueue_many([hold(n).in_lane("high") for n in range(60)])
        await resume(client, KEY)
        await until(lambda: len(gate.started) == 61)
    assert gate.started.index(1000) <= 12
