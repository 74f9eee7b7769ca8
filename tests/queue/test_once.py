"""Unique for a period, debounced, and one id from many senders; headers of every job."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arq.connections import ArqRedis

from service.queue import HEADERS, JobCall, Lane, QueueClient, connect
from service.queue.codec import parse
from tests.queue.examples import KEY, Runs, echo, secret, stock_worker
from tests.queue.raw import raw

pytestmark = pytest.mark.asyncio


async def test_of_200_clients_with_one_id_one_is_accepted(
    client: QueueClient, valkey_socket_url: str
) -> None:
    """R23: the same id from 200 clients at a time is queued once."""
    clients = [connect(valkey_socket_url) for _ in range(200)]
    call = echo(number=1).deferred(job_id="one")
    sent = await asyncio.gather(*(each.enqueue(call) for each in clients))
    await asyncio.gather(*(each.aclose() for each in clients))
    assert sum(handle is not None for handle in sent) == 1
    assert await client.zrange(KEY, 0, -1) == [b"one"]


async def test_a_unique_job_is_refused_within_its_period(
    client: QueueClient, stock: ArqRedis
) -> None:
    call = echo(number=1).unique(60)
    first = await client.enqueue(call)
    assert first is not None
    assert await client.enqueue(call) is None
    assert await client.enqueue(call.deferred(job_id="another")) is None
    assert await client.enqueue(echo(number=2).unique(60)) is not None
    await stock_worker(stock, Runs()).async_run()
    assert await client.enqueue(call) is None, "the end of the job does not end the period"
    assert await client.zcard(KEY) == 0


async def test_a_period_ends(client: QueueClient) -> None:
    call = echo(number=1).unique(0.05)
    assert await client.enqueue(call) is not None
    await asyncio.sleep(0.06)
    assert await client.enqueue(call) is not None


async def test_the_key_says_what_is_the_same(client: QueueClient) -> None:
    first = await client.enqueue(echo(number=1).unique(60, key="account 7"))
    assert first is not None
    assert await client.enqueue(echo(number=2).unique(60, key="account 7")) is None
    lock = "almanac:unique:examples.echo:account 7"
    assert await client.get(lock) == first.job_id.encode()
    assert 59_000 < await client.pttl(lock) <= 60_000


async def test_arguments_in_another_order_are_the_same(client: QueueClient) -> None:
    assert await client.enqueue(echo(number=1, text="x").unique(60)) is not None
    assert await client.enqueue(echo(text="x", number=1).unique(60)) is None


async def test_a_refused_id_takes_no_lock(client: QueueClient) -> None:
    await client.enqueue(echo(number=1).deferred(job_id="one"))
    assert await client.enqueue(echo(number=2).deferred(job_id="one").unique(60)) is None
    assert await client.keys("almanac:unique:*") == []


async def test_unique_jobs_of_many_senders(client: QueueClient, valkey_socket_url: str) -> None:
    clients = [connect(valkey_socket_url) for _ in range(50)]
    sent = await asyncio.gather(*(each.enqueue(echo(number=1).unique(60)) for each in clients))
    await asyncio.gather(*(each.aclose() for each in clients))
    assert sum(handle is not None for handle in sent) == 1
    assert await client.zcard(KEY) == 1


async def test_one_batch_mixes_them(client: QueueClient) -> None:
    calls = [
        echo(number=1),
        echo(number=2).unique(60),
        echo(number=2).unique(60),
        echo(number=3).in_lane("high"),
    ]
    sent = await client.enqueue_many(calls)
    assert [handle is not None for handle in sent] == [True, True, False, True]
    assert await client.zcard(KEY) == 3


async def test_a_debounced_job_runs_once_with_the_last_arguments(client: QueueClient) -> None:
    first = await client.enqueue(echo(number=1).debounced(60))
    early = await client.zscore(KEY, first.job_id if first else "")
    await asyncio.sleep(0.01)
    second = await client.enqueue(echo(number=2).debounced(60).in_lane("high"))
    assert first is not None
    assert second is not None
    assert second.job_id == first.job_id
    assert await client.zcard(KEY) == 1
    late = await client.zscore(KEY, first.job_id)
    assert early + 10 <= late <= early + 5_000
    assert await client.zscore(f"{KEY}:high", first.job_id) == late
    payload = await client.get(f"arq:job:{first.job_id}")
    assert json.loads(payload)["k"] == {"number": 2}
    now = datetime.now(UTC).timestamp() * 1000
    assert now + 55_000 < late < now + 60_500


async def test_a_moved_job_leaves_its_lane_and_its_abort_mark(client: QueueClient) -> None:
    moves: dict[Lane, Lane] = {"high": "low", "low": "normal", "normal": "high"}
    for lane, other in moves.items():
        call = echo(number=1).debounced(60, key=lane)
        await client.enqueue(call.deferred(job_id=lane).in_lane(lane))
        await client.zadd("arq:abort", {lane: 1})
        await client.enqueue(call.in_lane(other))
    assert await client.zrange(f"{KEY}:high", 0, -1) == [b"normal"]
    assert await client.zrange(f"{KEY}:low", 0, -1) == [b"high"]
    assert await client.exists("arq:abort") == 0


@pytest.mark.parametrize("begun", ["running", "retrying", "claimed", "crashed", "aborted", "ended"])
async def test_a_job_that_has_begun_is_left_alone(client: QueueClient, begun: str) -> None:
    first = await client.enqueue(echo(number=1).debounced(60))
    assert first is not None
    job_id = first.job_id
    begin: dict[str, Callable[[], Any]] = {
        "running": lambda: client.set(f"arq:in-progress:{job_id}", "a:1", px=10_000),
        "retrying": lambda: client.set(f"arq:retry:{job_id}", 1),
        "claimed": lambda: raw(client, "HSET", f"{KEY}:claims", job_id, "a:1"),
        "crashed": lambda: raw(client, "HSET", f"{KEY}:crashes", job_id, "1"),
        "aborted": lambda: client.zadd(KEY, {job_id: 1}),
        "ended": lambda: client.zrem(KEY, job_id),
    }
    await begin[begun]()
    payload = await client.get(f"arq:job:{job_id}")
    second = await client.enqueue(echo(number=2).debounced(60))
    assert second is not None
    assert second.job_id != job_id
    assert await client.get(f"arq:job:{job_id}") == payload
    third = await client.enqueue(echo(number=3).debounced(60))
    assert third is not None
    assert third.job_id == second.job_id


async def test_debounced_jobs_of_other_keys_are_others(client: QueueClient) -> None:
    for key in ("a", "b", "a"):
        await client.enqueue(echo(number=1).debounced(60, key=key))
    assert await client.zcard(KEY) == 2


async def test_locks_end_by_themselves(client: QueueClient) -> None:
    """A sender that dies leaves nothing for ever."""
    await client.enqueue(echo(number=1).debounced(60))
    await client.enqueue(echo(number=1).unique(60))
    ttls = [await client.ttl(key) for key in await client.keys("almanac:unique:*")]
    assert len(ttls) == 2
    assert all(0 < ttl <= 86_460 for ttl in ttls)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: echo(number=1).unique(0), r"0 is no period"),
        (lambda: echo(number=1).debounced(float("inf")), r"inf is no period"),
        (lambda: echo(number=1).unique(1).debounced(1), r"either unique or debounced"),
        (
            lambda: echo(number=1).deferred(until=datetime.now(UTC) + timedelta(1)).debounced(1),
            r"the last call says when",
        ),
    ],
)
async def test_contradictions_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=rf"job examples\.echo.*{message}"):
        make()


async def test_a_sensitive_job_needs_a_key(client: QueueClient) -> None:
    with pytest.raises(ValueError, match=r"examples\.secret is sensitive: unique\(\) needs a key"):
        await client.enqueue(secret(token="t").unique(60))
    assert await client.dbsize() == 0


async def test_headers_of_the_context_travel_with_every_job(client: QueueClient) -> None:
    token = HEADERS.set({"trace": "t1", "actor": "me"})
    try:
        await client.enqueue(JobCall("x.y", "examples", headers={"actor": "you"}, job_id="a"))
        await client.enqueue(echo(number=1).deferred(job_id="b").unique(60))
        await client.enqueue_job("x.y", _job_id="c")
        await client.requeue_many([echo(number=1).deferred(job_id="d")])
    finally:
        HEADERS.reset(token)
    await client.enqueue(echo(number=1).deferred(job_id="e"))
    found = [parse(await client.get(f"arq:job:{job_id}")).headers for job_id in "abcde"]
    both = {"trace": "t1", "actor": "me"}
    assert found == [{"trace": "t1", "actor": "you"}, both, both, both, {}]
