"""Pause, resume and purge of a whole queue."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.exceptions import ResponseError, WatchError

from service.errors import Conflict
from service.queue import (
    JobCall,
    Purged,
    QueueClient,
    cancel,
    inspect,
    is_paused,
    pause,
    purge,
    resume,
)
from service.queue.call import LANES
from service.queue.codec import serialize_failure
from tests.queue.examples import KEY, Rows, echo, owned
from tests.queue.leaks import leaked_keys
from tests.queue.raw import everything, raw

pytestmark = pytest.mark.asyncio

OTHER = "almanac:letters"


async def test_a_queue_is_paused_until_it_is_resumed(client: QueueClient) -> None:
    assert await is_paused(client, KEY) is False
    await pause(client, KEY)
    await pause(client, KEY)
    assert (await is_paused(client, KEY), await is_paused(client, OTHER)) == (True, False)
    assert await client.ttl(f"{KEY}:paused") == -1
    await resume(client, KEY)
    await resume(client, KEY)
    assert await is_paused(client, KEY) is False
    assert await client.dbsize() == 0


async def fill(client: QueueClient, count: int) -> None:
    for lane in LANES:
        calls = [echo(number=i).deferred(job_id=f"{lane}{i}") for i in range(count)]
        await client.enqueue_many([call.in_lane(lane) for call in calls])


async def test_a_purge_removes_all_that_waits_and_all_of_it(client: QueueClient) -> None:
    await fill(client, 150)
    await client.enqueue(JobCall("x.y", "letters", job_id="other"))
    await client.set("arq:retry:high1", 1)
    await client.zadd("arq:abort", {"low1": 1, "unrelated": 1})
    await raw(client, "HSET", f"{KEY}:crashes", "low2", "1")
    await raw(client, "HSET", f"{KEY}:claims", "low2", "a:1")
    await raw(client, "RPUSH", f"{KEY}:attempts:high1", "{}")
    await client.set("arq:job:pickled", b"\x80\x05.")
    await client.zadd(KEY, {"pickled": 1000, "lost": 1000})
    await client.config_resetstat()
    assert await purge(client, KEY) == Purged(removed=452, kept_owned=0, running_left=0)
    statistics = await client.info("commandstats")
    assert statistics["cmdstat_eval"]["calls"] >= 5, "at most 100 ids are taken at a time"
    left = {key.decode() for key in await client.keys()}
    assert left == {OTHER, "arq:abort", "arq:job:other", f"{KEY}:events"}
    assert await client.zrange("arq:abort", 0, -1) == [b"unrelated"]


async def test_a_purge_leaves_what_runs(client: QueueClient) -> None:
    await fill(client, 1)
    await client.set("arq:in-progress:low0", "a:1", px=10_000)
    before = {k: v for k, v in (await everything(client)).items() if "low" in k}
    assert await purge(client, KEY) == Purged(removed=2, kept_owned=0, running_left=1)
    assert await client.zrange(KEY, 0, -1) == [b"low0"]
    after = {k: v for k, v in (await everything(client)).items() if "low" in k}
    assert after == before


async def test_a_purge_breaks_a_start_under_way(client: QueueClient) -> None:
    """arq's worker watches the in-progress key, reads the score, then takes the job by EXEC."""
    await client.enqueue(echo(number=1).deferred(job_id="one"))

    async def start(pipe: Any) -> None:
        await pipe.watch("arq:in-progress:one")
        assert await purge(client, KEY) == Purged(removed=1, kept_owned=0, running_left=0)
        pipe.multi()
        pipe.psetex("arq:in-progress:one", 10_000, b"1")
        await pipe.execute()

    async with client.pipeline(transaction=True) as pipe:
        with pytest.raises(WatchError):
            await start(pipe)
    assert await client.keys() == [f"{KEY}:events".encode()]


async def test_a_purge_leaves_owned_jobs_and_says_how_many(client: QueueClient) -> None:
    await client.enqueue_many([owned(row=i).deferred(job_id=f"{i}") for i in range(4)])
    await client.enqueue(echo(number=1))
    assert await purge(client, KEY) == Purged(removed=1, kept_owned=4, running_left=0)
    assert await client.zcard(KEY) == 4


async def test_a_purge_can_cancel_the_rows_first(client: QueueClient) -> None:
    await client.enqueue_many([owned(row=i).deferred(job_id=f"{i}") for i in range(5)])
    await client.set("arq:in-progress:4", "a:1", px=10_000)
    rows = Rows()
    purged = await purge(client, KEY, cancel_owners=True, resolve=rows.resolve)
    assert purged == Purged(removed=2, kept_owned=2, running_left=1)
    assert sorted(rows.cancelled) == [0, 1, 2, 3]
    assert sorted(await client.zrange(KEY, 0, -1)) == [b"1", b"3", b"4"]
    with pytest.raises(ValueError, match="cancel_owners needs resolve"):
        await purge(client, KEY, cancel_owners=True)


async def test_cancelling_an_owned_job_cancels_its_row(client: QueueClient) -> None:
    await client.enqueue_many([owned(row=i).deferred(job_id=f"{i}") for i in range(2)])
    before = await everything(client)
    with pytest.raises(Conflict, match=r"examples\.owned belongs to a row"):
        await cancel(client, "0")
    rows = Rows()
    assert await cancel(client, "0", resolve=rows.resolve) is True
    assert await cancel(client, "1", resolve=rows.resolve) is False
    assert rows.cancelled == [0, 1]
    assert await everything(client) == before, "what happens in Redis is the owner's affair"


async def test_a_key_of_another_kind_is_found_before_anything_is_removed(
    client: QueueClient,
) -> None:
    await fill(client, 1)
    await client.set(f"{KEY}:claims", "not a hash")
    before = await everything(client)
    for operation in (purge(client, KEY), cancel(client, "low0")):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await operation
    assert await everything(client) == before


LEAKS: dict[str, Callable[[QueueClient], Awaitable[object]]] = {
    "almanac:examples:attempts:gone": lambda c: raw(c, "RPUSH", f"{KEY}:attempts:gone", "{}"),
    "almanac:examples:claims: gone": lambda c: raw(c, "HSET", f"{KEY}:claims", "gone", "a:1"),
    "almanac:examples:crashes: gone": lambda c: raw(c, "HSET", f"{KEY}:crashes", "gone", "1"),
    "almanac:examples:dead: gone": lambda c: raw(c, "HSET", f"{KEY}:dead:jobs", "gone", ""),
    "almanac:examples:high: gone": lambda c: c.zadd(f"{KEY}:high", {"gone": 1}),
    "almanac:examples:low: gone": lambda c: c.zadd(f"{KEY}:low", {"gone": 1}),
    "almanac:limit:job:gone": lambda c: c.set("almanac:limit:job:gone", "{}"),
    "almanac:limit:slots:x: gone": lambda c: c.zadd("almanac:limit:slots:x", {"gone": 1}),
    "arq:abort: gone": lambda c: c.zadd("arq:abort", {"gone": 1}),
    "arq:in-progress:gone": lambda c: c.set("arq:in-progress:gone", "a:1"),
    "arq:job:gone": lambda c: c.set("arq:job:gone", "{}"),
    "arq:job:here (missing)": lambda c: c.zadd(KEY, {"here": 5}),
    "arq:retry:gone": lambda c: c.set("arq:retry:gone", 1),
}


@pytest.mark.parametrize("leak", LEAKS)
async def test_the_leak_finder_finds(client: QueueClient, leak: str) -> None:
    await LEAKS[leak](client)
    assert await leaked_keys(client) == [leak]


async def test_the_leak_finder_allows_what_may_stay(client: QueueClient) -> None:
    await client.enqueue(echo(number=1).deferred(job_id="one").in_lane("low").unique(60))
    await client.enqueue(echo(number=2).deferred(job_id="two"))
    assert await cancel(client, "two")
    await client.zadd(f"{KEY}:dead", {"dead": 1})
    await raw(client, "HSET", f"{KEY}:dead:jobs", "dead", "")
    failure = serialize_failure("examples.echo", OSError())
    for job_id in ("dead", "one"):
        await raw(client, "RPUSH", f"{KEY}:attempts:{job_id}", failure)
    await raw(client, "XADD", f"{KEY}:events", "*", "two", "{}")
    await client.set(f"{KEY}:health:host:1", "")
    await client.set(f"{KEY}:call:a.1:claim", "", px=60_000)
    await client.set("almanac:limit:rate:x", 1, px=60_000)
    await pause(client, KEY)
    assert await inspect(client, "two") is not None
    assert await leaked_keys(client) == []
