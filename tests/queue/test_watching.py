"""Hearing of a job's end at once, without asking again and again."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from arq.connections import ArqRedis
from arq.jobs import ResultNotFound

from service.kit.tasks import end
from service.queue import JobState, QueueClient, cancel, connect, wait
from service.queue.codec import serialize
from tests.queue.conftest import running_valkey
from tests.queue.examples import KEY, Runs, echo, fail, publish, sleep, stock_worker
from tests.queue.raw import raw

pytestmark = pytest.mark.asyncio

QUICK = 0.1
"""Seconds: far less than arq's half between two looks, far more than a push takes."""


@pytest_asyncio.fixture
async def waiting(valkey_socket_url: str, client: QueueClient) -> AsyncIterator[QueueClient]:
    """A second client, which only waits."""
    async with connect(valkey_socket_url) as waiting:
        yield waiting


async def finish(client: ArqRedis, job_id: str, value: object) -> None:
    """End a job as a worker does, in one transaction."""
    record = {"t": 1, "f": "examples.echo", "a": (), "k": {"number": 1}, "et": 1}
    result = {"s": True, "r": value, "st": 1, "ft": 2, "q": KEY, "id": job_id}
    async with client.pipeline(transaction=True) as pipe:
        pipe.set(f"arq:result:{job_id}", serialize(record | result))
        pipe.zrem(KEY, job_id)
        pipe.delete(f"arq:job:{job_id}")
        await pipe.execute()


async def commands(client: QueueClient) -> int:
    return int((await client.info("stats"))["total_commands_processed"])


async def test_a_result_comes_by_push(client: QueueClient, waiting: QueueClient) -> None:
    sent = await waiting.enqueue(echo(number=1).deferred(job_id="one"))
    assert sent is not None
    results = [asyncio.create_task(sent.result()) for _ in range(3)]
    views = [asyncio.create_task(wait(waiting, "one", 30)) for _ in range(3)]
    await asyncio.sleep(0.3)
    before = await commands(client)
    await asyncio.sleep(0.6)
    assert await commands(client) - before <= 1, "nobody asks while nothing happens"
    began = time.monotonic()
    await finish(client, "one", "done")
    assert await asyncio.gather(*results) == ["done"] * 3
    ended = await asyncio.gather(*views)
    assert time.monotonic() - began < QUICK
    assert [view and (view.state, view.result) for view in ended] == [
        (JobState.SUCCEEDED, "done")
    ] * 3


async def test_one_connection_serves_all_who_wait(
    client: QueueClient, waiting: QueueClient
) -> None:
    handles = [await waiting.enqueue(echo(number=i)) for i in range(20)]
    tasks = [asyncio.create_task(handle.result()) for handle in handles if handle]
    await asyncio.sleep(0.2)
    await tracking_connections(client, 1)
    for handle in handles:
        assert handle is not None
        await finish(client, handle.job_id, handle.job_id)
    assert await asyncio.gather(*tasks) == [handle.job_id for handle in handles if handle]
    await waiting.aclose()
    await tracking_connections(client, 0)


async def tracking_connections(client: QueueClient, count: int) -> None:
    """Wait until so many connections listen for writes."""
    async with asyncio.timeout(5):
        while len([c for c in await client.client_list() if "t" in c["flags"]]) != count:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("end", ["cancelled", "purged", "no result kept"])
async def test_an_end_without_a_result_is_heard(
    client: QueueClient, waiting: QueueClient, end: str
) -> None:
    call = publish(UUID(int=1), 1).deferred(job_id="one")
    sent = await waiting.enqueue(call)
    assert sent is not None
    handle = asyncio.create_task(sent.result())
    view = asyncio.create_task(wait(waiting, "one", 30))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    if end == "cancelled":
        assert await cancel(client, "one")
    else:
        await client.zrem(KEY, "one")
        await client.delete("arq:job:one")
    with pytest.raises(ResultNotFound):
        await handle
    assert await view is None
    assert time.monotonic() - began < QUICK


async def test_a_stock_workers_end_is_heard(
    client: QueueClient, stock: ArqRedis, waiting: QueueClient
) -> None:
    slow, bad = await waiting.enqueue_many([sleep(0.3), fail("key")])
    assert slow is not None
    assert bad is not None
    running = asyncio.create_task(stock_worker(stock, Runs()).async_run())
    assert await slow.result(timeout=5) is None
    with pytest.raises(KeyError, match="gone"):
        await bad.result(timeout=5)
    await running


async def test_a_wait_ends_in_time(waiting: QueueClient) -> None:
    sent = await waiting.enqueue(echo(number=1).deferred(job_id="one"))
    assert sent is not None
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await sent.result(timeout=0.2)
    view = await wait(waiting, "one", 0.2)
    assert view is not None
    assert view.state is JobState.QUEUED
    assert 0.4 <= time.monotonic() - began < 1
    with pytest.raises(TimeoutError):
        await sent.result(timeout=0)


async def test_a_lost_connection_is_opened_again(client: QueueClient, waiting: QueueClient) -> None:
    sent = await waiting.enqueue(echo(number=1).deferred(job_id="one"))
    assert sent is not None
    result = asyncio.create_task(sent.result())
    await asyncio.sleep(0.1)
    for connection in await client.client_list():
        if "t" in connection["flags"]:
            await client.client_kill_filter(_id=connection["id"])
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await finish(client, "one", "done")
    assert await result == "done"
    assert time.monotonic() - began < QUICK


async def refuse(client: QueueClient) -> str:
    """Make a user who may not track; return the URL's user part."""
    await raw(
        client, "ACL", "SETUSER", "plain", "on", ">pw", "~*", "&*", "+@all", "-client|tracking"
    )
    return "plain:pw@"


async def test_where_tracking_is_refused_one_asks(socket_directory: Path) -> None:
    with running_valkey(socket_directory / "s") as url:
        async with connect(url) as client:
            user = await refuse(client)
            async with connect(url.replace("unix://", f"unix://{user}")) as plain:
                sent = await plain.enqueue(echo(number=1).deferred(job_id="one"))
                assert sent is not None
                result = asyncio.create_task(sent.result())
                view = asyncio.create_task(wait(plain, "one", 30))
                await asyncio.sleep(0.2)
                assert [c for c in await client.client_list() if "t" in c["flags"]] == []
                began = time.monotonic()
                await finish(client, "one", "done")
                assert await result == "done"
                ended = await view
                assert ended is not None
                assert ended.state is JobState.SUCCEEDED
                assert time.monotonic() - began < 0.5


async def test_a_server_that_restarts_while_one_waits(socket_directory: Path) -> None:
    path = socket_directory / "s"
    with running_valkey(path) as url:
        client = connect(url)
        sent = await client.enqueue(echo(number=1).deferred(job_id="one"))
        assert sent is not None
        result = asyncio.create_task(sent.result(timeout=20))
        await asyncio.sleep(0.1)
    with running_valkey(path):
        with pytest.raises(ResultNotFound):
            await result
        await client.aclose()


async def test_those_who_give_up_leave_nothing(waiting: QueueClient) -> None:
    sent = await waiting.enqueue(echo(number=1))
    assert sent is not None
    task = asyncio.create_task(sent.result())
    await asyncio.sleep(0.05)
    assert len(waiting.job_watch.watched) == 2
    await end(task)
    assert waiting.job_watch.watched == frozenset()


async def test_a_closed_client_opens_nothing_again(
    client: QueueClient, waiting: QueueClient
) -> None:
    sent = await waiting.enqueue(echo(number=1))
    assert sent is not None
    result = asyncio.create_task(sent.result(timeout=5))
    await asyncio.sleep(0.1)
    await waiting.aclose()
    await asyncio.sleep(0.1)
    assert [c for c in await client.client_list() if "t" in c["flags"]] == []
    await finish(client, sent.job_id, "done")
    assert await result == "done"
