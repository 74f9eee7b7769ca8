"""Queueing an id again whatever an earlier run left behind."""

import json

import pytest
from arq.connections import ArqRedis

from service.queue import JobState, QueueClient, inspect
from tests.queue.examples import KEY, Runs, echo, stock_worker

pytestmark = pytest.mark.asyncio

CALL = echo(number=1, text="again").deferred(job_id="echo:1")


@pytest.mark.parametrize("left", ["arq:result:echo:1", "arq:job:echo:1", "arq:retry:echo:1", "all"])
async def test_leftovers_do_not_block(client: QueueClient, stock: ArqRedis, left: str) -> None:
    """Engine rule 4: a result blocks arq's enqueue, a retry count and an abort mark the run."""
    leftovers = ["arq:result:echo:1", "arq:job:echo:1", "arq:retry:echo:1"]
    for key in leftovers if left == "all" else [left]:
        await client.set(key, b"99")
    await client.zadd("arq:abort", {"echo:1": 1, "other": 1})

    assert await client.requeue_many([CALL]) == [True]

    assert await client.exists("arq:result:echo:1", "arq:retry:echo:1") == 0
    assert await client.zrange("arq:abort", 0, -1) == [b"other"]
    runs = Runs()
    await stock_worker(stock, runs, allow_abort_jobs=True).async_run()
    assert runs.calls == [("echo", {"number": 1, "text": "again"})]
    view = await inspect(client, "echo:1")
    assert view is not None
    assert (view.state, view.tries) == (JobState.SUCCEEDED, 1)


async def test_a_finished_job_runs_again(client: QueueClient, stock: ArqRedis) -> None:
    runs = Runs()
    assert await client.enqueue(CALL) is not None
    await stock_worker(stock, runs).async_run()
    assert await client.enqueue(CALL) is None
    assert await client.requeue_many([CALL]) == [True]
    await stock_worker(stock, runs).async_run()
    assert len(runs.calls) == 2


async def test_what_is_queued_stays_as_it_is(client: QueueClient) -> None:
    await client.enqueue(CALL)
    await client.set("arq:retry:echo:1", 2)
    await client.set("arq:in-progress:echo:1", "lease")
    await client.zadd("arq:abort", {"echo:1": 1})
    score = await client.zscore(KEY, "echo:1")
    changed = echo(number=5).deferred(job_id="echo:1")
    assert await client.requeue_many([changed]) == [False]
    assert await client.zscore(KEY, "echo:1") == score
    assert json.loads(await client.get("arq:job:echo:1"))["k"] == {"number": 1, "text": "again"}
    assert await client.get("arq:retry:echo:1") == b"2"
    assert await client.get("arq:in-progress:echo:1") == b"lease"
    assert await client.zscore("arq:abort", "echo:1") == 1


async def test_a_lost_payload_is_written_again(client: QueueClient, stock: ArqRedis) -> None:
    """Engine rule 16: a stock client's payload expires while its id still waits."""
    await client.zadd(KEY, {"echo:1": 1_000})
    assert await client.requeue_many([CALL]) == [False]
    assert await client.zscore(KEY, "echo:1") == 1_000
    runs = Runs()
    await stock_worker(stock, runs).async_run()
    assert runs.calls == [("echo", {"number": 1, "text": "again"})]


async def test_many_are_asked_in_one_call(client: QueueClient) -> None:
    calls = [echo(number=i).deferred(job_id=f"echo:{i}") for i in range(250)]
    await client.enqueue_many(calls[::2])
    assert await client.requeue_many(calls) == [i % 2 == 1 for i in range(250)]
    assert await client.zcard(KEY) == 250


async def test_an_id_is_needed(client: QueueClient) -> None:
    with pytest.raises(ValueError, match=r"requeue_many needs a job_id; examples.echo has none"):
        await client.requeue_many([CALL, echo(number=1)])
    assert await client.dbsize() == 0
