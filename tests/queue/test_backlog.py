"""What waits in queues, who is there to run it, and jobs that ended past their queue."""

from datetime import timedelta

import pytest
from arq.connections import ArqRedis

from service.kit.clock import now
from service.queue import QueueClient, inspect, pause
from service.queue.backlog import Backlog, backlogs, living
from service.queue.call import LANES, Lane
from service.queue.closing import close_queued
from service.queue.presence import OFFLINE_AFTER, WORKERS
from tests.queue.examples import KEY, Runs, echo, stock_worker
from tests.queue.leaks import leaked_keys
from tests.queue.raw import raw

pytestmark = pytest.mark.asyncio
OTHER = "almanac:other"


async def test_the_oldest_that_waits(client: QueueClient) -> None:
    """T068: its age is from when it was due; what is due later or held does not wait."""
    ago = now() - timedelta(seconds=100)
    for call in (echo(number=1), echo(number=2).in_lane("low"), echo(number=3).in_lane("high")):
        await client.enqueue(call.deferred(until=ago))
    await client.enqueue(echo(number=4).deferred(until=now() + timedelta(hours=1)))
    (found, empty) = await backlogs(client, [KEY, OTHER])
    assert (found.queue, found.waiting, found.paused) == (KEY, 3, False)
    assert 99 < found.oldest < 120
    assert empty == Backlog(OTHER, 0, 0, paused=False)


async def test_an_aged_low_job_counts_once(client: QueueClient) -> None:
    """Then it is due in its lane and in the queue."""
    await client.enqueue(echo(number=1).in_lane("low").deferred(until=now() - timedelta(hours=1)))
    (found,) = await backlogs(client, [KEY])
    assert found.waiting == 1
    assert 3599 < found.oldest < 3620


async def test_a_paused_queue_says_so(client: QueueClient) -> None:
    await pause(client, KEY)
    (found,) = await backlogs(client, [KEY])
    assert found.paused


async def test_where_jobs_are(client: QueueClient) -> None:
    """V031, V042: a claim whose lease has ended runs nowhere; arq's marks are nobody's jobs."""
    for job_id in ("ready", "crashed", "runs", "low"):
        lane: Lane = "low" if job_id == "low" else "normal"
        await client.enqueue(echo(number=1).in_lane(lane).deferred(job_id=job_id))
    later = now() + timedelta(hours=1)
    await client.enqueue(echo(number=1).deferred(until=later, job_id="later"))
    await client.enqueue(echo(number=1).in_lane("low").deferred(until=later, job_id="low later"))
    await raw(client, "HSET", f"{KEY}:claims", "runs", "w.1:2", "crashed", "w.1:1")
    await client.set("arq:in-progress:runs", "w.1:2", px=60_000)
    await client.zadd(KEY, {"runs": (now() + timedelta(seconds=10)).timestamp() * 1000})
    await client.zadd(KEY, {"aborted": 1})
    await client.zadd(f"{KEY}:dead", {"a": 1, "b": 2})
    (found,) = await backlogs(client, [KEY])
    counts = (found.waiting, found.running, found.deferred, found.dead, found.depth)
    assert counts == (3, 1, 2, 2, 7)
    await client.flushdb()


async def test_very_many_claims_are_counted_as_they_are(client: QueueClient) -> None:
    """Above 1,000 they are not looked at one by one."""
    claims = [part for number in range(1001) for part in (f"{number}", "w.1:1")]
    await raw(client, "HSET", f"{KEY}:claims", *claims)
    assert (await backlogs(client, [KEY]))[0].running == 1001
    await raw(client, "HDEL", f"{KEY}:claims", "0")
    await client.set("arq:in-progress:7", "w.1:1", px=60_000)
    assert (await backlogs(client, [KEY]))[0].running == 1
    await client.flushdb()


async def test_workers_are_counted_by_queue(client: QueueClient) -> None:
    """T068: ours each for itself, those of stock arq as one."""
    seconds, _ = await client.time()
    lately, before = seconds * 1000, (seconds - OFFLINE_AFTER - 1) * 1000
    seen = {"a:1": lately, "a:2": lately, "a:3": before}
    await client.zadd(WORKERS, {f"{KEY}:worker:{name}": at for name, at in seen.items()})
    await client.set("almanac:unheard-of:health-check", 1)
    assert await living(client) == {KEY: 2}
    await client.set(f"{KEY}:health-check", 1)
    assert await living(client) == {KEY: 3}


async def test_a_stock_worker_lives_too(client: QueueClient, stock: ArqRedis) -> None:
    worker = stock_worker(stock, Runs())
    await worker.async_run()
    assert await living(client) == {KEY: 1}


async def test_a_job_that_ended_elsewhere_leaves_its_queue(client: QueueClient) -> None:
    """Its result stays, and nothing else; a second time changes nothing."""
    result = b'{"f":"examples.echo","a":[],"k":{},"t":1,"et":1,"s":true,"r":"7","q":"","id":"a"}'
    for lane in LANES:
        await client.enqueue(echo(number=7).in_lane(lane).deferred(job_id=lane))
        assert await close_queued(client, KEY, lane, result, 60_000)
        assert not await close_queued(client, KEY, lane, result, 60_000)
        view = await inspect(client, lane)
        assert view is not None
        assert (view.state, view.result) == ("succeeded", "7")
    assert await client.zcard(KEY) == 0
    assert await leaked_keys(client) == []


async def test_a_job_that_runs_is_left_to_its_worker(client: QueueClient) -> None:
    await client.enqueue(echo(number=7).deferred(job_id="a"))
    await client.set("arq:in-progress:a", "token", px=60_000)
    assert not await close_queued(client, KEY, "a", b"{}", 60_000)
    assert await client.exists("arq:job:a", "arq:in-progress:a", "arq:result:a") == 2
    await client.flushdb()
