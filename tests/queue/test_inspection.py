"""What became of a job: every state, waiting, cancelling."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job
from redis.exceptions import WatchError

from service.queue import (
    DecodeError,
    JobState,
    JobView,
    Lane,
    QueueClient,
    cancel,
    inspect,
    wait,
)
from service.queue.codec import deserialize, serialize_failure
from tests.queue.examples import KEY, Runs, echo, fail, publish, sleep, stock_worker
from tests.queue.raw import everything, raw

pytestmark = pytest.mark.asyncio

COUNTS, EVENTS = f"{KEY}:counts".encode(), f"{KEY}:events".encode()
TOMORROW = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


async def view_of(client: QueueClient, job_id: str) -> JobView:
    view = await inspect(client, job_id)
    assert view is not None
    return view


async def test_a_queue_that_no_declared_job_names_is_known(client: QueueClient) -> None:
    """One of Almanac's own queues may have no jobs of its own, as `users`."""
    await client.enqueue_job("theirs", _job_id="one", _queue_name="almanac:users")
    assert (await view_of(client, "one")).state is JobState.QUEUED


async def test_unknown_ids_are_none(client: QueueClient) -> None:
    assert await inspect(client, "nobody") is None
    assert await wait(client, "nobody", 5) is None
    assert await cancel(client, "nobody") is False
    assert await client.dbsize() == 0


async def test_waiting_jobs(client: QueueClient) -> None:
    await client.enqueue(echo(number=1).deferred(job_id="now"))
    await client.enqueue(echo(number=2).deferred(until=TOMORROW, job_id="later"))
    now, later = await view_of(client, "now"), await view_of(client, "later")
    assert (now.state, later.state) == (JobState.QUEUED, JobState.DEFERRED)
    assert later.run_at == TOMORROW
    assert now.run_at is not None
    assert now.enqueued_at is not None
    # One is the server's clock, the other ours.
    assert abs(now.run_at - now.enqueued_at) < timedelta(seconds=1)
    assert abs(now.enqueued_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert (now.function, now.queue, now.args, now.kwargs) == (
        "examples.echo",
        KEY,
        (),
        {"number": 1},
    )
    assert (now.tries, now.result, now.error, now.started_at, now.finished_at) == (
        0,
        None,
        None,
        None,
        None,
    )


async def test_running_then_succeeded(client: QueueClient, stock: ArqRedis) -> None:
    await client.enqueue(sleep(0.2).deferred(job_id="one"))
    runs = Runs()
    running = asyncio.create_task(stock_worker(stock, runs).async_run())
    await runs.asleep.wait()
    view = await view_of(client, "one")
    assert (view.state, view.tries) == (JobState.RUNNING, 1)
    view = await wait(client, "one", 5) or view
    assert (view.state, view.tries, view.result) == (JobState.SUCCEEDED, 1, None)
    assert view.started_at is not None
    assert view.finished_at is not None
    assert timedelta(seconds=0.19) < view.finished_at - view.started_at < timedelta(seconds=2)
    await running


async def test_retrying_then_failed(client: QueueClient, stock: ArqRedis) -> None:
    await client.enqueue(fail("retry").deferred(job_id="one"))
    await stock_worker(stock, Runs(), max_burst_jobs=1).async_run()
    view = await view_of(client, "one")
    assert (view.state, view.tries) == (JobState.RETRYING, 1)
    await stock_worker(stock, Runs(), max_tries=1).async_run()
    view = await view_of(client, "one")
    assert (view.state, view.tries) == (JobState.FAILED, 2)
    assert view.error is not None
    assert view.error.type == "arq.worker.JobExecutionFailed"


async def test_a_failure_has_type_message_and_traceback(
    client: QueueClient, stock: ArqRedis
) -> None:
    await client.enqueue(fail("unknown").deferred(job_id="one"))
    await stock_worker(stock, Runs()).async_run()
    view = await view_of(client, "one")
    assert view.state is JobState.FAILED
    assert view.error is not None
    assert (view.error.type, view.error.message) == (
        "tests.queue.examples.Unknown",
        "no such class",
    )
    assert view.error.traceback.startswith("Traceback (most recent call last):")
    assert view.kwargs == {"kind": "unknown"}


async def test_a_lost_payload_is_still_seen(client: QueueClient) -> None:
    await client.zadd(KEY, {"lost": 1000})
    view = await view_of(client, "lost")
    assert (view.state, view.function, view.enqueued_at) == (JobState.QUEUED, "<unknown>", None)


async def test_other_queues_are_looked_at_when_named(client: QueueClient) -> None:
    await client.enqueue_job("elsewhere", 1, _queue_name="theirs", _job_id="one")
    assert await inspect(client, "one") is None
    view = await inspect(client, "one", queue="theirs")
    assert view is not None
    assert (view.function, view.args) == ("elsewhere", (1,))


async def test_an_unreadable_payload_is_an_error(client: QueueClient) -> None:
    await client.zadd(KEY, {"one": 1000})
    await client.set("arq:job:one", b"\x80\x05.")
    with pytest.raises(DecodeError, match="the payload is a pickle"):
        await inspect(client, "one")


async def test_wait_returns_at_once_when_the_job_ends(client: QueueClient, stock: ArqRedis) -> None:
    await client.enqueue(sleep(0.3).deferred(job_id="one"))
    running = asyncio.create_task(stock_worker(stock, Runs()).async_run())
    began = time.monotonic()
    view = await wait(client, "one", 30)
    assert time.monotonic() - began < 3
    assert view is not None
    assert view.state is JobState.SUCCEEDED
    await running


async def test_wait_gives_up_in_time(client: QueueClient) -> None:
    await client.enqueue(echo(number=1).deferred(until=TOMORROW, job_id="one"))
    began = time.monotonic()
    view = await wait(client, "one", 0.3)
    assert 0.3 <= time.monotonic() - began < 1
    assert view is not None
    assert view.state is JobState.DEFERRED


@pytest.mark.parametrize("until", [None, TOMORROW])
async def test_cancelling_before_the_start_needs_no_worker(
    client: QueueClient, stock: ArqRedis, until: datetime | None
) -> None:
    await client.enqueue(echo(number=1).deferred(until=until, job_id="one"))
    assert await cancel(client, "one") is True
    view = await view_of(client, "one")
    assert (view.state, view.kwargs) == (JobState.CANCELLED, {"number": 1})
    assert sorted(await client.keys()) == [COUNTS, EVENTS, b"arq:result:one"]
    assert await raw(client, "HGETALL", COUNTS) == {b"cancelled": b"1"}
    assert 3_500 < await client.ttl("arq:result:one") <= 3_600
    with pytest.raises(asyncio.CancelledError):
        await Job("one", stock, KEY, deserialize).result()
    runs = Runs()
    await stock_worker(stock, runs).async_run()
    assert runs.calls == []
    assert await cancel(client, "one") is False


async def test_a_job_that_keeps_no_result_leaves_nothing_when_cancelled(
    client: QueueClient,
) -> None:
    await client.enqueue(publish(UUID(int=1), 1).deferred(job_id="one"))
    assert await cancel(client, "one") is True
    assert sorted(await client.keys()) == [COUNTS, EVENTS]


async def test_cancelling_a_running_job_asks_its_worker(
    client: QueueClient, stock: ArqRedis
) -> None:
    await client.enqueue(sleep(30).deferred(job_id="one"))
    runs = Runs()
    worker = stock_worker(stock, runs, allow_abort_jobs=True)
    running = asyncio.create_task(worker.async_run())
    await runs.asleep.wait()
    assert await cancel(client, "one") is True
    view = await wait(client, "one", 5)
    assert view is not None
    assert view.state is JobState.CANCELLED
    assert await client.exists("arq:abort", KEY) == 0
    await running


async def test_cancelling_breaks_a_start_under_way(client: QueueClient) -> None:
    """arq's worker watches the in-progress key, reads the score, then takes the job by EXEC."""
    await client.enqueue(echo(number=1).deferred(job_id="one"))

    async def start(pipe: Any) -> None:
        await pipe.watch("arq:in-progress:one")
        assert not await pipe.exists("arq:in-progress:one")
        assert await pipe.zscore(KEY, "one")
        assert await cancel(client, "one") is True
        pipe.multi()
        pipe.psetex("arq:in-progress:one", 10_000, b"1")
        await pipe.execute()

    async with client.pipeline(transaction=True) as pipe:
        with pytest.raises(WatchError):
            await start(pipe)
    assert (await view_of(client, "one")).state is JobState.CANCELLED


async def test_a_finished_job_cannot_be_cancelled(client: QueueClient, stock: ArqRedis) -> None:
    await client.enqueue(echo(number=2, text="x").deferred(job_id="one"))
    await stock_worker(stock, Runs()).async_run()
    assert await cancel(client, "one") is False
    view = await view_of(client, "one")
    assert (view.state, view.result) == (JobState.SUCCEEDED, "xx")
    assert await client.exists("arq:abort") == 0


@pytest.mark.parametrize("lane", ["high", "low"])
async def test_a_cancelled_job_leaves_nothing_of_its_tries(client: QueueClient, lane: Lane) -> None:
    await client.enqueue(publish(UUID(int=1), 1).deferred(job_id="one").in_lane(lane))
    await client.set("arq:retry:one", 2)
    await raw(
        client, "RPUSH", f"{KEY}:attempts:one", serialize_failure("examples.publish", OSError("x"))
    )
    await raw(client, "HSET", f"{KEY}:claims", "one", "a:1:alone")
    await raw(client, "HSET", f"{KEY}:crashes", "one", "1")
    await client.zadd("arq:abort", {"one": 1})
    view = await view_of(client, "one")
    assert (view.state, view.tries, view.crashes, view.lane) == (JobState.RETRYING, 2, 1, lane)
    assert view.error is not None
    assert (view.error.type, view.error.message) == ("OSError", "x")
    assert await cancel(client, "one") is True
    assert sorted(await client.keys()) == [COUNTS, EVENTS]


async def test_a_leased_job_is_only_marked(client: QueueClient) -> None:
    """Its worker ends it, and writes the one outcome."""
    await client.enqueue(echo(number=1).deferred(job_id="one").in_lane("low"))
    await client.set("arq:in-progress:one", "a:1", px=10_000)
    before = await everything(client)
    assert await cancel(client, "one") is True
    assert await client.zscore("arq:abort", "one") > 1_000_000_000_000
    await client.delete("arq:abort")
    assert await everything(client) == before


async def test_a_job_that_arq_is_aborting_is_cancelled(client: QueueClient) -> None:
    """arq's abort puts a waiting id at score 1 before it writes its mark."""
    await client.enqueue(echo(number=1).deferred(until=TOMORROW, job_id="one"))
    await client.zadd(KEY, {"one": 1})
    view = await view_of(client, "one")
    assert (view.state, view.run_at) == (JobState.QUEUED, None)
    assert await cancel(client, "one") is True
    assert (await view_of(client, "one")).state is JobState.CANCELLED
    assert await client.exists(KEY) == 0


async def test_an_unreadable_job_can_be_cancelled(client: QueueClient) -> None:
    await client.zadd(KEY, {"one": 1000})
    await client.set("arq:job:one", b"\x80\x05.")
    assert await cancel(client, "one") is True
    view = await view_of(client, "one")
    assert (view.state, view.function) == (JobState.CANCELLED, "<unknown>")


async def test_a_dead_job_has_failed_also_without_a_result(client: QueueClient) -> None:
    await client.enqueue(echo(number=1).deferred(job_id="one"))
    payload = await client.get("arq:job:one")
    await client.flushall()
    await client.zadd(f"{KEY}:dead", {"one": 1_700_000_000_000})
    await raw(client, "HSET", f"{KEY}:dead:jobs", "one", payload)
    for message in ("first", "last"):
        failure = serialize_failure("examples.echo", OSError(message))
        await raw(client, "RPUSH", f"{KEY}:attempts:one", failure)
    view = await view_of(client, "one")
    assert (view.state, view.kwargs, view.tries) == (JobState.FAILED, {"number": 1}, 2)
    assert view.finished_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert view.error is not None
    assert view.error.message == "last"
    assert await cancel(client, "one") is False
    await raw(client, "HSET", f"{KEY}:dead:jobs", "one", "")
    assert (await view_of(client, "one")).function == "<unknown>"
