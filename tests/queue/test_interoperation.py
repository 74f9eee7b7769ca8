"""arq's own clients and workers beside ours, with nothing of ours but the codec."""

import asyncio
import inspect as inspect_module
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from arq import func
from arq.connections import ArqRedis
from arq.jobs import Job, JobStatus
from arq.worker import JobExecutionFailed
from redis.asyncio import ConnectionPool

from service.kit.tasks import end
from service.queue import JobState, QueueClient, RemoteError, inspect
from service.queue.codec import deserialize, serialize
from tests.queue.examples import (
    KEY,
    Exploit,
    Letter,
    Runs,
    echo,
    fail,
    publish,
    sleep,
    stock_worker,
    twin,
)

pytestmark = pytest.mark.asyncio


def stock_job(stock: ArqRedis, job_id: str) -> Job:
    return Job(job_id, stock, _queue_name=KEY, _deserializer=deserialize)


async def test_our_jobs_run_on_arqs_worker(client: QueueClient, stock: ArqRedis) -> None:
    """T006: one id through every hop, sender to queue to worker to result."""
    letter = Letter(sender=UUID(int=1), pages=[1, 2], sent=datetime(2026, 1, 1, tzinfo=UTC))
    sent = await client.enqueue(twin(letter, datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)))
    assert sent is not None
    runs = Runs()
    await stock_worker(stock, runs).async_run()
    assert runs.calls == [
        ("twin", {"letter": letter, "instant": datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)})
    ]
    assert await stock_job(stock, sent.job_id).result() == {UUID(int=1): letter}
    assert await sent.result() == {UUID(int=1): letter}


async def test_arqs_jobs_run_with_our_types(client: QueueClient, stock: ArqRedis) -> None:
    delivery = uuid4()
    sent = await stock.enqueue_job("examples.publish", delivery, version=3, _queue_name=KEY)
    assert sent is not None
    runs = Runs()
    await stock_worker(client, runs).async_run()
    assert runs.calls == [("publish", {"delivery_id": delivery, "version": 3})]
    view = await inspect(client, sent.job_id)
    assert view is not None
    assert (view.state, view.args, view.kwargs) == (
        JobState.SUCCEEDED,
        (delivery,),
        {"version": 3},
    )


async def test_enqueue_job_is_arqs(client: QueueClient) -> None:
    """Our client's enqueue_job takes what arq's takes and writes JSON."""
    sent = await client.enqueue_job("examples.echo", _queue_name=KEY, number=2, text="x")
    assert sent is not None
    assert json.loads(await client.get(f"arq:job:{sent.job_id}"))["k"] == {"number": 2, "text": "x"}
    ours = inspect_module.signature(QueueClient.enqueue_job).parameters
    theirs = inspect_module.signature(ArqRedis.enqueue_job).parameters
    assert [name for name in ours if name != "_lane"] == list(theirs)
    elsewhere = await client.enqueue_job("examples.echo", number=1)
    assert elsewhere is not None
    assert await client.zscore("almanac:default", elsewhere.job_id) is not None


async def test_a_result_is_readable_by_id(client: QueueClient, stock: ArqRedis) -> None:
    """G007, T010: whoever knows the id reads the result, which is JSON text."""
    sent = await client.enqueue(echo(number=3, text="ab"))
    assert sent is not None
    await stock_worker(stock, Runs()).async_run()
    info = await stock_job(stock, sent.job_id).result_info()
    assert info is not None
    assert (info.success, info.result, info.job_try) == (True, "ababab", 1)
    assert (info.queue_name, info.job_id) == (KEY, sent.job_id)
    stored = json.loads(await client.get(f"arq:result:{sent.job_id}"))
    assert (stored["s"], stored["r"]) == (True, "ababab")


async def test_arqs_handles_follow_our_batch(client: QueueClient, stock: ArqRedis) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    later, now = await client.enqueue_many(
        [echo(number=1).deferred(until=tomorrow), echo(number=2, text="x")]
    )
    assert later is not None
    assert now is not None
    assert await stock_job(stock, later.job_id).status() is JobStatus.deferred
    assert await stock_job(stock, now.job_id).status() is JobStatus.queued
    info = await stock_job(stock, now.job_id).info()
    assert info is not None
    assert (info.function, info.kwargs) == ("examples.echo", {"number": 2, "text": "x"})
    assert [j.job_id for j in await stock.queued_jobs(queue_name=KEY)] == [now.job_id, later.job_id]
    await stock_worker(stock, Runs(), max_burst_jobs=1).async_run()
    assert await stock_job(stock, now.job_id).status() is JobStatus.complete
    assert await stock_job(stock, later.job_id).status() is JobStatus.deferred
    assert await stock_job(stock, "never sent").status() is JobStatus.not_found


@pytest.mark.parametrize("until", [None, datetime.now(UTC) + timedelta(days=1)])
async def test_arqs_abort_works_on_our_jobs(
    client: QueueClient, stock: ArqRedis, until: datetime | None
) -> None:
    sent = await client.enqueue(sleep(30).deferred(until=until))
    assert sent is not None
    runs = Runs()
    worker = stock_worker(stock, runs, burst=False, allow_abort_jobs=True)
    running = asyncio.create_task(worker.async_run())
    if until is None:
        await runs.asleep.wait()
    assert await stock_job(stock, sent.job_id).abort(timeout=5, poll_delay=0.02)
    view = await inspect(client, sent.job_id)
    assert view is not None
    assert view.state is JobState.CANCELLED
    assert runs.calls == ([] if until else [("sleep", {"seconds": 30.0})])
    await end(running)


async def test_failures_come_back_as_exceptions(client: QueueClient, stock: ArqRedis) -> None:
    known, unknown = await client.enqueue_many([fail("key"), fail("unknown")])
    assert known is not None
    assert unknown is not None
    await stock_worker(stock, Runs()).async_run()
    with pytest.raises(KeyError, match="gone"):
        await stock_job(stock, known.job_id).result()
    with pytest.raises(RemoteError, match=r"examples.Unknown: no such class") as caught:
        await stock_job(stock, unknown.job_id).result()
    assert 'fail\n    raise {"key"' in caught.value.traceback


async def test_arqs_own_failures_come_back(client: QueueClient, stock: ArqRedis) -> None:
    (sent,) = await client.enqueue_many([fail("retry")])
    assert sent is not None
    await client.zadd(KEY, {"lost": 1000})
    worker = stock_worker(stock, Runs(), max_tries=2)
    await worker.async_run()
    with pytest.raises(JobExecutionFailed, match="max 2 retries exceeded"):
        await stock_job(stock, sent.job_id).result()
    with pytest.raises(JobExecutionFailed, match="job expired"):
        await stock_job(stock, "lost").result()


async def test_a_result_that_is_no_json_is_a_recorded_failure(client: QueueClient) -> None:
    async def opaque(ctx: dict[Any, Any], *_: Any, **__: Any) -> object:
        return object()

    sent = await client.enqueue(echo(number=1))
    assert sent is not None
    worker = stock_worker(client, Runs())
    worker.functions["examples.echo"] = func(opaque, name="examples.echo")
    await worker.async_run()
    view = await inspect(client, sent.job_id)
    assert view is not None
    assert view.error is not None
    assert (view.state, view.error.message) == (JobState.FAILED, "unable to serialize result")


async def test_a_pickle_fails_its_job_and_the_worker_goes_on(
    client: QueueClient, stock: ArqRedis, tmp_path: Path
) -> None:
    """G063: a pickle payload is rejected, not executed, and the worker runs the next job."""
    target = tmp_path / "executed"
    pickling = ArqRedis(client.connection_pool, default_queue_name=KEY)
    bad = await pickling.enqueue_job("examples.echo", Exploit(target))
    good = await client.enqueue(echo(number=1, text="fine"))
    assert bad is not None
    assert good is not None
    assert (await client.get(f"arq:job:{bad.job_id}"))[0] == 0x80
    worker = stock_worker(stock, Runs())
    await worker.async_run()
    assert (worker.jobs_failed, worker.jobs_complete) == (1, 1)
    assert await stock_job(stock, good.job_id).result() == "fine"
    view = await inspect(client, bad.job_id)
    assert view is not None
    assert view.error is not None
    assert view.state is JobState.FAILED
    assert view.error.message.startswith("unable to deserialize job: the payload is a pickle")
    assert not target.exists()


async def test_a_worker_with_wrong_arguments_goes_on(client: QueueClient, stock: ArqRedis) -> None:
    bad = await stock.enqueue_job("examples.publish", "no uuid", 1, _queue_name=KEY)
    assert bad is not None
    await client.enqueue(publish(uuid4(), 1))
    worker = stock_worker(stock, Runs())
    await worker.async_run()
    assert (worker.jobs_failed, worker.jobs_complete) == (1, 1)
    view = await inspect(client, bad.job_id)
    assert view is not None
    assert view.error is not None
    assert "argument delivery_id of examples.publish: Invalid UUID" in view.error.message


async def test_a_stock_pool_from_the_same_url_shares_the_queue(
    client: QueueClient, valkey_socket_url: str
) -> None:
    pool = ConnectionPool.from_url(valkey_socket_url)
    stock = ArqRedis(pool, serialize, deserialize, KEY)
    await stock.enqueue_job("examples.echo", number=1)
    assert await client.zcard(KEY) == 1
    await stock.aclose()
    await pool.aclose()
