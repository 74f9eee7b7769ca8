"""Durable jobs on real servers: committed with their rows, run once, and found again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from arq.worker import Worker as StockWorker
from sqlalchemy import text

from service.access.models import User
from service.db import outbox
from service.db.outbox import DurableJob
from service.kit.clock import now
from service.kit.tasks import end
from service.monitoring import rows
from service.operator import OPERATOR
from service.queue import JobCall, RetryPolicy, connect, job, purge, queue_key
from service.queue.codec import deserialize, serialize
from service.runtime import Runtime
from tests.queue.leaks import leaked_keys
from workers import ledger as ledgers
from workers import loops
from workers.engine import LEDGER, Begun, Context, Over, RowClaim, RowOutcome, Worker, run
from workers.engine.ending import Outcome
from workers.engine.limits import Wait
from workers.ledger import JobLedger

pytestmark = pytest.mark.asyncio
KEY = queue_key("durable")
HORIZON = timedelta(minutes=10)


@job("tests.durable", queue="durable", coroutine="tests.db.run", retry=RetryPolicy(2, delay=0))
async def task(number: int) -> int:
    """Return twice the number; 13 fails."""
    raise NotImplementedError


class Code:
    """The coroutine of `tests.durable`, that counts."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    async def __call__(self, ctx: Context, number: int) -> int:
        self.runs.append(number)
        if number == 13:
            raise ValueError("bad luck")
        return 2 * number


async def enqueue(runtime: Runtime, *calls: JobCall) -> None:
    async with runtime.unit_of_work() as uow:
        uow.enqueue(*calls)


async def work(runtime: Runtime, code: Code, **settings: Any) -> None:
    """Run what is in the queue."""
    ledger = {LEDGER: JobLedger(runtime)}
    worker = Worker(
        functions=[run(task, code)], queue_name=KEY, redis_pool=runtime.queue, burst=True,
        handle_signals=False, ctx=ledger, **settings,
    )  # fmt: skip
    async with asyncio.timeout(30):
        await worker.async_run()
    assert await leaked_keys(runtime.queue) == []


async def row(runtime: Runtime, job_id: str) -> DurableJob:
    found = await rows.find(runtime, job_id)
    assert found is not None
    return found


async def sweep(runtime: Runtime, *, everything: bool = False) -> int:
    return await rows.sweep(runtime, everything=everything)


@asynccontextmanager
async def without_redis(runtime: Runtime) -> AsyncIterator[Runtime]:
    """The same runtime as long as Redis is down."""
    nowhere = connect("redis://127.0.0.1:1", retries=0)
    yield replace(runtime, queue=nowhere)
    await nowhere.aclose()


async def test_a_durable_job_is_a_row_from_its_commit_to_its_end(runtime: Runtime) -> None:
    """G009, K041, T079: the row tells who ran it, how often, and what came of it."""
    await enqueue(runtime, task(21).deferred(job_id="a"))
    waiting = await row(runtime, "a")
    assert (waiting.state, waiting.tries, waiting.path) == ("queued", 0, None)
    code = Code()
    await work(runtime, code)
    ended = await row(runtime, "a")
    assert (ended.state, ended.tries, ended.path) == ("succeeded", 1, "queue")
    assert ended.started_at is not None
    assert ended.finished_at is not None
    assert code.runs == [21]


async def test_a_rollback_leaves_neither_row_nor_job(runtime: Runtime) -> None:
    with pytest.raises(RuntimeError, match="no"):
        async with runtime.unit_of_work() as uow:
            uow.session.add(User(name="new"))
            uow.enqueue(task(1).deferred(job_id="a"))
            raise RuntimeError("no")
    assert await rows.find(runtime, "a") is None
    assert not await runtime.queue.exists(KEY)


async def test_a_job_that_cannot_be_written_rolls_everything_back(runtime: Runtime) -> None:
    """A payload over the limit: the error says so, and no row of the transaction stays."""
    call = JobCall("tests.durable", "durable", kwargs={"number": "x" * 2_000_000})
    with pytest.raises(Exception, match=r"payload has 2,000,\d\d\d bytes"):
        async with runtime.unit_of_work() as uow:
            uow.session.add(User(name="new"))
            uow.enqueue(call)
    (counted,) = await runtime.database.execute(text("SELECT count(*) FROM users"))
    assert counted[0] == 0
    assert not await runtime.queue.exists(KEY)


async def test_an_id_is_an_idempotency_key(runtime: Runtime) -> None:
    """A second job of the id is neither a row nor sent, also after the first has ended."""
    code = Code()
    for number in (1, 2):
        await enqueue(runtime, task(number).deferred(job_id="a"))
    await work(runtime, code)
    await enqueue(runtime, task(3).deferred(job_id="a"))
    await work(runtime, code)
    assert code.runs == [1]


async def test_redis_down_at_the_commit_costs_only_time(runtime: Runtime) -> None:
    """K040: the request succeeds, and the sweep sends the job when Redis is back."""
    async with without_redis(runtime) as cut_off:
        await enqueue(cut_off, task(1).deferred(job_id="a"))
    assert not await runtime.queue.exists(KEY)
    assert await sweep(runtime) == 0, "it is looked at when Redis had its time"
    assert await sweep(runtime, everything=True) == 1
    code = Code()
    await work(runtime, code)
    assert code.runs == [1]
    assert await sweep(runtime, everything=True) == 0


async def test_what_a_wiped_redis_lost_is_sent_again(runtime: Runtime) -> None:
    """M12: 600 jobs over more than one page, once each; what had ended is not sent."""
    await enqueue(runtime, *(task(n) for n in range(100, 700)))
    code = Code()
    await work(runtime, code, max_burst_jobs=100)
    await runtime.queue.flushdb()
    left = 600 - len(code.runs)
    assert await sweep(runtime, everything=True) == left
    assert await sweep(runtime, everything=True) == 0
    await work(runtime, code)
    assert sorted(code.runs) == list(range(100, 700))


async def test_a_wipe_while_the_maintenance_watches(runtime: Runtime) -> None:
    """Design 8.4: Redis is emptied, and the jobs are back without anybody asking."""
    sweeping = asyncio.create_task(loops.sweep(runtime))
    try:
        await enqueue(runtime, task(1).deferred(job_id="a"))
        while not await runtime.queue.exists(loops.EPOCH):  # noqa: ASYNC110 - the key is no event
            await asyncio.sleep(0.01)
        await runtime.queue.flushall()
        async with asyncio.timeout(3):
            while not await runtime.queue.exists("arq:job:a"):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
    finally:
        await end(sweeping)
    code = Code()
    await work(runtime, code)
    assert code.runs == [1]


async def test_a_failed_job_is_kept_and_runs_again_when_told(runtime: Runtime) -> None:
    """V049: dead in PostgreSQL, with its error; replayed as another version, once."""
    await enqueue(runtime, task(13).deferred(job_id="a"))
    code = Code()
    await work(runtime, code)
    dead = await row(runtime, "a")
    assert (dead.state, dead.tries, dead.error) == ("failed", 2, "ValueError: bad luck")
    assert not await runtime.queue.exists(f"{KEY}:dead")
    assert await rows.replay(runtime, dead)
    assert not await rows.replay(runtime, dead), "it is open now"
    await work(runtime, code)
    again = await row(runtime, "a")
    assert (again.state, again.version, again.tries) == ("failed", 2, 2)
    assert code.runs == [13] * 4


async def test_a_cancelled_job_stays_cancelled(runtime: Runtime) -> None:
    """Rule 12: in Redis and in its row, and no sweep brings it back."""
    await enqueue(runtime, task(1).deferred(job_id="a"))
    assert await rows.cancel(runtime, await row(runtime, "a"))
    assert (await row(runtime, "a")).state == "cancelled"
    assert await sweep(runtime, everything=True) == 0
    code = Code()
    await work(runtime, code)
    assert code.runs == []
    assert not await rows.cancel(runtime, await row(runtime, "a"))


async def test_a_purge_leaves_rows_unless_told(runtime: Runtime) -> None:
    """Rule 12: it says how many it left; with cancel_owners their rows are cancelled first."""
    await enqueue(runtime, task(1).deferred(job_id="a"), task(2).deferred(job_id="b"))
    purged = await purge(runtime.queue, KEY)
    assert (purged.removed, purged.kept_owned) == (0, 2)
    resolve = runtime.owners(OPERATOR)
    await purge(runtime.queue, KEY, cancel_owners=True, resolve=resolve)
    assert not await runtime.queue.exists(KEY)
    assert {(await row(runtime, i)).state for i in "ab"} == {"cancelled"}


async def test_tries_survive_a_wipe(runtime: Runtime) -> None:
    """Rule 12: one try used before, one left after; Redis would have counted two more."""
    await enqueue(runtime, task(13).deferred(job_id="a"))
    code = Code()
    await work(runtime, code, max_burst_jobs=1)
    assert (await row(runtime, "a")).state == "retrying"
    await runtime.queue.flushdb()
    await sweep(runtime, everything=True)
    await work(runtime, code)
    assert code.runs == [13, 13]
    assert (await row(runtime, "a")).state == "failed"


async def test_a_row_is_claimed_by_one(runtime: Runtime) -> None:
    """A live claim is waited for, a dead one is taken over, a late outcome is refused."""
    await enqueue(runtime, task(1).deferred(job_id="a"))
    ledger = JobLedger(runtime)
    first, second = (RowClaim("a", "1", token, crashed=False) for token in ("one", "two"))
    assert await ledger.begin(first) == Begun(0)
    assert await ledger.begin(first) == Begun(0), "the reply was lost"
    waits = await ledger.begin(second)
    assert isinstance(waits, Wait)
    seconds = waits.until_ms / 1000 - now().timestamp()
    assert 25 < seconds <= 31
    assert await ledger.begin(replace(second, version="2")) == Over()
    assert await ledger.begin(replace(second, crashed=True)) == Begun(0)
    await runtime.database.execute(text("UPDATE durable_jobs SET claimed_until = now()"))
    assert await ledger.begin(first) == Begun(0)


async def lapsed(runtime: Runtime, job_id: str) -> bool:
    until = (await row(runtime, job_id)).claimed_until
    return until is None or until <= now()


async def test_jobs_that_begin_together_are_told_apart(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One claim of Redis, one token, three rows: each by itself is claimed, over, or kept."""
    await enqueue(runtime, *(task(n).deferred(job_id=i) for n, i in enumerate("abc")))
    over = text("UPDATE durable_jobs SET state = 'cancelled' WHERE id = 'b'")
    await runtime.database.execute(over)
    ledger = JobLedger(runtime)
    claims = [RowClaim(i, "1", "shared", crashed=False) for i in "abc"]
    begun = await asyncio.gather(*map(ledger.begin, claims))
    assert begun == [Begun(0), Over(), Begun(0)]
    await ledger.settle(RowOutcome(claims[0], Outcome.SUCCEEDED, None, 1, b"", None))
    expire = text("UPDATE durable_jobs SET claimed_until = now()")
    await runtime.database.execute(expire)
    monkeypatch.setattr(ledgers, "RENEW", 0.01)
    renewing = asyncio.create_task(ledger.renew())
    try:
        async with asyncio.timeout(20):
            while await lapsed(runtime, "c"):  # noqa: ASYNC110 - the row is no event
                await asyncio.sleep(0.05)
    finally:
        await end(renewing)
    assert (await row(runtime, "a")).state == "succeeded"
    assert (await row(runtime, "b")).state == "cancelled"


async def test_what_a_stock_worker_ended_is_closed(runtime: Runtime) -> None:
    """Principle 3: stock arq knows no rows; its result closes them, and nothing runs twice."""
    await enqueue(runtime, task(4).deferred(job_id="a"))
    code = Code()
    stock = StockWorker(
        functions=[run(task, code)], queue_name=KEY, redis_pool=runtime.queue, burst=True,
        handle_signals=False, job_serializer=serialize, job_deserializer=deserialize,
    )  # fmt: skip
    await stock.async_run()
    assert (await row(runtime, "a")).state == "queued"
    assert await sweep(runtime, everything=True) == 0
    ended = await row(runtime, "a")
    assert (ended.state, ended.path, code.runs) == ("succeeded", "queue", [4])


async def test_rows_are_forgotten_when_their_time_is_over(runtime: Runtime) -> None:
    """What ended well goes after its retention; what failed or waits stays."""
    await enqueue(runtime, *(task(n).deferred(job_id=i) for i, n in (("a", 1), ("b", 13))))
    await work(runtime, Code())
    await enqueue(runtime, task(2).deferred(job_id="c"))
    async with runtime.unit_of_work() as uow:
        assert await outbox.forget(uow.session, now() - timedelta(minutes=1)) == 0
        assert await outbox.forget(uow.session, now() + timedelta(minutes=1)) == 1
    left = await runtime.database.execute(text("SELECT id FROM durable_jobs ORDER BY id"))
    assert [row.id for row in left] == ["b", "c"]
