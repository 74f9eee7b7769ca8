"""Sending jobs: one round trip for any number, arq's rules, nothing half done."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from arq.connections import ArqRedis
from redis.exceptions import ResponseError

from service.queue import EncodeError, JobCall, PayloadTooLarge, QueueClient, connect, job
from service.queue.pipeline import MOST_UNDER_WAY
from tests.queue.conftest import running_valkey
from tests.queue.examples import KEY, Runs, echo, publish, stock_worker
from tests.queue.raw import everything
from tests.servers.tcp_proxy import Direction, TcpProxy

pytestmark = pytest.mark.asyncio


@job("examples.mail", queue="letters", coroutine="tests.queue.examples.mail")
async def mail() -> None:
    """Send a letter: a job of another queue."""


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - in Redis
            await asyncio.sleep(0.01)


async def test_a_job_is_written_with_arqs_keys(client: QueueClient) -> None:
    """G063: what Redis holds is JSON text, without a time limit."""
    before = datetime.now(UTC)
    sent = await client.enqueue(echo(number=2, text="ä"))
    assert sent is not None
    payload = await client.get(f"arq:job:{sent.job_id}")
    data = json.loads(payload)
    assert data["f"] == "examples.echo"
    assert data["k"] == {"number": 2, "text": "ä"}
    assert await client.ttl(f"arq:job:{sent.job_id}") == -1
    ((job_id, score),) = await client.zrange(KEY, 0, -1, withscores=True)
    assert job_id.decode() == sent.job_id
    assert abs(score - data["et"]) < 1000
    assert 0 <= score / 1000 - before.timestamp() + 0.001 < 1
    assert await client.dbsize() == 2


async def test_the_score_is_the_time_given_never_early(client: QueueClient) -> None:
    instants = {
        "future": datetime(2030, 1, 2, 3, 4, 5, 678_001, tzinfo=UTC),
        "past": datetime(2020, 1, 1, tzinfo=UTC),
        "epoch": datetime(1970, 1, 1, tzinfo=UTC),
    }
    await client.enqueue_many(
        [echo(number=1).deferred(until=instant, job_id=name) for name, instant in instants.items()]
    )
    scores = {name: await client.zscore(KEY, name) for name in instants}
    assert scores == {"future": 1893553445679, "past": 1577836800000, "epoch": 2}


async def test_headers_travel_beside_the_arguments(client: QueueClient) -> None:
    call = JobCall("examples.echo", "examples", (1,), headers={"trace": "t1"}, job_id="a")
    await client.enqueue(call)
    payload = await client.get("arq:job:a")
    assert json.loads(payload)["h"] == {"trace": "t1"}
    assert json.loads(payload)["a"] == [1]


async def test_many_jobs_of_many_queues_take_one_round_trip(
    client: QueueClient, remote: QueueClient, proxy: TcpProxy
) -> None:
    """All are queued before the sender has heard of any."""
    proxy.stall(Direction.TO_CLIENT)
    calls = [call for i in range(450) for call in (echo(number=i), mail())]
    sending = asyncio.create_task(remote.enqueue_many(calls))

    async def all_are_queued() -> bool:
        return [await client.zcard(key) for key in (KEY, "almanac:letters")] == [450, 450]

    await until(all_are_queued)
    assert not sending.done()
    proxy.heal()
    sent = await sending
    assert len({handle.job_id for handle in sent if handle}) == 900
    for i in (0, 898):
        handle = sent[i]
        assert handle is not None
        info = await handle.info()
        assert info is not None
        assert info.kwargs == {"number": i // 2}
        assert info.score is not None


async def test_ten_thousand_jobs_in_one_call(
    client: QueueClient, remote: QueueClient, proxy: TcpProxy
) -> None:
    """In pieces between which the server can serve others, and only so many ahead of replies."""
    await client.config_resetstat()
    proxy.stall(Direction.TO_CLIENT)
    calls = [publish(uuid4(), i) for i in range(10_000)]
    sending = asyncio.create_task(remote.enqueue_many(calls))

    async def some_are_queued() -> bool:
        return bool(await client.zcard(KEY) == 100 * MOST_UNDER_WAY)

    await until(some_are_queued)
    await asyncio.sleep(0.2)
    assert await some_are_queued()
    proxy.heal()
    sent = await sending
    statistics = await client.info("commandstats")
    assert statistics["cmdstat_evalsha"]["calls"] == 100
    assert "cmdstat_multi" not in statistics
    assert await client.dbsize() == 10_001
    ids = {job_id.decode() for job_id in await client.zrange(KEY, 0, -1)}
    assert ids == {handle.job_id for handle in sent if handle}
    payloads = await client.mget(f"arq:job:{handle.job_id}" for handle in sent if handle)
    assert [json.loads(payload)["k"]["version"] for payload in payloads] == list(range(10_000))


async def test_no_jobs_need_no_server(socket_directory: Path) -> None:
    client = connect(f"unix://{socket_directory}/nobody", retries=0)
    assert await client.enqueue_many([]) == []
    assert await client.requeue_many([]) == []


@pytest.mark.parametrize("there", [(), ("job",), ("result",), ("in-progress",), ("retry",)])
async def test_ids_are_refused_as_arq_refuses_them(
    client: QueueClient, stock: ArqRedis, there: tuple[str, ...]
) -> None:
    for job_id in ("theirs", "ours"):
        for kind in there:
            await client.set(f"arq:{kind}:{job_id}", b"{}")
    theirs = await stock.enqueue_job("examples.mail", _job_id="theirs", _queue_name=KEY)
    ours = await client.enqueue(echo(number=1).deferred(job_id="ours"))
    assert (ours is None) == (theirs is None) == bool({"job", "result"} & set(there))
    assert (await client.zscore(KEY, "ours") is None) == (ours is None)
    if "result" in there:
        assert await client.get("arq:job:ours") is None


async def test_an_id_twice_in_a_batch_is_queued_once(client: QueueClient) -> None:
    calls = [echo(number=i).deferred(job_id="one") for i in (1, 2)]
    first, second = await client.enqueue_many(calls)
    assert first is not None
    assert second is None
    assert json.loads(await client.get("arq:job:one"))["k"] == {"number": 1}


async def test_of_many_senders_of_an_id_one_wins(client: QueueClient) -> None:
    call = echo(number=1).deferred(job_id="one")
    sent = await asyncio.gather(*(client.enqueue(call) for _ in range(50)))
    assert sum(s is not None for s in sent) == 1


async def test_an_old_abort_mark_does_not_stop_a_new_job(client: QueueClient) -> None:
    """arq keeps the mark of an id it did not find and aborts the next job of that id."""
    await client.zadd("arq:abort", {"one": 1, "other": 1})
    await client.enqueue(echo(number=1).deferred(job_id="one"))
    assert await client.zrange("arq:abort", 0, -1) == [b"other"]
    runs = Runs()
    await stock_worker(client, runs, allow_abort_jobs=True).async_run()
    assert len(runs.calls) == 1


async def test_scripts_survive_a_flushed_cache(client: QueueClient) -> None:
    await client.enqueue(echo(number=1))
    await client.script_flush()
    assert all(await client.enqueue_many([echo(number=i) for i in range(201)]))
    await client.script_flush()
    assert await client.requeue_many([echo(number=1).deferred(job_id="one")]) == [True]
    assert await client.zcard(KEY) == 203


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (echo(number=1, text="x" * 1_048_576), PayloadTooLarge),
        (echo(number=2**64), EncodeError),
        (publish(UUID(int=1), float("nan")), EncodeError),  # type: ignore[arg-type]  # on purpose
    ],
)
async def test_a_refused_payload_leaves_nothing(
    client: QueueClient, bad: JobCall, error: type[Exception]
) -> None:
    with pytest.raises(error, match=f"job {bad.name}: "):
        await client.enqueue_many([echo(number=1), bad])
    assert await client.dbsize() == 0


async def test_a_key_of_another_kind_leaves_no_payload(client: QueueClient) -> None:
    await client.set(KEY, "not a sorted set")
    for send in (client.enqueue_many, client.requeue_many):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await send([echo(number=1).deferred(job_id="one")])
    assert await everything(client) == {KEY: b"not a sorted set"}


async def test_a_full_server_refuses_whole_jobs(socket_directory: Path) -> None:
    with running_valkey(socket_directory / "s") as url:
        async with connect(url) as client:
            await client.set("arq:result:0", b"{}")
            await client.config_set("maxmemory", 1)
            before = await everything(client)
            for send in (client.enqueue_many, client.requeue_many):
                with pytest.raises(ResponseError, match="maxmemory"):
                    await send([echo(number=i).deferred(job_id=f"{i}") for i in range(2)])
            assert await everything(client) == before


async def test_each_url_is_its_own_broker(client: QueueClient, socket_directory: Path) -> None:
    """G006: jobs appear on the server and in the database that the URL names, nowhere else."""
    with running_valkey(socket_directory / "s") as url:
        async with connect(url) as first, connect(f"{url}?db=1") as second:
            await second.enqueue_many([echo(number=i) for i in range(3)])
            assert [await c.zcard(KEY) for c in (client, first, second)] == [0, 0, 3]
            assert [await c.dbsize() for c in (client, first, second)] == [0, 0, 4]


async def test_a_pickle_client_asks_for_it(client: QueueClient) -> None:
    """Compatibility with an old fleet is explicit."""
    pickled = QueueClient(client.connection_pool, job_serializer=lambda data: b"\x80" + b"...")
    await pickled.enqueue(echo(number=1).deferred(job_id="one"))
    assert await client.get("arq:job:one") == b"\x80..."


async def test_jobs_without_a_future_are_due_at_once(client: QueueClient) -> None:
    runs = Runs()
    soon = datetime.now(UTC) + timedelta(hours=1)
    await client.enqueue_many([echo(number=1), echo(number=2).deferred(until=soon, job_id="later")])
    worker = stock_worker(client, runs, max_burst_jobs=1)
    await worker.async_run()
    assert runs.calls == [("echo", {"number": 1, "text": ""})]
    assert await client.zrange(KEY, 0, -1) == [b"later"]
