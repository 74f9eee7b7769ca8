"""One test, at least, for each of the twenty engine rules, at the level of its scripts.

Rules 2 and 12 are about rows: what is theirs in PostgreSQL is tested by
tests/chaos/test_killed_worker.py and tests/chaos/test_wiped_queue.py. Rules 18 and 19 belong to
workflows and history; here is only what they need of the engine.
"""

import asyncio
import pickle
import signal
import time
from hashlib import sha1

import pytest
import pytest_asyncio
from arq import ArqRedis, cron, func
from redis.exceptions import ResponseError

from service.queue import JobCall, QueueClient, job
from service.queue.link import Link
from tests.engine.bench import HERE, KEY, QUEUE, make_worker, serving, until, work
from tests.engine.scripts import T0, Caller
from tests.queue.raw import raw
from workers.engine import Context, Finished, run
from workers.engine.broker import CLAIM, FINISH

pytestmark = pytest.mark.asyncio

JOB = b'{"v":1,"f":"engine.row","a":[],"k":{},"t":null,"et":1}'


@job("engine.row", queue=QUEUE, coroutine=f"{HERE}.row")
async def row() -> None:
    """Do nothing."""


async def row_work(ctx: Context) -> None:
    """Do nothing."""


async def tick(ctx: Context) -> None:
    """Do nothing."""


def digest(job_id: str) -> str:
    """Return what renew and finish compare of a payload that `Caller.add` has made."""
    return sha1(f"payload of {job_id}".encode(), usedforsecurity=False).hexdigest()


def near(lease_end: int) -> range:
    """Return where a score may be that is to show the end of a lease, and not before it."""
    return range(lease_end, lease_end + 10)


@pytest_asyncio.fixture
async def one(client: QueueClient) -> Caller:
    """One worker."""
    return Caller(client, "one.1")


@pytest_asyncio.fixture
async def two(client: QueueClient) -> Caller:
    """Another one."""
    return Caller(client, "two.1")


async def test_rule_1_an_abort_under_way_never_starts(one: Caller) -> None:
    """Score 1 is claimed only to be finished as cancelled, mark or no mark."""
    await one.add("next week", now=7 * 86_400_000)
    await one.client.zadd(KEY, {"next week": 1})
    claimed = await one.claim(1)
    assert (claimed.ids, claimed.marks) == (["next week"], ["0"])
    assert await one.finish(1, 0, ("next week", 1, "cancelled")) == [1]


async def test_rule_2_a_stale_owner_writes_nothing(one: Caller, two: Caller) -> None:
    """The fence: whoever was taken over is refused, whatever it writes."""
    await one.add("a")
    await one.claim(1)
    await one.expire_leases("a")
    assert (await two.claim(1, 10_001)).ids == ["a"]
    assert await one.renew(10_002, ("a", 1, digest("a"))) == [0]
    assert await one.finish(1, 10_003, ("a", 1, "succeeded")) == [0]
    assert not await one.client.exists("arq:result:a")
    assert await two.finish(1, 10_004, ("a", 1, "succeeded")) == [1]


async def test_rule_3_absent_is_not_taken(one: Caller, two: Caller) -> None:
    """A lease whose key is lost is taken up again, for the same payload only."""
    await one.add("a", "b")
    await one.claim(1)
    await one.expire_leases("a", "b")
    await one.client.set("arq:job:b", "another incarnation")
    assert await one.renew(20_000, ("a", 1, digest("a")), ("b", 1, digest("b"))) == [1, 0]
    assert await one.at("a") in near(30_000)
    assert (await two.claim(1, 20_001)).ids == ["b"]
    await one.expire_leases("a")
    assert await one.finish(1, 20_002, ("a", 1, "succeeded")) == [4]
    assert await one.finish(2, 20_002, ("a", 1, "succeeded", 0, digest("a"))) == [1]


async def test_rule_3_a_clock_that_jumped_claims_nothing(one: Caller) -> None:
    """A claim that finds the time off by more than 0.5 s says so instead."""
    await one.add("a")
    assert (await one.claim(1, 60_000, expected=T0)).status == "jump"
    assert (await one.claim(2, 60_000, expected=T0 + 59_600)).ids == ["a"]


async def test_rule_3_renewing_lowers_a_score_from_the_future(one: Caller) -> None:
    """After a failover to a slower clock the score is where the lease ends, not far ahead."""
    await one.add("a")
    await one.claim(1, 60_000)
    assert await one.renew(0, ("a", 1, digest("a"))) == [1]
    assert await one.at("a") in near(10_000)


async def test_rule_4_left_overs_do_not_block(client: QueueClient, one: Caller) -> None:
    """Sent again, an id with a result, tries and a mark is queued; see tests/queue/test_requeue."""
    await client.mset({"arq:result:x": "{}", "arq:retry:x": "5"})
    await client.zadd("arq:abort", {"x": 5})
    assert await client.requeue_many([JobCall("engine.none", "engine", job_id="x")]) == [True]
    assert not await client.exists("arq:result:x", "arq:retry:x", "arq:abort")


async def test_rule_5_every_reply_leaves_the_queue_tracked(client: QueueClient) -> None:
    """After a claim that took a job, and after an own finish, the next write wakes the worker."""
    heard: list[frozenset[str]] = []
    link = await Link.open(client.connection_pool, heard.append)
    await link.call("CLIENT", "TRACKING", "ON", "NOLOOP")
    await client.set("arq:job:a", "x")
    await client.zadd(KEY, {"a": 1000})
    claim: list[str | bytes | float] = ["", "own.1", 1, 10, 10_000, "", 0, 0, 3]
    await link.script(CLAIM, [KEY], claim)
    await client.zadd(KEY, {"b": 2e12})
    await until(lambda: heard)
    heard.clear()
    end: list[str | bytes | float] = ["a", "own.1:1", "plain", b"result"]
    assert await link.script(FINISH, [KEY], ["", "own.1", 1, 0, 300_000, 0, "", *end]) == [1]
    assert heard == []
    await client.zadd(KEY, {"c": 2e12})
    await until(lambda: heard)
    assert all(keys <= {KEY} for keys in heard)
    link.close()
    await client.zrem(KEY, "b", "c")


async def test_rule_6_a_lost_claim_uses_no_try(one: Caller) -> None:
    """Five claims without outcome: the tries are none, and the job was never called a killer."""
    await one.add("a")
    for number in range(1, 6):
        now = number * 20_000
        claimed = await one.claim(number, now, alone=1)
        assert claimed.ids == ["a"]
        assert claimed.kinds[0] != "crashed"
        await one.expire_leases("a")
    assert not await one.client.exists("arq:retry:a")


async def test_rule_6_only_who_ran_alone_is_blamed(one: Caller) -> None:
    """Jobs that crash together are claimed alone before any of them may be called dead."""
    await one.add("a", "b")
    for number in (1, 2):
        assert (await one.claim(number, number * 20_000)).ids == ["a", "b"]
        await one.expire_leases("a", "b")
    beside = await one.claim(3, 60_000)
    assert (beside.ids, beside.held) == ([], 2)
    alone = await one.claim(4, 60_000, alone=1)
    assert (alone.ids, alone.kinds) == (["a"], ["alone"])
    await raw(one.client, "HSET", f"{KEY}:claims", "a", "one.1:4:started")
    await one.expire_leases("a")
    innocent = await one.claim(5, 80_000, alone=1)
    assert (innocent.ids, innocent.kinds) == (["b"], ["alone"])
    assert await one.finish(1, 80_000, ("b", 5, "succeeded")) == [1]
    dead = await one.claim(6, 80_000, alone=1)
    assert (dead.ids, dead.kinds, dead.crashes) == (["a"], ["crashed"], [3])


async def test_rule_7_a_repeated_call_changes_nothing(one: Caller) -> None:
    """A claim and a finish whose replies were lost are answered again as they were."""
    await one.add("a", "b")
    first = await one.claim(1, wanted=1)
    assert (await one.claim(1, 5, wanted=1)).ids == first.ids == ["a"]
    outcome = ("a", 1, "succeeded")
    assert await one.finish(1, 10, outcome) == await one.finish(1, 20, outcome) == [1]
    assert await raw(one.client, "HGETALL", f"{KEY}:counts") == {b"succeeded": b"1"}


async def test_rule_7_bad_items_stop_nobody(one: Caller) -> None:
    """An unknown outcome is refused before the first write; one stale item leaves the others."""
    await one.add("a", "b")
    await one.claim(1)
    with pytest.raises(ResponseError, match="unknown outcome lost"):
        await one.finish(1, 1, ("a", 1, "succeeded"), ("b", 1, "lost"))
    assert await one.at("a") in near(10_000)
    assert await one.finish(2, 1, ("a", 9, "succeeded"), ("b", 1, "succeeded")) == [0, 1]


async def test_rule_8_each_id_is_in_the_queue(client: QueueClient, one: Caller) -> None:
    """Lanes are indexes: a claim takes from them, and the id stays in the queue while it runs."""
    for lane in ("low", "normal", "high"):
        await client.enqueue_job("f", _job_id=lane, _queue_name=KEY, _lane=lane)
    assert await client.zcard(KEY) == 3
    assert (await one.claim(1)).ids == ["high", "normal", "low"]
    for lane in ("high", "normal", "low"):
        assert await one.at(lane) in near(10_000)
    done = [(lane, 1, "succeeded") for lane in ("high", "normal", "low")]
    assert await one.finish(1, 0, *done) == [1, 1, 1]
    assert not await client.exists(KEY, f"{KEY}:high", f"{KEY}:low")


async def test_rule_9_results_in_the_format_of_the_worker(client: QueueClient) -> None:
    """A worker that was given arq's pickle serializers reads and writes pickle, as arq's."""
    pickling = ArqRedis(client.connection_pool, default_queue_name=KEY)
    sent = await pickling.enqueue_job("plain", 20)
    assert sent is not None

    async def plain(ctx: Context, number: int) -> int:
        return number + 1

    plain_function = func(plain, name="plain")
    await work(client, plain_function, job_serializer=pickle.dumps, job_deserializer=pickle.loads)
    assert await sent.result(timeout=2) == 21


async def test_rule_10_a_foreign_ids_score_stays(one: Caller) -> None:
    """An id that a stock worker runs is passed over and not touched."""
    await one.add("theirs", "ours")
    await one.client.set("arq:in-progress:theirs", "1", px=60_000)
    assert (await one.claim(1)).ids == ["ours"]
    assert await one.at("theirs") == 0


@pytest.mark.parametrize("outcome", ["retried", "snoozed", "released"])
async def test_rule_11_a_mark_outlives_all_but_an_end(one: Caller, outcome: str) -> None:
    """A marked job is not queued again; whoever claims a marked one is told."""
    await one.add("a")
    await one.claim(1)
    await one.client.zadd("arq:abort", {"a": T0})
    assert await one.renew(1, ("a", 1, digest("a"))) == [2]
    assert await one.finish(1, 2, ("a", 1, outcome, 5)) == [2]
    assert await one.client.zscore("arq:abort", "a") is not None
    await one.expire_leases("a")
    again = await one.claim(2, 20_000)
    assert (again.ids, again.marks) == (["a"], [str(T0)])
    assert await one.finish(2, 20_000, ("a", 2, "cancelled")) == [1]
    assert not await one.client.exists("arq:abort")


async def test_rule_12_what_is_told_to_a_row_comes_first(client: QueueClient) -> None:
    """See test_around_jobs.test_the_ledger_comes_before_redis_forgets; here: a job is told once."""
    told: list[str] = []

    class Rows:
        async def record(self, end: Finished) -> bool:
            told.append(f"{end.job_id} {await client.exists(f'arq:job:{end.job_id}')}")
            return False

    await client.enqueue_job("engine.row", _job_id="a", _queue_name=KEY)
    await work(client, run(row, row_work), ledger=Rows())
    assert told == ["a 1"]


async def test_rule_13_what_cannot_be_claimed_hides_nothing(one: Caller) -> None:
    """1,500 ids that others run stand before five ready ones: two calls find them."""
    theirs = [f"a{number:04}" for number in range(1500)]
    await one.client.zadd(KEY, dict.fromkeys(theirs, T0 - 1))
    await one.client.mset({f"arq:in-progress:{job_id}": "1" for job_id in theirs})
    await one.add("z1", "z2", "z3", "z4", "z5")
    first = await one.claim(1)
    assert first.ids == []
    second = await one.claim(2, pass_over=first.pass_over)
    assert second.ids == ["z1", "z2", "z3", "z4", "z5"]
    await one.client.flushdb()


async def test_rule_14_a_blocked_loop_loses_no_lease(client: QueueClient) -> None:
    """A job that blocks the loop for three leases runs once; the thread renews meanwhile."""
    runs: list[str] = []

    async def block(ctx: Context) -> None:
        runs.append(ctx["job_id"])
        time.sleep(1.6)  # noqa: ASYNC251 - the point of it

    await client.enqueue_job("engine.row", _job_id="a", _queue_name=KEY)
    function = run(row, block)
    async with serving(client, function, lease=0.5):
        await until(lambda: runs)
        async with serving(client, function, lease=0.5):
            await asyncio.sleep(0.2)
    assert runs == ["a"]
    assert not await client.exists(KEY)


async def test_rule_15_a_release_is_of_one_incarnation(one: Caller, two: Caller) -> None:
    """What the dead one held is free at once; its late calls do nothing; others keep theirs."""
    await one.add("a")
    await one.claim(1)
    await one.add("b")
    await two.claim(1)
    assert await one.release(100, "a", "b") == 1
    assert await one.at("a") == 100
    assert (await two.claim(2, 100)).ids == ["a"]
    assert await one.renew(101, ("a", 1, digest("a"))) == [0]
    assert await one.finish(1, 101, ("a", 1, "succeeded")) == [0]
    assert (await one.claim(2, 101)).status == "gone"
    assert await two.renew(102, ("a", 2, digest("a")), ("b", 1, digest("b"))) == [1, 1]


async def test_rule_16_a_deadline_that_was_meant_is_kept(one: Caller) -> None:
    """A wait beyond `_expires` is refused as expired; arq's default day is no deadline."""
    await one.add("meant", "default")
    await one.client.pexpire("arq:job:meant", 60_000)
    await one.client.pexpire("arq:job:default", 86_400_000)
    await one.claim(1)
    codes = await one.finish(
        1, 0, ("meant", 1, "retried", 61_000), ("default", 1, "retried", 90_000_000)
    )
    assert codes == [3, 1]
    assert await one.client.pttl("arq:job:default") == -1
    assert await one.client.pttl("arq:job:meant") > 0


async def test_rule_17_a_tick_stays_taken(client: QueueClient) -> None:
    """The in-progress key of a cron job outlives it by arq's minute."""
    function = cron(tick, name="cron:engine.tick", hour=3, run_at_startup=True)
    worker = make_worker(client, cron_jobs=[function], burst=False)
    task = asyncio.create_task(worker.async_run())
    await until(lambda: worker.jobs_complete == 1, 5)
    worker.handle_sig(signal.SIGTERM)
    await task
    (key,) = await client.keys("arq:in-progress:cron:engine.tick:*")
    assert 50_000 < await client.pttl(key) <= 60_000


async def test_rule_18_an_end_counts_once(one: Caller) -> None:
    """Of two ends of one step only the first is taken; the fan-in itself is PostgreSQL's."""
    await one.add("step")
    await one.claim(1)
    assert await one.finish(1, 0, ("step", 1, "succeeded")) == [1]
    assert await one.finish(2, 0, ("step", 1, "succeeded")) == [0]


async def test_rule_19_dead_jobs_do_not_depend_on_the_stream(one: Caller) -> None:
    """Where the stream of events cannot be written, the job ends all the same and is kept."""
    await one.add("a")
    await one.claim(1)
    await one.client.set(f"{KEY}:events", "no stream")
    assert await one.finish(1, 0, ("a", 1, "dead")) == [1]
    assert await one.client.zscore(f"{KEY}:dead", "a") == T0


async def test_rule_20_nothing_starts_early(client: QueueClient, one: Caller) -> None:
    """A claim may take what is due within 2 ms; the worker starts none before its time."""
    await one.add("a", now=2)
    await one.add("b", now=3)
    assert (await one.claim(1)).ids == ["a"]
    await client.flushdb()
    early: list[float] = []

    async def note(ctx: Context) -> None:
        seconds, micros = await client.time()
        early.append(seconds * 1000 + micros / 1000 - ctx["score"])

    seconds, micros = await client.time()
    now = seconds * 1000 + micros // 1000
    for number in range(100):
        await client.set(f"arq:job:{number}", JOB)
        await client.zadd(KEY, {str(number): now + 100 + 3 * number})
    await work(client, run(row, note))
    assert len(early) == 100
    assert min(early) >= 0
