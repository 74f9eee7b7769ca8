"""What waits in queues, who is there to run it, and jobs that ended past their queue."""

from datetime import timedelta

import pytest
from arq.connections import ArqRedis

from service.kit.clock import now
from service.queue import QueueClient, inspect, pause
from service.queue.backlog import Backlog, backlogs, living
from service.queue.call import LANES
from service.queue.closing import close_queued
from tests.queue.examples import KEY, Runs, echo, stock_worker
from tests.queue.leaks import leaked_keys

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


async def test_workers_are_counted_by_queue(client: QueueClient) -> None:
    """T068: ours each for itself, those of stock arq as one."""
    await client.mset({f"{KEY}:health:a:1": 1, f"{KEY}:health:a:2": 1, "arq:health": 1})
    assert await living(client) == {KEY: 2}


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
