"""Sending through lost connections, restarts, failovers and several event loops."""

import asyncio
import gc
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import ConnectionPool
from redis.exceptions import AuthenticationError, NoPermissionError, OutOfMemoryError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.queue import QueueClient, connect
from service.queue.link import Link
from tests.queue.conftest import running_valkey
from tests.queue.examples import KEY, echo
from tests.queue.raw import raw
from tests.servers.tcp_proxy import Direction, TcpProxy

MANY = 5_000


@pytest.fixture
def other_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


async def connections(client: QueueClient) -> int:
    """Count all but the observer's own, once those being closed are gone."""
    await asyncio.sleep(0.05)
    return len(await client.client_list()) - 1


@pytest.mark.asyncio
@pytest.mark.parametrize("after", [0, 1, 1000])
async def test_connections_lost_in_the_middle_queue_each_job_once(
    client: QueueClient,
    remote: QueueClient,
    proxy: TcpProxy,
    after: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was queued without an answer is sent again and stays queued once."""
    proxy.lose_reply(times=2, containing=b"EVALSHA", after=after)
    sent = await remote.enqueue_many([echo(number=i) for i in range(MANY)])
    assert proxy.resets == 2
    ids = [handle.job_id for handle in sent if handle]
    assert {job_id.decode() for job_id in await client.zrange(KEY, 0, -1)} == set(ids)
    payloads = await client.mget(f"arq:job:{job_id}" for job_id in ids)
    assert [json.loads(payload)["k"]["number"] for payload in payloads] == list(range(MANY))
    assert await client.dbsize() == MANY + 1
    gc.collect()
    assert caplog.messages == [], "asyncio complains of nothing"


@pytest.mark.asyncio
async def test_a_repeated_batch_still_owns_its_random_ids(
    client: QueueClient, remote: QueueClient, proxy: TcpProxy
) -> None:
    """The batch was applied and its reply lost; a named job may have been another's."""
    proxy.lose_reply(containing=b"EVALSHA")
    sent = await remote.enqueue_many([echo(number=1), echo(number=2).deferred(job_id="named")])
    assert [handle is not None for handle in sent] == [True, False]
    assert await client.zcard(KEY) == 2


@pytest.mark.asyncio
async def test_no_retries_raise_at_once(client: QueueClient, proxy: TcpProxy) -> None:
    async with connect(f"redis://{proxy.host}:{proxy.port}", retries=0) as hasty:
        await hasty.enqueue(echo(number=1))
        proxy.lose_reply()
        with pytest.raises(RedisConnectionError):
            await hasty.enqueue(echo(number=2))
        assert proxy.accepted == 1
        proxy.refuse()
        with pytest.raises(RedisConnectionError):
            await hasty.enqueue(echo(number=3))
        proxy.heal()
        assert await hasty.enqueue(echo(number=4)) is not None
    payloads = await client.mget(await client.keys("arq:job:*"))
    assert sorted(json.loads(payload)["k"]["number"] for payload in payloads) == [1, 2, 4]


@pytest.mark.asyncio
async def test_many_senders_share_one_connection_and_its_repair(
    client: QueueClient, remote: QueueClient, proxy: TcpProxy
) -> None:
    before = proxy.accepted
    proxy.lose_reply()
    sent = await asyncio.gather(*(remote.enqueue(echo(number=i)) for i in range(50)))
    assert None not in sent
    assert await client.zcard(KEY) == 50
    assert proxy.accepted == before + 1


@pytest.mark.asyncio
async def test_a_server_that_does_not_answer_is_given_up(
    client: QueueClient, proxy: TcpProxy
) -> None:
    url = f"redis://{proxy.host}:{proxy.port}"
    async with connect(url, retries=0, timeout=0.2) as hasty:
        await hasty.enqueue(echo(number=1))
        proxy.cut(Direction.TO_SERVER)
        with pytest.raises(RedisTimeoutError):
            await hasty.enqueue(echo(number=2))
        proxy.heal()
    assert await connections(client) == 0
    assert await client.zcard(KEY) == 1


@pytest.mark.asyncio
async def test_patience_is_counted_from_the_command(client: QueueClient, proxy: TcpProxy) -> None:
    """Not from an earlier one: what is sent late in a quiet period has all of its time."""
    link = await Link.open(ConnectionPool(host=proxy.host, port=proxy.port), patience=1)
    await link.call("PING")
    await asyncio.sleep(0.9)
    proxy.stall()
    reply = link.call("PING")
    await asyncio.sleep(0.4)
    proxy.heal()
    assert await reply == b"PONG"
    link.close()


@pytest.mark.asyncio
async def test_a_command_that_cannot_be_packed_is_not_waited_for(client: QueueClient) -> None:
    assert await client.enqueue(echo(number=1)) is not None
    with pytest.raises(UnicodeEncodeError):
        await client.enqueue(echo(number=2).deferred(job_id="\ud800"))
    async with asyncio.timeout(10):
        assert await client.enqueue(echo(number=3)) is not None
    assert await client.zcard(KEY) == 2


@pytest.mark.asyncio
async def test_a_wrong_password_is_not_tried_again(socket_directory: Path) -> None:
    path = socket_directory / "s"
    with running_valkey(path, "--requirepass", "right") as url, TcpProxy(path) as proxy:
        async with connect(url.replace("unix://", "unix://:right@")) as observer:
            for wrong in (
                f"redis://:wrong@{proxy.host}:{proxy.port}",
                url.replace("unix://", "unix://:wrong@"),
            ):
                before = (await observer.info("stats"))["total_connections_received"]
                async with connect(wrong) as client:
                    with pytest.raises(RedisConnectionError) as caught:
                        await client.enqueue(echo(number=1))
                assert AuthenticationError in (type(caught.value), type(caught.value.__cause__))
                after = (await observer.info("stats"))["total_connections_received"]
                assert after == before + 1
            assert await observer.dbsize() == 0


@pytest.mark.asyncio
async def test_refusals_are_redis_pys_errors(socket_directory: Path) -> None:
    with running_valkey(socket_directory / "s") as url:
        async with connect(url) as client:
            await raw(client, "ACL", "SETUSER", "reader", "on", ">r", "~*", "+@read")
            async with connect(url.replace("unix://", "unix://reader:r@")) as reader:
                with pytest.raises(NoPermissionError):
                    await reader.enqueue(echo(number=1))
            await client.config_set("maxmemory", 1)
            with pytest.raises(OutOfMemoryError):
                await client.enqueue(echo(number=1))
            assert await client.dbsize() == 0


@pytest.mark.asyncio
async def test_a_failover_is_bridged(socket_directory: Path) -> None:
    """A master that became a replica is left; the next connection finds the new one."""
    with running_valkey(socket_directory / "s") as url:
        async with connect(url) as client, connect(url, retries=0) as hasty:
            await client.enqueue(echo(number=1))
            await raw(client, "REPLICAOF", "127.0.0.1", "1")
            with pytest.raises(RedisConnectionError, match="READONLY"):
                await hasty.enqueue(echo(number=2))
            sending = asyncio.create_task(client.enqueue_many([echo(number=i) for i in range(200)]))
            await asyncio.sleep(0.1)
            assert not sending.done()
            await raw(client, "REPLICAOF", "NO", "ONE")
            assert None not in await sending
            assert await client.zcard(KEY) == 201


@pytest.mark.asyncio
async def test_aclose_leaves_no_connection(client: QueueClient, valkey_socket_url: str) -> None:
    before = await connections(client)
    sender = connect(valkey_socket_url)
    await sender.enqueue(echo(number=1))
    assert await connections(client) == before + 1
    await sender.aclose()
    assert await connections(client) == before
    await sender.enqueue(echo(number=2))  # as redis-py's client it connects again
    await sender.aclose()
    assert await connections(client) == before
    assert await client.zcard(KEY) == 2


@pytest.mark.asyncio
async def test_a_dropped_client_leaves_no_connection(
    client: QueueClient, valkey_socket_url: str
) -> None:
    before = await connections(client)
    pool = ConnectionPool.from_url(valkey_socket_url)
    await QueueClient(pool).enqueue(echo(number=1))
    await pool.aclose()
    assert await connections(client) == before


@pytest.mark.asyncio
async def test_aclose_ends_what_is_under_way(
    client: QueueClient, remote: QueueClient, proxy: TcpProxy
) -> None:
    before = proxy.accepted
    proxy.stall()
    sending = asyncio.create_task(remote.enqueue(echo(number=1)))
    await asyncio.sleep(0.1)
    await remote.aclose()
    with pytest.raises(RedisConnectionError, match="closed"):
        await sending
    assert proxy.accepted == before


@pytest.mark.asyncio
async def test_loops_of_several_threads_share_a_client(
    client: QueueClient, valkey_socket_url: str, other_loop: asyncio.AbstractEventLoop
) -> None:
    before = await connections(client)
    sender = connect(valkey_socket_url)
    for number in range(2):
        there = asyncio.run_coroutine_threadsafe(sender.enqueue(echo(number=number)), other_loop)
        here = await asyncio.gather(sender.enqueue(echo(number=9)), asyncio.wrap_future(there))
        assert None not in here
    assert await connections(client) == before + 2
    await sender.aclose()
    assert await connections(client) == before
    assert await client.zcard(KEY) == 4


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_one_loop_after_the_other_uses_a_client(valkey_socket_url: str) -> None:
    """Also where the first was closed with the connection still open, of which Python warns."""
    sender = connect(valkey_socket_url)

    async def send() -> None:
        assert await sender.enqueue(echo(number=1)) is not None

    async def count() -> int:
        async with sender:
            return int(await sender.zcard(KEY))

    async def empty() -> None:
        async with connect(valkey_socket_url) as client:
            await client.flushall()

    for step in (empty, send, send):
        asyncio.run(step())
    assert asyncio.run(count()) == 2
    gc.collect()  # while the warning is expected
